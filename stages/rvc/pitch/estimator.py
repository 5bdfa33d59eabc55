"""What every way of finding pitch offers, and what they have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from stages.audio.format import Samples

RATE = 16_000
"""Hz, of the speech that is listened to."""
HOP = 160
"""Samples from one frame to the next: 10 ms."""
F0_MIN_HZ = 50.0
F0_MAX_HZ = 1100.0
"""Where upstream looks for pitch, and what its scale spans."""

MIN_FRAMES = 6
"""In less than three periods of the lowest pitch, 60 ms, the methods that measure them see none, or
see some where there are none."""


class PitchEstimator(Protocol):
    """Speech to pitch."""

    @property
    def name(self) -> str:
        """What it is chosen by."""

    @property
    def n_bytes(self) -> int:
        """The memory of its network, where it has one."""

    def estimate(self, samples: Samples, filter_radius: int = 3) -> NDArray[np.float32]:
        """The pitch (n // 160,) of samples (n,) at 16 kHz: in Hz, 0 where there is no voice.

        Frame j tells of the sound around sample 160 * j. What is too short to tell is not voiced,
        and neither is what is at either end. `filter_radius` is for dio and harvest alone."""


@runtime_checkable
class BatchEstimator(PitchEstimator, Protocol):
    """One that is quicker with several at once."""

    def estimate_batch(self, samples: torch.Tensor) -> torch.Tensor:
        """As `estimate`, of (batch, n) on the estimator's device."""


def unvoiced(samples: Samples) -> NDArray[np.float32]:
    """Pitch for as many frames as there are, none of them voiced."""
    return np.zeros(len(samples) // HOP, np.float32)
