"""Marks that wait: for how long, what settles them earlier, and what the ledger is told."""

from __future__ import annotations

import pytest

from stages.items import Segment, Style, Token
from stages.segmenter import Segmenter, SegmenterOptions

STYLE = Style("voice")


def push(segmenter: Segmenter, text: str, now: float) -> list[str]:
    return sources(segmenter.push(Token(text, STYLE), now))


def sources(segments: list[Segment]) -> list[str]:
    return [segment.source for segment in segments]


@pytest.mark.parametrize("text", ["Hello.", "Hello…", "Hello...", "It is 12.5%.", "In 1,"])
def test_an_ordinary_word_waits_150_ms(text: str) -> None:
    segmenter = Segmenter()
    assert push(segmenter, text, 5.0) == []
    assert segmenter.deadline == pytest.approx(5.15)
    assert segmenter.expire(5.1) == []
    assert sources(segmenter.expire(5.15)) == [text]
    assert segmenter.deadline is None
    assert segmenter.flush(5.2) == []


@pytest.mark.parametrize(
    "text",
    [
        "Dr.",
        "See Fig.",
        "No.",
        "plan B.",
        "the U.S.",
        "at 5 p.m.",
        "It was 3.",
        "at https://a.",
        "one.Sen",
    ],
)
def test_where_the_text_rather_goes_on_it_waits_one_second(text: str) -> None:
    segmenter = Segmenter()
    assert push(segmenter, text, 5.0) == []
    assert segmenter.deadline == pytest.approx(6.0)
    assert segmenter.expire(5.9) == []
    (source,) = sources(segmenter.expire(6.0))
    assert source.endswith(".")
    assert source + "".join(sources(segmenter.flush(6.0))) == text


@pytest.mark.parametrize("text", ["Hello!", "Hello,", "Hello;", "好。", "1!"])
def test_other_marks_act_at_once(text: str) -> None:
    segmenter = Segmenter()
    assert push(segmenter, text, 5.0) == [text]
    assert segmenter.deadline is None


@pytest.mark.parametrize("text", ["", "Hello", " ", "...", "🎉.", "<think>Hm.", "3 <", "**."])
def test_nothing_waits_where_no_mark_could_end_anything(text: str) -> None:
    segmenter = Segmenter()
    assert push(segmenter, text, 5.0) == []
    assert segmenter.deadline is None


def test_the_next_character_settles_an_ordinary_word() -> None:
    segmenter = Segmenter()
    push(segmenter, "Hello.", 5.0)
    assert push(segmenter, " ", 5.1) == ["Hello."]
    assert segmenter.deadline is None
    assert sources(segmenter.flush(5.1)) == [" "]


def test_the_next_character_goes_on_with_a_number() -> None:
    segmenter = Segmenter()
    push(segmenter, "3.", 5.0)
    assert push(segmenter, "14", 5.1) == []
    assert segmenter.deadline is None


def test_the_word_behind_an_initialism_is_waited_for_but_not_for_longer() -> None:
    segmenter = Segmenter()
    push(segmenter, "in the U.S.", 5.0)
    assert push(segmenter, " Ho", 5.5) == []
    assert segmenter.deadline == pytest.approx(6.0)
    assert sources(segmenter.expire(6.0)) == ["in the U.S."]
    assert sources(segmenter.flush(6.0)) == [" Ho"]


def test_each_mark_waits_from_its_own_arrival() -> None:
    segmenter = Segmenter()
    push(segmenter, "the U.K.", 5.0)
    push(segmenter, " Mind.", 5.5)
    assert segmenter.deadline == pytest.approx(5.65)
    assert sources(segmenter.expire(8.0)) == ["the U.K. Mind."]


def test_an_address_stays_one_behind_a_timer() -> None:
    segmenter = Segmenter()
    push(segmenter, "https://www.", 5.0)
    segmenter.expire(6.0)
    assert push(segmenter, "example.org/a?b", 6.0) == []


