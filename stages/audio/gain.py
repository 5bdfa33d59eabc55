"""Loudness: a gain, and a limiter that keeps what it makes too loud within full scale.

The limiter is a curve without a memory, so each sample depends on itself alone: the identity up to
a knee, above it

    y = k + (1 - k) u / (1 + u),  where u = (x - k) / (1 - k)

the same for negative values. The slope goes on smoothly from 1 at the knee, and y reaches full
scale only for an infinite x. u / (1 + u) is what Reinhard et al. compress light with ("Photographic
Tone Reproduction for Digital Images", SIGGRAPH 2002, equation 3). It takes one division, which
IEEE 754 rounds exactly, so that no two machines differ, nor any two cuts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from stages.audio.format import Samples

KNEE = np.float32(10 ** (-3 / 20))
"""-3 dB of full scale. Speech lies far below but for its peaks, which are short."""


def amplified(samples: Samples, decibels: float) -> Samples:
    """The samples with this gain, and limited if it is above 0 dB. At 0 dB they are untouched."""
    if decibels == 0.0:
        return samples
    gain = np.float32(10.0 ** (decibels / 20))
    loud = samples * gain
    # For less than 3 dB the knee is as far below full scale, so that a little gain changes little.
    return loud if gain <= 1.0 else _limited(loud, max(KNEE, 1 / gain))


def _limited(samples: Samples, knee: np.float32) -> Samples:
    size = np.abs(samples)
    room = 1 - knee
    u = np.maximum(size - knee, 0) / room
    # So written, 0 stays 0 and infinity comes to 1.
    limited: Samples = np.copysign(np.minimum(size, knee) + room * (1 - 1 / (1 + u)), samples)
    return limited
