"""``auto`` segmentation: the first segment as soon as can be, later ones as long as the engine
speaks well."""

from __future__ import annotations

import pytest

from stages.items import Segment, Style, Token
from stages.segmenter import Segmenter
from tests.segmenter.cutting import SPLITS

AUTO = Style("voice", segmentation="auto")


def segmenter() -> Segmenter:
    """For an engine that speaks 30 characters and more well."""
    return Segmenter(least_chars=lambda style: 30)


def push(cutter: Segmenter, text: str, now: float = 0.0) -> list[str]:
    return spoken(cutter.push(Token(text, AUTO), now))


def spoken(segments: list[Segment]) -> list[str]:
    return [segment.spoken for segment in segments if segment.spoken]


CASES = {
    "Well, yes. No, I think so. It is good, and it is not. The end": [
        "Well,",
        "yes. No, I think so. It is good,",
        "and it is not. The end",
    ],
    "Yes! This sentence is longer than thirty characters. So is this one, which has a pause.": [
        "Yes!",
        "This sentence is longer than thirty characters.",
        "So is this one, which has a pause.",
    ],
    "A list:\n- Apples\n- Pears\n- Plums from the garden\n- Figs": [
        "A list:",
        "Apples, Pears, Plums from the garden,",
        "Figs",
    ],
    "Hi. Wait <break time='1s'/>and go": ["Hi.", "Wait,", "and go"],
    "<think>Hm.</think>Hi. Yes. No": ["Hi.", "Yes. No"],
}


@pytest.mark.parametrize("text", CASES)
def test_short_segments_join_what_follows(text: str) -> None:
    for split in SPLITS:
        cutter = segmenter()
        segments = [
            segment for token in split(text) for segment in cutter.push(Token(token, AUTO), 0)
        ]
        segments += cutter.flush(0)
        assert spoken(segments) == CASES[text], split.__name__
        assert "".join(segment.source for segment in segments) == text


def test_a_writer_who_pauses_is_not_waited_for() -> None:
    cutter = segmenter()
    push(cutter, "Hi. ", 1.0)
    assert push(cutter, "Well, ", 2.0) == []
    assert cutter.deadline == pytest.approx(2.15)
    assert push(cutter, "I th", 2.1) == []
    assert cutter.deadline == pytest.approx(2.25)  # the pause counts, not the mark
    assert cutter.expire(2.2) == []
    assert spoken(cutter.expire(2.25)) == ["Well,"]
    assert cutter.deadline is None


def test_the_last_of_what_was_joined_ends_the_segment() -> None:
    cutter = segmenter()
    push(cutter, "Hi. Yes, no, so. ", 1.0)
    assert spoken(cutter.expire(1.15)) == ["Yes, no, so."]


def test_a_flush_ends_what_is_short_and_the_next_reply_begins_anew() -> None:
    cutter = segmenter()
    assert push(cutter, "Hi. Yes, ") == ["Hi."]
    assert spoken(cutter.flush(0.0)) == ["Yes,"]
    assert push(cutter, "Well, no, ") == ["Well,"]


def test_other_segmentations_join_nothing() -> None:
    cutter = segmenter()
    segments = cutter.push(Token("Hi. Well, yes, no! ", Style("voice")), 0.0)
    assert spoken(segments) == ["Hi.", "Well,", "yes,", "no!"]
