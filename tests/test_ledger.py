"""A connection's books: what is pending, whether an utterance is over, what was heard."""

from __future__ import annotations

from itertools import count, pairwise

import pytest

from pipeline.ledger import ITEM_BYTES, MAX_SEGMENTS, Ledger
from stages.errors import SynthesisError
from stages.items import (
    AudioChunk,
    Flush,
    PcmFrame,
    Segment,
    SegmentEnded,
    SegmentFailed,
    SegmentStarted,
    Style,
    Token,
)
from tests.fakes import STYLE, segment, sound_of
from tests.segmenter.cutting import graphemes_of

RATE = 48_000
NUMBERS = count()


def take_in(ledger: Ledger, text: str, now: float = 0.0, style: Style = STYLE) -> bool:
    return ledger.take_in(Token(text, style), now)


def pack(ledger: Ledger, text: str, style: Style = STYLE) -> bool:
    """A segment with this text has been packed; says whether the utterance is over."""
    return ledger.packed(AudioChunk(segment(text, style=style), sound_of(""), RATE, is_last=True))


def begin(ledger: Ledger, text: str, start: int) -> Segment:
    """The sound of a segment begins to be sent."""
    said = segment(text, next(NUMBERS))
    ledger.sending(SegmentStarted(said, start))
    return said


def send(ledger: Ledger, n_samples: int, now: float = 0.0) -> None:
    """Sound is sent, without taking any time."""
    frame = PcmFrame(b"", n_samples, None)
    ledger.sending(frame)
    ledger.sent(frame, now)


def speak(ledger: Ledger, text: str, start: int, n_samples: int) -> None:
    """A segment is sent whole at time 0."""
    said = begin(ledger, text, start)
    if n_samples:
        send(ledger, n_samples)
    ledger.sending(SegmentEnded(said, start, n_samples))


def split_at(ledger: Ledger, n_samples: int) -> tuple[str, str]:
    """What a listener has heard who has played so much of it, and what not."""
    cancelled = ledger.cancel(n_samples / RATE * 1000, 0.0)
    return cancelled.text_spoken, cancelled.text_remaining


def spoken(text: str, n_heard: int, n_samples: int) -> str:
    """What was heard of a segment after so many of its samples."""
    ledger = Ledger(1 << 18)
    take_in(ledger, text)
    speak(ledger, text, 0, n_samples)
    heard, remaining = split_at(ledger, n_heard)
    assert heard + remaining == text
    return heard


# What is pending.


def test_text_is_refused_above_the_bound_and_taken_again_when_all_is_spoken() -> None:
    ledger = Ledger(10)
    assert take_in(ledger, "é" * 5)
    assert ledger.n_bytes == 10
    assert not take_in(ledger, "x")
    assert ledger.n_bytes == 10
    assert pack(ledger, "é" * 5)
    assert ledger.n_bytes == 0
    assert take_in(ledger, "x")


@pytest.mark.parametrize("ending", ["a flush", "a barge-in", "all is packed"])
def test_the_rest_of_an_utterance_is_refused_too(ending: str) -> None:
    """Else what is spoken would have holes wherever there was room for a token again."""
    ledger = Ledger(150)
    take_in(ledger, "a" * 80)
    take_in(ledger, "b" * 80)
    assert not take_in(ledger, "refused")
    pack(ledger, "a" * 80)
    assert not take_in(ledger, "there would be room")
    match ending:
        case "a flush":
            assert ledger.take_in(Flush(1), 0.0)
        case "a barge-in":
            ledger.cancel(None, 0.0)
        case _:
            assert pack(ledger, "b" * 80)
    assert not ledger.is_refusing
    assert take_in(ledger, "taken")


def test_text_is_taken_again_when_the_flushes_are_gone_that_left_no_room() -> None:
    """It was refused up to the next flush, though nothing was pending any more."""
    ledger = Ledger(ITEM_BYTES)
    ledger.take_in(Flush(1), 0.0)
    assert not take_in(ledger, "refused")
    ledger.packed(Flush(1))
    assert take_in(ledger, "taken")


def test_flushes_have_room_where_text_has_none_and_are_bounded_too() -> None:
    ledger = Ledger(1000)
    take_in(ledger, "x" * 1000)
    n_flushes = sum(ledger.take_in(Flush(number), 0.0) for number in range(100))
    assert 2000 <= 1000 + n_flushes * ITEM_BYTES < 2000 + ITEM_BYTES
    n_bytes = ledger.n_bytes
    ledger.packed(Flush(0))
    assert ledger.n_bytes == n_bytes - ITEM_BYTES


def test_a_flood_of_styles_is_bounded_too() -> None:
    """Tokens of different styles cannot be merged: letters at two pitches in turn took 200 times
    their bytes."""
    ledger = Ledger(1000)
    styles = STYLE, Style("other")
    n_taken = sum(take_in(ledger, "x", style=styles[number % 2]) for number in range(100))
    assert n_taken * (1 + ITEM_BYTES) < 1000 + 2 * ITEM_BYTES
    for number in range(n_taken):
        pack(ledger, "x", styles[number % 2])
    assert ledger.n_bytes == 0


