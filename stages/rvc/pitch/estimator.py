"""The interface of pitch methods, and what they have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from stages.rvc.speech import HOP

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from stages.audio.format import Samples

F0_MIN_HZ = 50.0
F0_MAX_HZ = 1100.0
"""The range in which upstream looks for pitch, and which its scale spans."""

MIN_FRAMES = 6
"""Three periods of the lowest pitch, 60 ms. In less, the methods that measure periods find none, or
find some where there are none."""


class PitchEstimator(Protocol):
    """A method of finding the pitch of speech."""

    @property
    def name(self) -> str:
        """The name that it is chosen by."""

    @property
    def n_bytes(self) -> int:
        """The memory of its network, where it has one."""

    def estimate(self, samples: Samples, filter_radius: int = 3) -> NDArray[np.float32]:
        """The pitch (n // 160,) of samples (n,) at 16 kHz: in Hz, 0 where there is no voice.

        Frame j tells of the sound around sample 160 * j. What is too short to tell is not voiced,
        and neither is what is at either end. `filter_radius` is for dio and harvest alone."""


@runtime_checkable
class BatchEstimator(PitchEstimator, Protocol):
    """A method that is quicker with several at once."""

    def estimate_batch(self, samples: torch.Tensor) -> torch.Tensor:
        """The same as `estimate`, of (batch, n) on the estimator's device."""


def unvoiced(samples: Samples) -> NDArray[np.float32]:
    """Pitch for as many frames as there are, none of them voiced."""
    return np.zeros(len(samples) // HOP, np.float32)
