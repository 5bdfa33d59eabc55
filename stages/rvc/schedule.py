"""The blocks of frames that a stream converts: a function of the position and of nothing else, so
that the same speech gives the same sound however it came and whoever else is speaking.

    speech  ────────────────────────────────────────────────────────────▶ time
    window       [ context, from before        │ new          │ margin ]
    decoder                       ◀──── lag ───┤ pushed       │
    heard        ──────────────────────────────┘ after this block: ┘ lag

Times are in frames of 10 ms, those of windows even, since a content feature is 20 ms long.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LEAD = 16
"""Frames mirrored in front of a segment's start, where a decoder does not need more. Silence there
would be worse than nothing, since the features are normalised over time."""

WINDOW = 128
"""Frames of a window: 1.28 s. With random weights its latent frames were off those of the whole
recording by 0.33 of their deviation; with 0.96 s by 0.35, with 2 s by 0.31, and the layers of
HuBERT, a quarter of all work, cost in proportion."""

MARGIN = 8
"""Frames at a window's end that are computed and thrown away, since they miss their future. Without
them a window's last frame is no further off than its others, and no border can be told from the
frames around it; see `tests/rvc/test_seams.py`."""

PITCH_FRAMES = 96
"""Frames that pitch is found in at a time: the new ones, and as many before them as their octave
needs. Three times the 32 that rmvpe counts in."""

RAMP = (16, 16, 24)
"""Frames of the first blocks. A listener is to hear something soon, and then not to run dry while
the next block waits for more speech and is computed."""


END_STEP = 8
"""The step in frames by which a last block may be shorter. oneDNN compiles kernels for each new
length, which takes 0.1 s: so there are few lengths, and `warm_up.py` runs all of them."""


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a stream that is converted at once."""

    lead: int
    """Frames mirrored in front of the segment."""
    start: int
    """The first frame of its window."""
    new_from: int
    """The first frame that was in no window before."""
    stop: int
    """The frame behind its last."""
    push_from: int
    """The first frame that the decoder gets: in a stream's first block one before its start."""
    push_to: int
    """The frame behind the last one that it gets."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """The sizes in which blocks must agree to be converted together."""
        return self.stop - self.start, self.stop - self.new_from, self.push_to - self.push_from

    def ending_at(self, frame: int) -> Block:
        """This block, shortened for a stream that ends and needs only the frames before `frame`."""
        push_to = self.push_to - (self.push_to - frame) // END_STEP * END_STEP
        stop = push_to + MARGIN
        return replace(self, start=max(-self.lead, stop - WINDOW), stop=stop, push_to=push_to)


def blocks(
    block_frames: int, left_frames: int, right_frames: int, *, ramp: Sequence[int] = RAMP
) -> Iterator[Block]:
    """The blocks of an endless stream, for a decoder that needs so many frames on each side. `ramp`
    has the lengths of the first ones."""
    lead = max(LEAD, even(left_frames))
    stop, pushed = -lead, -left_frames
    push_to = even(right_frames)
    first = iter(ramp)
    while True:
        push_to += min(next(first, block_frames), block_frames)
        new_from, stop = stop, push_to + MARGIN
        yield Block(lead, max(-lead, stop - WINDOW), new_from, stop, pushed, push_to)
        pushed = push_to


def pushed_lengths(
    block_frames: int, left_frames: int, right_frames: int
) -> tuple[set[int], set[int]]:
    """The numbers of frames that a decoder can get, last blocks included: in a stream's first
    block, and in later ones."""
    first, *others = itertools.islice(
        blocks(block_frames, left_frames, right_frames), 1 + len(RAMP)
    )
    return (
        # With less than both its sides of context a decoder makes nothing.
        _lengths(first, right_frames + 1),
        {n for block in others for n in _lengths(block, block.push_from + 1)},
    )


def _lengths(block: Block, least: int) -> set[int]:
    """The lengths of this block where the stream ends in it and needs the frames before `least`."""
    ends = range(least, block.push_to + 1)
    return {block.ending_at(end).push_to - block.push_from for end in ends}


def even(n: int) -> int:
    """This number, or the next if it is odd."""
    return n + n % 2
