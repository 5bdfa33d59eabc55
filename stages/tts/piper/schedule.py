"""When which frames of a text are made: a function of their position alone, so that the sound does
not depend on how it is read."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

FRAMES = 24, 32, 48, 64, 96
"""Of the chunks of a text, of which the last is repeated: 0.28 s at 22 050 Hz, and so on. Each is
to last until four listeners who came at once have got the next one. They grow, since a chunk's
context costs as much whatever its length; but nobody else is served while one is made."""


class Chunk(NamedTuple):
    """Frames that are made in one step."""

    start: int
    end: int

    def within(self, reach: int, n_frames: int) -> Chunk:
        """These and what they look at around them, of so many that there are."""
        return Chunk(max(0, self.start - reach), min(n_frames, self.end + reach))


def chunks(start: int, end: int) -> Iterator[Chunk]:
    """The frames that are to be heard, in order."""
    lengths = chain(FRAMES, repeat(FRAMES[-1]))
    while start < end:
        length = next(lengths)
        yield Chunk(start, min(end, start + length))
        start += length