def test_marks_and_white_space_are_nothing_to_wait_for() -> None:
    ledger = Ledger(100)
    take_in(ledger, "Yes!")
    take_in(ledger, ' \n"')
    assert pack(ledger, "Yes!")
    take_in(ledger, "a ")
    assert not pack(ledger, ' \n"')
    assert pack(ledger, "a ")


def test_a_segment_that_failed_is_pending_no_more() -> None:
    ledger = Ledger(100)
    take_in(ledger, "Yes!")
    assert ledger.packed(SegmentFailed(segment("Yes!"), SynthesisError("no")))
    assert ledger.n_bytes == 0


def test_it_waits_for_the_client_when_all_segments_have_been_packed() -> None:
    ledger = Ledger(100)
    assert ledger.waits_for_client(0)
    take_in(ledger, "Yes! And")
    assert not ledger.waits_for_client(len("Yes!"))
    pack(ledger, "Yes!")
    assert ledger.waits_for_client(len("Yes!"))


# What was heard.


@pytest.mark.parametrize(
    ("heard_to", "spoken"),
    [
        (0, ""),
        (200, ""),  # not a whole word yet
        (400, "One"),
        (499, "One"),
        (500, "One two"),
        (1_000, "One two three."),
        (1_600, "One two three. Four"),
        (9_999, "One two three. Four five."),
    ],
)
def test_what_was_heard_ends_with_a_whole_word(heard_to: int, spoken: str) -> None:
    ledger = Ledger(1000)
    take_in(ledger, "One two three. Four five. Six")
    speak(ledger, "One two three.", 0, 1_000)
    speak(ledger, " Four five.", 1_000, 1_000)
    heard, remaining = split_at(ledger, heard_to)
    assert heard == spoken
    assert heard + remaining == "One two three. Four five. Six"


CHINESE = "今天天气很好我们一起去公园散步然后回家吃饭吧"  # 22 characters
JAPANESE = "今日は天気がいいのでみんなで公園へ行きました"
THAI = "วันนี้อากาศดีมากเราไปเดินเล่นที่สวนกันเถอะ"
KHMER = "ថ្ងៃនេះអាកាសធាតុល្អណាស់យើងទៅដើរលេង"


