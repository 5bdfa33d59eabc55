"""The law of segments: their sources rejoin to the text that went in, and none is too long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.items import Segmentation, Style, Token
from stages.segmenter import Segmenter, SegmenterOptions
from stages.text.markup.rules import MAX_HELD_CHARS
from tests.segmenter.cutting import LIMIT, cut_texts, nasty_texts, segments_of

segmentations: st.SearchStrategy[Segmentation] = st.sampled_from(("eager", "sentence"))
any_options = st.builds(
    SegmenterOptions,
    max_segment_chars=st.sampled_from([64, 100, LIMIT]),
    skip_markdown=st.booleans(),
    skip_emoji=st.booleans(),
    skip_thinking=st.booleans(),
)


@given(cut_texts(), segmentations, any_options)
def test_sources_rejoin_and_fit(
    text_and_tokens: tuple[str, list[str]], segmentation: Segmentation, options: SegmenterOptions
) -> None:
    text, tokens = text_and_tokens
    segments = segments_of(tokens, segmentation, options)
    assert "".join(segment.source for segment in segments) == text
    assert all(0 < len(segment.source) <= options.max_segment_chars for segment in segments)
    assert [segment.index for segment in segments] == list(range(len(segments)))


@given(cut_texts())
def test_no_more_than_a_segment_is_held(
    text_and_tokens: tuple[str, list[str]],
) -> None:
    _, tokens = text_and_tokens
    segmenter = Segmenter()
    pushed = given_out = ""
    for token in tokens:
        pushed += token
        for segment in segmenter.push(Token(token, Style("voice")), 0.0):
            given_out += segment.source
        assert pushed.startswith(given_out)
        assert segmenter.n_given == len(given_out) >= len(pushed) - LIMIT - MAX_HELD_CHARS


@given(st.lists(st.tuples(nasty_texts, st.sampled_from([0.0, 3.0, -5.0])), max_size=6))
def test_text_keeps_the_style_it_came_with(pieces: list[tuple[str, float]]) -> None:
    segmenter = Segmenter()
    segments = []
    for text, pitch_shift in pieces:
        segments += segmenter.push(Token(text, Style("voice", pitch_shift)), 0.0)
    segments += segmenter.flush(0.0)
    came = [(char, pitch_shift) for text, pitch_shift in pieces for char in text]
    left = [(char, segment.style.pitch_shift) for segment in segments for char in segment.source]
    assert left == came


def test_the_limit_leaves_room_for_a_silent_lead() -> None:
    with pytest.raises(ValueError, match="at least 64"):
        SegmenterOptions(max_segment_chars=63)
