"""The law of timers: whenever they fire, between whatever, nothing is lost or repeated."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from stages.items import Segment, Style, Token
from stages.segmenter import Segmenter
from tests.segmenter.cutting import LIMIT, cut_texts, segments_of

pauses_s = st.sampled_from([0.0, 0.01, 0.15, 0.5, 1.0, 3.0])


@given(cut_texts(), st.data())
def test_nothing_is_lost_by_expiry_and_flush(
    text_and_tokens: tuple[str, list[str]], data: st.DataObject
) -> None:
    text, tokens = text_and_tokens
    segmenter = Segmenter()
    segments: list[Segment] = []
    now = 0.0
    for token in tokens:
        segments += segmenter.push(Token(token, Style("voice")), now)
        now += data.draw(pauses_s)
        match data.draw(st.sampled_from(["nothing", "expire", "expire", "flush"])):
            case "expire":
                segments += segmenter.expire(now)
                assert segmenter.deadline is None or segmenter.deadline > now
            case "flush":
                segments += segmenter.flush(now)
                assert segmenter.flush(now) == []
                assert segmenter.deadline is None
    segments += segmenter.flush(now)
    assert "".join(segment.source for segment in segments) == text
    assert all(0 < len(segment.source) <= LIMIT for segment in segments)
    assert all(segment.timing.arrived <= segment.timing.cut <= now for segment in segments)


@given(cut_texts())
def test_a_timer_that_never_fires_changes_nothing(
    text_and_tokens: tuple[str, list[str]],
) -> None:
    text, tokens = text_and_tokens
    segmenter = Segmenter()
    segments: list[Segment] = []
    for token in tokens:
        segments += segmenter.push(Token(token, Style("voice")), 0.0)
        segments += segmenter.expire(-math.inf)
    assert segments + segmenter.flush(0.0) == segments_of([text])


@given(cut_texts())
def test_whatever_waits_has_a_deadline_within_the_longest_wait(
    text_and_tokens: tuple[str, list[str]],
) -> None:
    """A mark that waits forever would be a sentence that is never spoken."""
    _, tokens = text_and_tokens
    segmenter = Segmenter()
    n_pushed = 0
    for now, token in enumerate(tokens):
        segmenter.push(Token(token, Style("voice")), float(now))
        n_pushed += len(token)
        if segmenter.deadline is not None:
            assert segmenter.deadline <= now + 1.0
            assert segmenter.n_given < n_pushed
