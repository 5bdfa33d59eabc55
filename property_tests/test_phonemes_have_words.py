"""The laws of Piper's phonemes: whatever the text, each has a place in it or none, places rise with
the text, every word that is said has one, and nothing that was said before makes a difference."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.text.spoken_words import spoken_words
from stages.tts.piper.config import PiperConfig
from stages.tts.piper.phonemes import NO_PLACE, Alphabet, Phonemizer
from tests.engine_driver import make_segment
from tests.piper.sentences import SENTENCES

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = PiperConfig(phoneme_id_map={"^": [1], "_": [0], "$": [2], "a": [3], "n": [4], " ": [5]})
SPACED = sorted(set(SENTENCES) - {"cmn"})
WORDS = {
    voice: sorted({word for text in SENTENCES[voice] for word in text.split() if word.isalpha()})
    for voice in SPACED
}


@pytest.fixture(scope="module")
def phonemizer() -> Iterator[Phonemizer]:
    phonemizer = Phonemizer()
    phonemizer.load()
    yield phonemizer
    phonemizer.close()


@st.composite
def sentences(draw: st.DrawFn) -> tuple[str, str]:
    """A voice, and words of its language in any order."""
    voice = draw(st.sampled_from(SPACED))
    words = draw(st.lists(st.sampled_from(WORDS[voice]), min_size=1, max_size=14))
    gaps = draw(
        st.lists(
            st.sampled_from((" ", " ", " ", ", ", "; ", " - ", ' "', " (", ") ", ": ")),
            min_size=len(words),
            max_size=len(words),
        )
    )
    end = draw(st.sampled_from((".", "?", "!", "", ",", "…")))
    return voice, "".join(map("".join, zip(words, [*gaps[1:], end], strict=True)))


@given(sentences(), sentences())
def test_every_word_that_is_said_has_a_place(
    phonemizer: Phonemizer, one: tuple[str, str], other: tuple[str, str]
) -> None:
    voice, text = one
    found = phonemizer.phonemes(make_segment(text), voice, CONFIG)
    check(found.text, list(found.places), text)
    reached = {place for place in found.places if place != NO_PLACE}
    for word in spoken_words(text, text, None):
        assert any(word.spoken[0] <= place < word.spoken[1] for place in reached), (word, text)
    phonemizer.phonemes(make_segment(other[1]), other[0], CONFIG)
    assert phonemizer.phonemes(make_segment(text), voice, CONFIG) == found


odd = st.text(st.characters(exclude_categories=()), max_size=200)
"""Of all there are: controls, surrogates, private ones."""


@given(odd, st.sampled_from(sorted(SENTENCES)), st.booleans())
def test_any_text_has_phonemes_or_none(
    phonemizer: Phonemizer, text: str, voice: str, has_letters: bool
) -> None:
    config = CONFIG.model_copy(update={"phoneme_type": "text"}) if has_letters else CONFIG
    found = phonemizer.phonemes(make_segment(text), voice, config)
    check(found.text, list(found.places), text)
    known = Alphabet("any", CONFIG).ids(found.text)
    if known is not None:
        assert len(known.ids) == len(known.indices)
        assert all(-1 <= index < len(found.text) for index in known.indices)


def check(phonemes: str, places: list[int], text: str) -> None:
    assert len(places) == len(phonemes)
    assert unicodedata.is_normalized("NFD", phonemes)
    placed = [place for place in places if place != NO_PLACE]
    assert placed == sorted(placed)
    assert all(0 <= place < len(text) for place in placed)
