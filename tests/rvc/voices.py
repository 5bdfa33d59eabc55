"""Sound of which the pitch is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stages.audio.format import Samples

FORMANTS = ((700, 90), (1200, 110), (2600, 170))
"""Hz and bandwidth, of an `a`."""


def vowel(f0_hz: NDArray[np.float64]) -> Samples:
    """An `a` whose pitch is so much at each sample, at 16 kHz: the sum of its harmonics."""
    phase = 2 * np.pi * np.cumsum(f0_hz) / 16_000
    sound = np.zeros(len(f0_hz))
    for number in range(1, int(7_000 / f0_hz.max()) + 1):
        hz = number * f0_hz
        loudness = sum(1 / (1 + ((hz - at) / width) ** 2) for at, width in FORMANTS)
        sound += (0.02 + loudness) * np.sin(number * phase)
    loud: Samples = (0.3 * sound / np.abs(sound).max()).astype(np.float32)
    return loud


def level(hz: float, n_samples: int) -> NDArray[np.float64]:
    return np.full(n_samples, hz)


def glide(n_samples: int, hz: float = 200.0) -> NDArray[np.float64]:
    """Up and down by 5 semitones: in 5 ms it moves by up to 8 cents."""
    return hz * 2 ** (0.3 * np.sin(2 * np.pi * 0.7 * np.arange(n_samples) / 16_000))


def words(n_samples: int) -> Samples:
    """A voice that comes and goes, in some noise."""
    loud = np.sin(2 * np.pi * 1.3 * np.arange(n_samples) / 16_000) > -0.5
    noise = np.random.default_rng(0).normal(scale=0.002, size=n_samples)
    mixed: Samples = (vowel(glide(n_samples)) * loud + noise).astype(np.float32)
    return mixed


def cents_off(found: NDArray[np.float32], true: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the voiced frames; true: at each sample."""
    at = true[::160][: len(found)]
    voiced = found > 0
    off: NDArray[np.float64] = 1200 * np.log2(found[voiced] / at[voiced])
    return off
