"""The law of resumed text: what comes again from an utterance's beginning is read and cut as it
was, whatever stands at the border of what was heard: fenced code, a list, an open quote."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stages.items import Segment, Segmentation, Style, Token
from stages.resume import Resume
from stages.segmenter import Segmenter
from tests.segmenter.cutting import cut_texts

WAITS_S = 2.0
"""Longer than any wait of the segmenter."""

SEGMENTATIONS: list[Segmentation] = ["eager", "sentence", "auto"]


def cut(
    tokens: list[str],
    segmentation: Segmentation,
    resume: Resume | None = None,
    pauses: frozenset[int] = frozenset(),
) -> list[Segment]:
    """What becomes of these tokens, and of a flush. Behind those with these numbers there is a
    pause, in which every wait runs out."""
    segmenter = Segmenter(least_chars=lambda _: 40)
    if resume is not None:
        segmenter.resume(resume)
    style, now = Style("voice", segmentation=segmentation), 0.0
    segments: list[Segment] = []
    for number, text in enumerate(tokens):
        segments += segmenter.push(Token(text, style), now)
        if number in pauses:
            now += WAITS_S
            segments += segmenter.expire(now)
    return segments + segmenter.flush(now)


def split(segments: list[Segment], n_chars: int) -> tuple[list[Segment], list[Segment]]:
    """Those whose text is within so many characters, and the others."""
    at = 0
    for number, segment in enumerate(segments):
        at += len(segment.source)
        if at > n_chars:
            return segments[:number], segments[number:]
    return segments, []


def told(segments: list[Segment]) -> list[tuple[str, str, float]]:
    return [(each.source, each.spoken, each.pause_s) for each in segments]


def length(segments: list[Segment]) -> int:
    return sum(len(segment.source) for segment in segments)


@given(cut_texts(), st.sampled_from(SEGMENTATIONS), st.booleans(), st.data())
def test_the_rest_is_cut_as_it_was(
    text_and_tokens: tuple[str, list[str]],
    segmentation: Segmentation,
    knows_torn: bool,
    data: st.DataObject,
) -> None:
    """Also where the segment had not begun to be heard, and nobody knows how long it was."""
    text, tokens = text_and_tokens
    whole = cut(tokens, segmentation)
    n_heard = data.draw(st.integers(0, len(whole)))
    heard_chars = length(whole[:n_heard])
    torn_chars = length(whole[n_heard : n_heard + 1]) if knows_torn else 0
    heard, rest = split(cut([text], segmentation, Resume(0, heard_chars, torn_chars)), heard_chars)
    assert length(heard) == heard_chars
    assert not any(segment.spoken or segment.pause_s for segment in heard)
    assert told(rest) == told(whole[n_heard:])


@given(cut_texts(), st.sampled_from(SEGMENTATIONS), st.data())
def test_what_a_pause_has_cut_is_cut_there_again(
    text_and_tokens: tuple[str, list[str]], segmentation: Segmentation, data: st.DataObject
) -> None:
    """The text came slowly, and comes again all at once."""
    text, tokens = text_and_tokens
    pauses = data.draw(st.frozensets(st.integers(0, len(tokens))))
    whole = cut(tokens, segmentation, pauses=pauses)
    n_heard = data.draw(st.integers(0, len(whole)))
    heard_chars, torn_chars = length(whole[:n_heard]), length(whole[n_heard : n_heard + 1])
    heard, rest = split(cut([text], segmentation, Resume(0, heard_chars, torn_chars)), heard_chars)
    assert length(heard) == heard_chars
    assert length(rest[:1]) == torn_chars
