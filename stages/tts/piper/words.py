"""When a Piper voice says each word: its phonemes last so many frames, so the times are exact."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stages.tts.piper.phonemes import PhonemeIds


class WordFrames(NamedTuple):
    """A word, and the frames of its text that it is said in."""

    place: int
    """Of its first character in the segment's `spoken`."""
    start: int
    end: int


def word_frames(
    ids: PhonemeIds, places: Sequence[int], borders: Sequence[int]
) -> Iterator[WordFrames]:
    """The words of a text, in order. `places` are its phonemes' (`PhonemeText`), `borders` the
    frame at which each id begins, and the number of frames."""
    word: WordFrames | None = None
    for number, phoneme in enumerate(ids.indices):
        place = -1 if phoneme < 0 else places[phoneme]
        if place < 0:
            continue  # a space in a word, or a pause; the next phoneme tells
        if word is not None and word.place == place:
            word = word._replace(end=borders[number + 1])
        else:
            if word is not None:
                yield word
            word = WordFrames(place, borders[number], borders[number + 1])
    if word is not None:
        yield word
