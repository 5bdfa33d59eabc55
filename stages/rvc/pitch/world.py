"""``dio`` and ``harvest``: WORLD's, by way of pyworld. 13 and 310 ms of CPU for a second of speech.

Morise et al., 2009 (DIO) and 2017 (Harvest), each refined by StoneMask, as upstream does it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pyworld

from stages.rvc.pitch.estimator import F0_MAX_HZ, F0_MIN_HZ, MIN_FRAMES, unvoiced
from stages.rvc.speech import HOP, RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stages.audio.format import Samples

Method = Literal["dio", "harvest"]

FRAME_MS = 1000 * HOP / RATE

MEDIAN_FRAMES = 3
"""The width of upstream's filter, whatever more it is asked for."""


class WorldPitch:
    """WORLD's methods; see the module. They keep no state, so they can be shared."""

    n_bytes = 0

    def __init__(self, name: Method) -> None:
        self.name = name
        self._find = pyworld.dio if name == "dio" else pyworld.harvest

    def estimate(self, samples: Samples, filter_radius: int = 3) -> NDArray[np.float32]:
        """See `PitchEstimator`."""
        f0 = unvoiced(samples)
        if len(f0) < MIN_FRAMES:
            return f0  # where there is no sample at all, pyworld runs out of memory
        sound = samples.astype(np.float64)
        found, times = self._find(
            sound, RATE, f0_floor=F0_MIN_HZ, f0_ceil=F0_MAX_HZ, frame_period=FRAME_MS
        )
        found = pyworld.stonemask(sound, found, times, RATE)
        if filter_radius >= MEDIAN_FRAMES:
            found = _median_of_three(found)
        f0[:] = found[: len(f0)]  # there is one more, at the end
        return f0


def _median_of_three(f0: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median of each three frames, as ``scipy.signal.medfilt``: upstream's ``filter_radius`` of
    3, its default. Frames outside count as unvoiced."""
    padded = np.pad(f0, 1)
    median: NDArray[np.float64] = np.median([padded[:-2], f0, padded[2:]], axis=0)
    return median
