"""The times of single characters, for protocols that tell those and not words'. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stages.items import SegmentEnded, WordTimes


class CharacterTime(NamedTuple):
    """A character of the text as it came, and when it is said, in seconds of the stream. One that
    is not said takes none."""

    character: str
    start_s: float
    end_s: float


class CharacterTimer:
    """Spreads the times of a conversation's words evenly over their characters. All characters
    that it gives for a segment are its text."""

    def __init__(self) -> None:
        self._given: dict[int, tuple[int, float]] = {}  # by segment: characters, and up to when

    def words(self, item: WordTimes) -> Iterator[CharacterTime]:
        """The characters up to the end of these words, from where the last ones ended."""
        text, index = item.segment.source, item.segment.index
        at, end_s = self._given.get(index, (0, item.words[0].start_s))
        for word in item.words:
            yield from (CharacterTime(skipped, end_s, end_s) for skipped in text[at : word.begin])
            each_s = (word.end_s - word.start_s) / len(word.text)
            for number, character in enumerate(word.text):
                start_s = word.start_s + number * each_s
                yield CharacterTime(character, start_s, start_s + each_s)
            at, end_s = word.end, word.end_s
        self._given[index] = at, end_s

    def rest(self, ended: SegmentEnded, sample_rate: int) -> Iterator[CharacterTime]:
        """The characters behind a segment's last word; all of them where it has none."""
        start_s = ended.sample_offset / sample_rate
        at, end_s = self._given.pop(ended.segment.index, (0, start_s))
        yield from (CharacterTime(left, end_s, end_s) for left in ended.segment.source[at:])
