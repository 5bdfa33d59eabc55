"""A segment's text as the phonemes that Piper's voices were trained on.

Phonemes are single code points, as in piper1-gpl's ``phonemize_espeak.py``: IPA from libespeak-ng,
taken apart (NFD), with stress marks, a space between words, and the mark that ends each clause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.items import Segment
    from stages.tts.piper.config import PiperConfig


class PhonemeText(NamedTuple):
    """Phonemes, and the words that they belong to."""

    text: str
    """Each code point is a phoneme."""
    places: Sequence[int]
    """For each of them where in the segment's `spoken` the word begins that it belongs to; -1 for
    spaces and the marks behind clauses, which belong to none."""


class PhonemeIds(NamedTuple):
    """Phonemes as a voice's network takes them."""

    ids: Sequence[int]
    """Ids, with the pad behind each phoneme, between the beginning's and the end's."""
    indices: Sequence[int]
    """For each of them the phoneme it came from, which also has the pad behind it; -1 for the
    beginning, the pad behind that, and the end."""


class Phonemizer:
    """Phonemes from libespeak-ng, which is shared with the engine that speaks with it. Everything
    but `load` is called on the model thread."""

    def load(self) -> None:
        """Lay out espeak-ng's voice data, on any thread."""

    def phonemes(self, segment: Segment, espeak_voice: str, config: PiperConfig) -> PhonemeText:
        """The phonemes of a segment; none where nothing of it can be said. Raises `SynthesisError`
        where espeak-ng has no such voice."""
        raise NotImplementedError

    def close(self) -> None:
        """Give back the library."""


class Alphabet:
    """The phonemes that a voice knows. What it does not know is left out, and told in the log once
    for each."""

    def __init__(self, voice: str, config: PiperConfig) -> None:
        """`voice` is its name, for the log."""

    def ids(self, text: str) -> PhonemeIds | None:
        """The ids of phonemes; None where nothing is left to be heard, so that the segment gets the
        remark ``skipped``."""
        raise NotImplementedError
