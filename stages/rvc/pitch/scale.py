"""Pitch as voices take it: a step of a scale, and hertz, both shifted to the voice's range.

The scale is upstream's, and what voices were trained with: 255 steps, evenly spaced in mel
(O'Shaughnessy, 1987: 1127 ln(1 + f / 700)), of which the first is for unvoiced frames.
"""

from __future__ import annotations

import math

import torch

from stages.audio.pitch_shift import pitch_ratio
from stages.rvc.pitch.estimator import F0_MAX_HZ, F0_MIN_HZ

N_STEPS = 255


def coarse(f0: torch.Tensor) -> torch.Tensor:
    """The steps, 1 to 255, int64, of pitch in Hz; of any shape.

    In float64, as upstream: where a value lies between two steps nothing tips it over."""
    low, high = _mel(F0_MIN_HZ), _mel(F0_MAX_HZ)
    mel = 1127 * torch.log(1 + f0.double() / 700)
    steps = (mel - low) * (N_STEPS - 1) / (high - low) + 1
    return steps.clamp(1, N_STEPS).round().long()


def shifted(f0: torch.Tensor, semitones: float) -> torch.Tensor:
    """The pitch so many semitones higher; 0, unvoiced, stays 0."""
    return f0 * pitch_ratio(semitones)


def _mel(hz: float) -> float:
    return 1127 * math.log(1 + hz / 700)