@pytest.mark.parametrize("text", [CHINESE, JAPANESE, THAI, KHMER])
def test_a_script_without_spaces_is_cut_at_a_character(text: str) -> None:
    """There was no word to cut back to: at 2.0 s of 5.3 nothing had been heard."""
    heard = spoken(text, 2 * RATE, 53 * RATE // 10)
    assert len(text) * 2.0 / 5.3 - 4 <= len(heard) <= len(text) * 2.0 / 5.3
    assert heard == "".join(graphemes_of(text)[: len(graphemes_of(heard))])


@pytest.mark.parametrize(
    ("text", "n_heard", "expected"),
    [
        ("오늘은 날씨가 아주 좋아요", 45, "오늘은"),  # Korean has spaces
        ("使用Python编程很有趣", 50, "使用"),  # in mid-word
        ("使用Python编程很有趣", 60, "使用Python编"),
        ("He said “hello there”", 50, "He said"),  # and no quote of what follows
        ("他说：“你好。”然后走了", 45, "他说：“你"),
        ("No 👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦 here", 50, "No"),
        ("ok " + "a" * 100, 50, "ok " + "a" * 48),  # longer than any word
        ("ok " + "👍🏽" * 50, 50, "ok " + "👍🏽" * 24),
        ("Ünïcödé e\u0301te\u0301 la", 70, "Ünïcödé"),
    ],
)
def test_mixed_texts_are_cut_where_a_reader_would(text: str, n_heard: int, expected: str) -> None:
    assert spoken(text, n_heard, 100) == expected


def test_a_syllable_takes_longer_than_a_letter() -> None:
    """Six letters and two characters: of 4 s, 2 s for each."""
    assert spoken("Python编程", 199, 400) == ""
    assert spoken("Python编程", 301, 400) == "Python编"


@pytest.mark.parametrize(
    ("text", "seconds", "expected"),
    [("aaaa bbbb cccc", 10 / 15, "aaaa bbbb"), (CHINESE, 1.0, CHINESE[:5])],
)
def test_a_segment_of_unknown_length_is_reckoned_at_speaking_rate(
    text: str, seconds: float, expected: str
) -> None:
    ledger = Ledger(1000)
    take_in(ledger, text)
    begin(ledger, text, 0)
    send(ledger, RATE)
    assert ledger.cancel(seconds * 1000, 0.0).text_spoken == expected


def test_without_a_word_from_the_client_the_ear_is_where_the_clock_is() -> None:
    ledger = Ledger(1000)
    take_in(ledger, "aaaa bbbb cccc dddd")
    speak(ledger, "aaaa bbbb cccc dddd", 0, 2 * RATE)
    cancelled = ledger.cancel(None, 1.0)
    assert (cancelled.text_spoken, cancelled.sample_offset) == ("aaaa bbbb", 2 * RATE)


def test_a_reply_that_was_heard_to_its_end_is_not_reported_again() -> None:
    ledger = Ledger(1000)
    take_in(ledger, "Old. ")
    speak(ledger, "Old. ", 0, RATE)
    ledger.take_in(Flush(1), 0.0)
    take_in(ledger, "New.", now=1.0)
    assert split_at(ledger, RATE) == ("", "New.")


@pytest.mark.parametrize(("flushed", "now"), [(True, 0.9), (False, 1.0)])
def test_a_reply_that_is_not_over_is_reported(flushed: bool, now: float) -> None:
    ledger = Ledger(1000)
    take_in(ledger, "Old. ")
    speak(ledger, "Old. ", 0, RATE)
    if flushed:
        ledger.take_in(Flush(1), 0.0)
    take_in(ledger, "New.", now)
    assert split_at(ledger, RATE) == ("Old. ", "New.")


@pytest.mark.parametrize(("heard_to", "expected"), [(100, ("Hi. 😀 ", "")), (99, ("", "Hi. 😀 "))])
def test_a_segment_without_sound_is_heard_with_what_is_before_it(
    heard_to: int, expected: tuple[str, str]
) -> None:
    ledger = Ledger(1000)
    take_in(ledger, "Hi. 😀 ")
    speak(ledger, "Hi.", 0, 100)
    speak(ledger, " 😀 ", 100, 0)
    assert split_at(ledger, heard_to) == expected


def test_the_end_of_a_segment_that_is_remembered_no_more_is_no_other_segments() -> None:
    """With exact frames a sentence's last samples wait for the next frame, and the end of its
    segment with them. A long thought came in between, in more silent segments than are
    remembered: the end was entered for another, and for the last of them the writer failed."""
    ledger = Ledger(1 << 18)
    take_in(ledger, "Hi." + "." * MAX_SEGMENTS)
    first = begin(ledger, "Hi.", 0)
    thoughts = [begin(ledger, ".", 100) for _ in range(MAX_SEGMENTS)]
    send(ledger, 960)
    ledger.sending(SegmentEnded(first, 0, 100))
    for thought in thoughts:
        ledger.sending(SegmentEnded(thought, 100, 0))
    assert split_at(ledger, 100) == ("." * MAX_SEGMENTS, "")


def test_what_was_in_flight_at_a_barge_in_is_sent_and_not_heard() -> None:
    """The clock went on when it had left: 340 ms, by which the new reply was due too late."""
    ledger = Ledger(1000)
    take_in(ledger, "Old. ")
    begin(ledger, "Old. ", 0)
    send(ledger, RATE)
    in_flight = PcmFrame(b"", RATE, None)
    ledger.sending(in_flight)
    assert ledger.cancel(None, now=0.5).sample_offset == 2 * RATE
    assert not ledger.sent(in_flight, now=0.6)
    assert ledger.clock.dry_at == 0.5
    assert ledger.clock.deadline(arrived=0.7) == pytest.approx(0.8)
    take_in(ledger, "New text", now=0.7)
    speak(ledger, "New text", ledger.start, RATE)
    assert split_at(ledger, RATE // 2) == ("New", " text")


def test_an_event_of_the_old_text_that_leaves_late_is_of_the_old_text() -> None:
    """It was on its way to a slow client when the barge-in came."""
    ledger = Ledger(1000)
    take_in(ledger, "Old. ")
    begin(ledger, "Old. ", 0)
    ledger.cancel(None, 0.0)
    take_in(ledger, "New.")
    assert split_at(ledger, 0) == ("", "New.")


def test_positions_only_grow() -> None:
    """However much is heard, more of the sound is never less of the text."""
    for text in (CHINESE, THAI, "He said “hello there”", "使用Python编程很有趣", "x" * 200):
        lengths = [len(spoken(text, n_heard, 500)) for n_heard in range(0, 501, 5)]
        assert all(before <= after for before, after in pairwise(lengths))
        assert lengths[-1] == len(text)


@pytest.mark.parametrize(
    ("speed", "heard"), [(0.5, "one "), (1.0, "one two "), (2.0, "one two three four ")]
)
def test_what_was_heard_of_an_open_segment_goes_by_its_speed(speed: float, heard: str) -> None:
    """Its length is not known yet: it is taken for 15 letters a second at speed 1."""
    ledger, text = Ledger(1000), "one two three four five"
    take_in(ledger, text)
    ledger.sending(SegmentStarted(segment(text, style=Style("plain", speed=speed)), 0))
    send(ledger, RATE * 2 // 3)
    assert ledger.cancel(None, 1.0).text_spoken.strip() == heard.strip()
