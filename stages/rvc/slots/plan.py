"""The host's side of a conversion in slots: shapes, and which frames a block has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stages.rvc import schedule
from stages.rvc.network.config import FLOW_REACH
from stages.rvc.schedule import LEAD, MARGIN, RAMP, WINDOW, even

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stages.rvc.schedule import Block

LEAST_PUSHED = 32
"""Frames that fit a decoder's context on both sides, 22 to 29, and some sound."""
LEAST_COMPUTED = 48
"""Frames that fit those mirrored in front of a segment, and a first block of `LEAST_PUSHED`."""
SPARE_RAW = 4
"""Frames of new speech in a row beyond a block's: what a resampler looks ahead."""


@dataclass(frozen=True, slots=True)
class SteadyShape:
    """The sizes of every block in slots, in frames of 10 ms. All are even."""

    window: int
    """W: frames that the networks see. Column c is frame ``stop - window + c``."""
    block: int
    """N: new frames of a block, once a stream is under way."""
    computed: int
    """C: the last frames of the window, whose local features are computed each time."""
    pushed: int
    """P: frames that the decoder gets each time, of which the first `n_pushed` count."""
    flow: int
    """F: the last frames of the window, which go through the flow."""
    margin: int
    """M: frames at the window's end that the decoder does not get."""

    @classmethod
    def of(cls, block_frames: int) -> SteadyShape:
        """The shape for blocks of so many frames, which are even and at most half a window."""
        pushed = max(block_frames, LEAST_PUSHED)
        return cls(
            window=WINDOW,
            block=block_frames,
            computed=max(block_frames, LEAST_COMPUTED),
            pushed=pushed,
            flow=FLOW_REACH + pushed + MARGIN,
            margin=MARGIN,
        )

    def max_in(self, in_rate: int) -> int:
        """The new samples that a row of `ListenRows` has at most, at this rate."""
        return (max(self.block, LEAST_PUSHED) + SPARE_RAW) * in_rate // 100

    def blocks(self, left_frames: int, lag: int) -> Iterator[Block]:
        """The blocks of an endless stream: as `schedule.blocks` has them for a decoder that needs
        so many frames before, and whose sound lags by `lag`, but for the first, which is shorter
        where it would not fit.

        Raises ValueError for a decoder with more context than there is room for."""
        lead = max(LEAD, even(left_frames))
        room = min(self.pushed - left_frames, self.computed - lead - self.margin) - even(lag)
        if room < 2:
            msg = f"a block of {self.pushed} frames does not fit {left_frames} before, {lag} behind"
            raise ValueError(msg)
        first = min(RAMP[0], room - room % 2)
        return schedule.blocks(self.block, left_frames, lag, ramp=(first, *RAMP[1:]))


def lag_frames(right_samples: int, filter_samples: float, hop: int) -> int:
    """D: frames by which sound at 48 kHz lags behind what the decoder gets. `right_samples`: what
    the decoder looks ahead; `filter_samples`: half the width of the filter that brings its sound
    to 48 kHz, at the voice's rate; `hop`: samples in a frame."""
    return math.ceil((right_samples + filter_samples) / hop)
