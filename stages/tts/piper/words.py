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
    frame at which each id begins, and the number of frames.

    A word is heard from the space before it, in which the network already moves on to it (by a
    recogniser's borders of 128 words joe's begin 13 ms off that, and 53 ms off the first phoneme),
    but behind a pause from the pad before its first phoneme."""
    word: WordFrames | None = None
    between: list[int] = []  # the ids since the last one of a word
    for number, phoneme in enumerate(ids.indices):
        place = -1 if phoneme < 0 else places[phoneme]
        if place < 0:
            between.append(number)  # a space in a word, or a pause; the next phoneme tells
            continue
        if word is not None and word.place == place:
            word = word._replace(end=borders[number + 1])
        else:
            start = number
            if word is not None:
                yield word
                is_space = len({ids.indices[each] for each in between}) == 1
                start = between[0] if is_space else number - bool(between)
            word = WordFrames(place, borders[start], borders[number + 1])
        between.clear()
    if word is not None:
        yield word
