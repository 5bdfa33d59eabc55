"""The law of tokens: while no timer fires, segments do not depend on how the text was cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tests.segmenter.cutting import as_characters, cut_texts, segments_of

if TYPE_CHECKING:
    from stages.items import Segmentation


@given(cut_texts(), st.sampled_from(("eager", "sentence")))
def test_any_cut_gives_the_same_segments(
    text_and_tokens: tuple[str, list[str]], segmentation: Segmentation
) -> None:
    text, tokens = text_and_tokens
    expected = segments_of([text], segmentation)
    assert segments_of(tokens, segmentation) == expected
    assert segments_of(as_characters(text), segmentation) == expected
