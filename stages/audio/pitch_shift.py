"""Shifting the pitch of one voice and changing its speed, piece by piece: stretch it in time, then
play it faster.

Reading stretched sound at a higher rate raises its pitch and makes it shorter. Stretched by just
the factor that it is read faster, it has its old length; by more or less, it is slower or faster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stages.audio.resample import Resampler, resampled_length
from stages.audio.stretch import Stretcher

if TYPE_CHECKING:
    from stages.audio.format import Samples


def pitch_ratio(semitones: float) -> float:
    """The factor by which frequencies rise: equal temperament, 12 semitones an octave."""
    return float(2.0 ** (semitones / 12))


class PitchShifter:
    """A pitch shift, a change of speed and one of rate for a segment's speech, piece by piece.

    n samples in give as many out as n / speed would give with a `Resampler`, rounded."""

    def __init__(
        self, semitones: float, in_rate: int, out_rate: int, *, speed: float = 1.0
    ) -> None:
        ratio = pitch_ratio(semitones)
        # In whole hertz, so that the resampler's ratio is exact: off by 0.002 semitones
        # at most.
        read_rate = round(in_rate * ratio)
        self._heard_rate = in_rate * speed
        self._out_rate = out_rate
        factor = read_rate / self._heard_rate
        self._stretcher = None if factor == 1.0 else Stretcher(factor, in_rate)
        self._resampler = Resampler(read_rate, out_rate)
        self._received = 0
        self._made = 0

    def push(self, samples: Samples) -> Samples:
        """Take more speech, hand out what is final."""
        self._received += len(samples)
        if self._stretcher is not None:
            samples = self._stretcher.push(samples)
        made = self._resampler.push(samples)
        self._made += len(made)
        return made

    def flush(self) -> Samples:
        """The rest, to the exact length."""
        wanted = resampled_length(self._received, self._heard_rate, self._out_rate)
        rest = np.zeros(0, np.float32) if self._stretcher is None else self._stretcher.flush()
        tail = np.concatenate((self._resampler.push(rest), self._resampler.flush()))
        # Two roundings can differ from one by a sample or two.
        missing = wanted - self._made - len(tail)
        if missing > 0:
            return np.concatenate((tail, np.zeros(missing, np.float32)))
        return tail[: wanted - self._made]
