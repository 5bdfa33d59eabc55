"""What takes the offset out of espeak-ng's whispers, whose noise is not centred: the mean of their
sounds wanders by up to 0.06 of full scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from stages.audio.format import Samples

CUTOFF_HZ = 40
"""A whisper has nothing below 200 Hz but its offset, which is gone so within the 20 ms of silence
that a text ends with."""


class OffsetRemover:
    """A high pass of one pole for one segment (Smith, "Introduction to Digital Filters", "DC
    Blocker"): what is left when the running mean is taken off. Speech begins in silence, and so
    does the mean: there is no step at the start."""

    def __init__(self, sample_rate: int) -> None:
        self._keeps = np.exp(-2 * np.pi * CUTOFF_HZ / sample_rate)
        self._mean = 0.0

    def push(self, samples: Samples) -> Samples:
        """The same sound without its offset. At most some seconds at once, whose powers are
        finite."""
        # mean[n] = keeps * mean[n - 1] + (1 - keeps) * samples[n], written out as a sum.
        kept = self._keeps ** np.arange(1, len(samples) + 1)
        mean = kept * (self._mean + np.cumsum((1 - self._keeps) * samples / kept))
        self._mean = float(mean[-1])
        centred: Samples = (samples - mean).astype(np.float32)
        return centred
