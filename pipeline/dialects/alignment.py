"""The times of characters and words in a conversation's sound, as dialects tell them.

They are those of `WordTimes`. Inside a word, and where there are none, the characters are taken to
be spoken evenly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stages.items import SegmentEnded, SegmentStarted, WordTimes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stages.items import Answer, Outgoing, Word


class SaidPiece(NamedTuple):
    """A piece of text, and when it is said, in seconds from a conversation's first sample."""

    text: str
    start_s: float
    end_s: float


class TextTimes:
    """When each piece of one conversation's text is said, told segment by segment.

    The conversation is opened with ``events`` and ``words``."""

    def __init__(self, sample_rate: int) -> None:
        """`sample_rate`, in hertz, is that of the conversation, in which its events count."""
        self._rate = sample_rate
        self._words: list[Word] = []

    def said(self, item: Outgoing | Answer) -> list[SaidPiece]:
        """The pieces of a segment that has just ended, in order: all of its text, and all of its
        time. Else none."""
        match item:
            case SegmentStarted():
                self._words = []
            case WordTimes(words=words):
                self._words += words
            case SegmentEnded(segment=segment, sample_offset=start, end=end):
                times = start / self._rate, end / self._rate
                return list(_pieces(segment.source, self._words, *times))
        return []


def _pieces(text: str, words: list[Word], start_s: float, end_s: float) -> Iterator[SaidPiece]:
    """Words, and between them and around them what is no word, which may be silence alone: together
    they fill all of the time."""
    at = 0
    for word in words:
        yield SaidPiece(text[at : word.begin], start_s, word.start_s)
        yield SaidPiece(word.text, word.start_s, word.end_s)
        at, start_s = word.end, word.end_s
    yield SaidPiece(text[at:], start_s, max(start_s, end_s))


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