@pytest.mark.parametrize(
    ("text", "wait_s", "segments"),
    [
        ("Apples\n", 0.15, ["Apples"]),
        ("It is $5.", 1.0, ["It is $5."]),
        ("See https://a.b/c?", 1.0, ["See https://a.b/c?"]),
        ("Fish !", 0.15, ["Fish !"]),
        ("Fish &amp", None, []),
        ("See [x](https", None, []),
        ("- Apples", None, []),
    ],
)
def test_what_is_held_back_as_markup_waits_no_longer_than_marks(
    text: str, wait_s: float | None, segments: list[str]
) -> None:
    segmenter = Segmenter()
    assert push(segmenter, text, 5.0) == []
    if wait_s is None:
        assert segmenter.deadline is None
    else:
        assert segmenter.deadline == pytest.approx(5.0 + wait_s)
        assert sources(segmenter.expire(5.0 + wait_s)) == segments


def test_an_item_is_cut_by_its_line_break_alone() -> None:
    segmenter = Segmenter()
    assert push(segmenter, "- Apples", 5.0) == []
    assert push(segmenter, "\n", 5.1) == ["- Apples"]
    assert push(segmenter, "- Pears\n", 5.2) == ["\n- Pears"]
    assert push(segmenter, "A paragraph\n", 5.3) == []
    assert push(segmenter, "goes on", 5.4) == []
    assert push(segmenter, "\n\n", 5.5) == ["\nA paragraph\ngoes on"]


def test_a_flush_takes_what_waits_and_a_bare_word() -> None:
    segmenter = Segmenter()
    push(segmenter, "Dr.", 5.0)
    assert sources(segmenter.flush(5.1)) == ["Dr."]
    push(segmenter, "Hello", 5.2)
    assert sources(segmenter.flush(5.3)) == ["Hello"]
    assert segmenter.flush(5.4) == []
    push(segmenter, "in the U.S. How", 5.5)
    assert sources(segmenter.flush(5.6)) == ["in the U.S.", " How"]
    push(segmenter, "in the U.S. Gov", 5.7)
    assert sources(segmenter.flush(5.8)) == ["in the U.S. Gov"]


def test_a_flush_ends_a_thought() -> None:
    segmenter = Segmenter()
    segmenter.push(Token("<think>never closed", STYLE), 5.0)
    assert [segment.spoken for segment in segmenter.flush(5.0)] == [""]
    assert [segment.spoken for segment in segmenter.push(Token("Hello!", STYLE), 5.0)] == ["Hello!"]


def test_a_change_of_style_closes_the_open_segment_but_no_thought() -> None:
    segmenter = Segmenter()
    low = Style("voice", pitch_shift=-3.0)
    segmenter.push(Token("Dr. Smith\n<think>no", STYLE), 5.0)
    (closed,) = segmenter.push(Token(". still</think> yes!", low), 6.0)[:1]
    assert (closed.source, closed.spoken) == ("\n<think>no", "")
    assert (closed.style, closed.timing.arrived) == (STYLE, 6.0)
    assert segmenter.push(Token("", STYLE), 7.0) == []
    assert segmenter.next_index == 3


def test_the_ledger_is_told_when_the_mark_came_and_when_it_was_decided() -> None:
    segmenter = Segmenter(first_index=7)
    segmenter.push(Token("Yes.", STYLE), 5.0)
    (waited,) = segmenter.push(Token(" No", STYLE), 5.1)
    (at_once,) = segmenter.push(Token("!", STYLE), 5.2)
    segmenter.push(Token(" So", STYLE), 5.3)
    (flushed,) = segmenter.flush(5.4)
    segmenter.push(Token("x" * 150, STYLE), 5.5)
    segmenter.push(Token("x" * 50, STYLE), 5.6)
    (full,) = segmenter.push(Token("x", STYLE), 5.7)
    segments = (waited, at_once, flushed, full)
    assert [segment.index for segment in segments] == [7, 8, 9, 10]
    assert [segment.timing.arrived for segment in segments] == [5.0, 5.2, 5.4, 5.7]
    assert [segment.timing.cut for segment in segments] == [5.1, 5.2, 5.4, 5.7]


def test_waits_are_options_and_not_negative() -> None:
    segmenter = Segmenter(SegmenterOptions(boundary_wait_s=0.5, hold_wait_s=2.0))
    push(segmenter, "Hello.", 0.0)
    assert segmenter.deadline == 0.5
    push(segmenter, " Dr.", 1.0)
    assert segmenter.deadline == 3.0
    with pytest.raises(ValueError, match="negative"):
        SegmenterOptions(hold_wait_s=-1.0)
