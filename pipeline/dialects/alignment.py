"""The times of characters and words in a conversation's sound, as dialects tell them.

Inside a piece of text whose times are known, here a segment, the characters are taken to be spoken
evenly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stages.items import SegmentEnded


class SaidPiece(NamedTuple):
    """A piece of text, and when it is said, in seconds from a conversation's first sample."""

    text: str
    start_s: float
    end_s: float


def said_in(ended: SegmentEnded, sample_rate: int) -> SaidPiece:
    """A segment that was spoken. `sample_rate`, in hertz, is that of its conversation."""
    start, end = ended.sample_offset / sample_rate, ended.end / sample_rate
    return SaidPiece(ended.segment.source, start, end)


def characters(pieces: Iterable[SaidPiece]) -> list[SaidPiece]:
    """The characters of some text, in its order. All white space is a space, since clients split
    words at that."""
    said = []
    for text, start_s, end_s in pieces:
        share = (end_s - start_s) / max(1, len(text))
        for n, character in enumerate(text):
            shown = " " if character.isspace() else character
            said.append(SaidPiece(shown, start_s + n * share, start_s + (n + 1) * share))
    return said


def words(pieces: Iterable[SaidPiece]) -> list[SaidPiece]:
    """The words of some text, which are what stands between white space, marks included."""
    said: list[SaidPiece] = []
    is_inside = False
    for text, start_s, end_s in characters(pieces):
        if text == " ":
            is_inside = False
        elif is_inside:
            said[-1] = SaidPiece(said[-1].text + text, said[-1].start_s, end_s)
        else:
            said.append(SaidPiece(text, start_s, end_s))
            is_inside = True
    return said
