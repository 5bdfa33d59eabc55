"""When which frames of a text are made: a function of their position alone, so that the sound does
not depend on how it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_FRAMES = 20
"""Of a text: 0.23 s at 22 050 Hz. With 24 sound begins some milliseconds later, with 16 it may not
last until four listeners who came at once have been served."""
MOST_FRAMES = 96
"""Of a chunk: each is twice as long as the one before, since its context costs as much whatever its
length, but nobody else is served while it is made."""


class Chunk(NamedTuple):
    """Frames that are made in one step."""

    start: int
    end: int

    def within(self, reach: int, n_frames: int) -> Chunk:
        """These and what they look at around them, of so many that there are."""
        return Chunk(max(0, self.start - reach), min(n_frames, self.end + reach))


def chunks(start: int, end: int) -> Iterator[Chunk]:
    """The frames that are to be heard, in order."""
    length = FIRST_FRAMES
    while start < end:
        yield Chunk(start, min(end, start + length))
        start += length
        length = min(MOST_FRAMES, 2 * length)
