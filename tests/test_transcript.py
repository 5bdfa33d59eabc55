"""Which text was heard at a barge-in."""

from __future__ import annotations

import pytest

from pipeline.transcript import Transcript
from stages.items import Segment, SegmentEnded, SegmentStarted
from tests.fakes import segment

RATE = 48_000


def say(transcript: Transcript, text: str, start: int, n_samples: int | None) -> Segment:
    """A segment that begins at this sample; with a length it has also ended."""
    said = segment(text)
    transcript.segment_started(SegmentStarted(said, start))
    if n_samples is not None:
        transcript.segment_ended(SegmentEnded(said, start, n_samples))
    return said


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
    transcript = Transcript()
    transcript.take_in("One two three. Four five. Six", 0)
    say(transcript, "One two three.", 0, 1_000)
    say(transcript, " Four five.", 1_000, 1_000)
    heard = transcript.heard(heard_to, RATE)
    assert heard.text_spoken == spoken
    assert heard.text_spoken + heard.text_remaining == "One two three. Four five. Six"


def test_a_segment_of_unknown_length_is_reckoned_at_speaking_rate() -> None:
    transcript = Transcript()
    transcript.take_in("aaaa bbbb cccc", 0)
    say(transcript, "aaaa bbbb cccc", 0, None)
    assert transcript.heard(RATE * 10 // 15, RATE).text_spoken == "aaaa bbbb"


def test_a_reply_that_was_heard_to_its_end_is_not_reported_again() -> None:
    transcript = Transcript()
    transcript.take_in("Old. ", 0)
    say(transcript, "Old. ", 0, 100)
    transcript.flushed()
    transcript.take_in("New.", 100)
    assert transcript.heard(100, RATE) == ("", "New.")


@pytest.mark.parametrize(("flushed", "heard_to"), [(True, 99), (False, 100)])
def test_a_reply_that_is_not_over_is_reported(flushed: bool, heard_to: int) -> None:
    transcript = Transcript()
    transcript.take_in("Old. ", 0)
    say(transcript, "Old. ", 0, 100)
    if flushed:
        transcript.flushed()
    transcript.take_in("New.", heard_to)
    assert transcript.heard(100, RATE) == ("Old. ", "New.")


def test_a_segment_without_sound_is_heard_with_what_is_before_it() -> None:
    transcript = Transcript()
    transcript.take_in("Hi. 😀 ", 0)
    say(transcript, "Hi.", 0, 100)
    say(transcript, " 😀 ", 100, 0)
    assert transcript.heard(100, RATE) == ("Hi. 😀 ", "")
    assert transcript.heard(99, RATE) == ("", "Hi. 😀 ")
