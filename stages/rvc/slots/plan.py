"""The host's side of a conversion in slots: shapes, and which frames a block has."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from stages.audio.format import PIPELINE_RATE
from stages.audio.resample import resampled_length
from stages.rvc import schedule
from stages.rvc.loudness import FRAME
from stages.rvc.network.config import FLOW_REACH
from stages.rvc.network.content import FEATURE_REACH
from stages.rvc.schedule import LEAD, MARGIN, PITCH_FRAMES, RAMP, WINDOW, even
from stages.rvc.speech import HOP, RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from stages.audio.format import Samples
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


NOT_ENDED = 1 << 40
"""In the place of a segment's length while its end is not in reach."""


class PlannedBlock(NamedTuple):
    """A block of one stream in a slot, in the numbers that the device needs."""

    block: Block
    is_first: bool
    """The slot's state counts as empty."""
    n_raw: int
    """New samples at the input rate."""
    n_in: int
    """Those before them."""
    n_total: int
    """Samples of the whole segment at 16 kHz, if the block reads all of it; else `NOT_ENDED`."""
    pitch_from: int
    """The frame from which on pitch is looked for."""
    keep_pitch_from: int
    """The frame from which on what is found counts: those before were decoded with theirs."""
    f0: NDArray[np.float32] | None
    """The pitch from `pitch_from` on, in Hz, where the host finds it."""
    heard: slice
    """The samples of the block's sound that go out."""

    @property
    def n_new(self) -> int:
        """The frames that were in no window before."""
        return self.block.stop - self.block.new_from

    @property
    def n_pushed(self) -> int:
        """The frames that the decoder gets and keeps."""
        return self.block.push_to - self.block.push_from


class PitchSource(Protocol):
    """What finds the pitch of a stream beside the device, block by block."""

    @property
    def is_ready(self) -> bool:
        """The next block's is there, or why there will be none."""

    def push(self, samples: Samples) -> None:
        """Take more speech."""

    def end(self) -> None:
        """End the speech."""

    def take(self) -> NDArray[np.float32]:
        """The next block's pitch. Raises what went wrong."""

    def close(self) -> None:
        """Find nothing more."""


class SlotStream:
    """One segment on its way: n samples at `in_rate` become `resampled_length` at 48 kHz. It keeps
    the speech that no block has taken, and says which frames the next one has.

    How the speech was cut changes no number here."""

    def __init__(
        self,
        blocks: Iterator[Block],
        *,
        in_rate: int,
        lag: int,
        needed: Callable[[int], int],
        pitch: PitchSource | None = None,
    ) -> None:
        """`lag`: of `lag_frames`. `needed`: how many samples at `in_rate` make so many at 16 kHz
        final. `pitch`: None where the device finds it, or there is none."""
        self._blocks = blocks
        self._next = next(blocks)
        self._in_rate = in_rate
        self._lag = lag
        self._needed = needed
        self._pitch = pitch
        self._speech: deque[Samples] = deque()
        self._n_in = 0
        self._n_taken = 0
        self._n_planned = 0  # samples of sound that blocks make which were taken
        self._is_first = True
        self._has_ended = False

    def push(self, samples: Samples) -> None:
        """Take more speech."""
        if len(samples):
            self._speech.append(samples)
            self._n_in += len(samples)
            if self._pitch is not None:
                self._pitch.push(samples)

    def end(self) -> None:
        """End the speech."""
        self._has_ended = True
        if self._pitch is not None:
            self._pitch.end()

    def close(self) -> None:
        """Let go of what is still being done for it."""
        if self._pitch is not None:
            self._pitch.close()

    @property
    def is_planned(self) -> bool:
        """All its blocks were taken."""
        return self._has_ended and self._n_planned == self._n_wanted

    @property
    def is_due(self) -> bool:
        """Whether the next block can be converted, or its pitch cannot be found."""
        if self._has_ended:
            is_there = self._n_planned < self._n_wanted
        else:
            is_there = self._n_in >= self._needed_next
        return is_there and (self._pitch is None or self._pitch.is_ready)

    def take(self, raw: NDArray[np.float32]) -> PlannedBlock:
        """The next block, which must be due; its new speech goes into the beginning of `raw`, whose
        rest is left as it is. Raises what kept its pitch from being found."""
        f0 = None if self._pitch is None else self._pitch.take()
        block, n_in = self._next, self._n_taken
        is_last_speech = self._n_in < self._needed_next
        stop = self._n_in if is_last_speech else max(self._needed_next, n_in)
        self._hand_over(raw[: stop - n_in])
        self._n_taken = stop
        pitch_from = max(block.start, block.stop - PITCH_FRAMES)
        planned = PlannedBlock(
            block,
            is_first=self._is_first,
            n_raw=stop - n_in,
            n_in=n_in,
            n_total=self._n_total if is_last_speech else NOT_ENDED,
            pitch_from=pitch_from,
            keep_pitch_from=pitch_from if self._is_first else max(pitch_from, block.push_from),
            f0=f0,
            heard=self._heard(block),
        )
        self._n_planned += planned.heard.stop - planned.heard.start
        self._next = next(self._blocks)
        self._is_first = False
        return planned

    def _hand_over(self, raw: NDArray[np.float32]) -> None:
        at = 0
        while at < len(raw):
            piece = self._speech.popleft()
            n = min(len(piece), len(raw) - at)
            raw[at : at + n] = piece[:n]
            at += n
            if n < len(piece):
                self._speech.appendleft(piece[n:])

    def _heard(self, block: Block) -> slice:
        """Frames before the segment's start do not go out, nor does what is behind its end."""
        first = block.push_from - self._lag
        start = max(0, -first) * FRAME
        stop = (block.push_to - block.push_from) * FRAME
        if self._has_ended:
            stop = min(stop, start + self._n_wanted - self._n_planned)
        return slice(start, stop)

    @property
    def _needed_next(self) -> int:
        return self._needed(self._next.stop * HOP + FEATURE_REACH)

    @property
    def _n_total(self) -> int:
        return resampled_length(self._n_in, self._in_rate, RATE)

    @property
    def _n_wanted(self) -> int:
        return resampled_length(self._n_in, self._in_rate, PIPELINE_RATE)
