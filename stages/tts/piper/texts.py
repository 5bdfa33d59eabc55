"""A segment's phonemes in the lengths that a voice's network reads at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stages.tts.piper.phonemes import Alphabet, PhonemeIds, PhonemeText

MAX_PHONEMES = 320
"""Read at once: 200 characters, a segment's most, are 200 of prose. The cost of reading grows with
the square of their number; two hundred digits, which are 800, would take half a second."""


class PiperText(NamedTuple):
    """Phonemes that are read at once."""

    ids: PhonemeIds
    places: Sequence[int]
    """The phonemes' places in the segment's `spoken`."""
    has_pause: bool
    """It ends with a mark at which a reader would pause, and not where it had to be cut."""


def texts_of(phonemes: PhonemeText, alphabet: Alphabet) -> Iterator[PiperText]:
    """A segment's phonemes, cut between words where they are too many; without texts of which the
    voice knows nothing."""
    start = 0
    while start < len(phonemes.text):
        end = _end(phonemes.places, start)
        text, places = phonemes.text[start:end], phonemes.places[start:end]
        ids = alphabet.ids(text)
        if ids is not None:
            yield PiperText(ids, places, has_pause=places[-1] < 0 and not text.endswith(" "))
        start = end


def _end(places: Sequence[int], start: int) -> int:
    """Behind the last mark or space that is near enough, or where it must be."""
    last = start + MAX_PHONEMES
    if last >= len(places):
        return len(places)
    return next((at + 1 for at in range(last - 1, start, -1) if places[at] < 0), last)
