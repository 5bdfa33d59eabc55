"""Changing the sample rate of one segment's sound, piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soxr

if TYPE_CHECKING:
    from stages.audio.format import Samples


def resampled_length(n_samples: int, in_rate: float, out_rate: int) -> int:
    """The number of samples that ``n_samples`` become: rounded, halves up."""
    return int((2 * n_samples * out_rate + in_rate) // (2 * in_rate))


LOW_RATE = 16_000
"""Hertz below which soxr's blocks would hold a listener's first sound back for 78 ms and more."""


def _stream(in_rate: float, out_rate: int) -> soxr.ResampleStream:
    """soxr at its high quality (HQ, a 20-bit linear-phase filter). Down to low rates its filter for
    rates that vary takes over, which works in small blocks (docs/adr/0023-low-rates.md)."""
    is_low = out_rate < min(in_rate, LOW_RATE)
    return soxr.ResampleStream(in_rate, out_rate, 1, dtype="float32", quality="HQ", vr=is_low)


class Resampler:
    """soxr for one segment's sound.

    n samples in give exactly `resampled_length` out, bit for bit the same for any cut of the
    input. soxr works block by block, so the output lags 5 to 42 ms behind (22 050 to 48 000 Hz;
    18 ms at most from 32 000; 28 ms from 48 000 to 8 000); `flush` hands out the rest, after which
    a new segment needs a new resampler. Equal rates pass through untouched.
    """

    def __init__(self, in_rate: float, out_rate: int) -> None:
        self._in_rate = in_rate
        self._out_rate = out_rate
        self._received = 0
        self._made = 0
        self._stream = None if in_rate == out_rate else _stream(in_rate, out_rate)

    def push(self, samples: Samples) -> Samples:
        """Take float32 samples, hand out those that are final."""
        if self._stream is None or not len(samples):
            return samples
        self._received += len(samples)
        made: Samples = self._stream.resample_chunk(samples)
        self._made += len(made)
        return made

    def flush(self) -> Samples:
        """The rest: what the filter still held."""
        if self._stream is None or self._received == 0:
            return np.zeros(0, np.float32)
        tail: Samples = self._stream.resample_chunk(np.zeros(0, np.float32), last=True)
        # soxr counts in floating point, so where the count is exactly half it may round
        # down (24 000 to 44 100 Hz, 1000 samples): repeat the last one then.
        wanted = resampled_length(self._received, self._in_rate, self._out_rate) - self._made
        if len(tail) < wanted:
            return np.pad(tail, (0, wanted - len(tail)), mode="edge" if len(tail) else "constant")
        return tail[:wanted]
