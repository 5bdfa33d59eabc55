"""Changing the sample rate of many sounds at once, as one product: what `stages.audio.resample`
does on the host, with a filter of our own.

The filter is a sinc under Kaiser's window (Kaiser, 1974), symmetric, so nothing is delayed: output
sample k lies at input sample ``k * in_rate / out_rate``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

ZERO_CROSSINGS = 64
"""Samples at the lower rate that the filter reaches to each side: 4 ms at 16 kHz."""
CUTOFF = 0.95
"""Where the filter has lost half, over the lower rate's Nyquist frequency. It lets through what
lies below 0.9 (to 0.001 dB) and nothing from 1 on (-100 dB), the width that Kaiser's formula gives
for this reach and `BETA`."""
BETA = 10.0
"""The window's shape: for 100 dB."""


class Polyphase:
    """A change of sample rate; between equal rates none. It works in units, the shortest of whole
    10 ms that are whole samples at both rates."""

    half_width: int
    """Input samples that an output sample needs on each side of its place."""
    n_in: int
    """Input samples of a unit."""
    n_out: int
    """Output samples of a unit."""

    def __init__(self, in_rate: int, out_rate: int, device: torch.device) -> None:
        """Both in hertz."""
        n_units = math.gcd(in_rate, out_rate, 100)  # in a second
        self.n_in, self.n_out = in_rate // n_units, out_rate // n_units
        if in_rate == out_rate:
            self.half_width = 0
            self._weight = None
        else:
            self.half_width = ZERO_CROSSINGS * max(in_rate, out_rate) // out_rate
            weight = _weight(self.n_in, self.n_out, self.half_width)
            self._weight = torch.from_numpy(weight).to(device)

    def resampled(self, x: torch.Tensor) -> torch.Tensor:
        """The outputs (batch, units * n_out) of whole units (batch, units * n_in), which come with
        `half_width` more samples at either end; float32."""
        if self._weight is None:
            return x
        windows = x.unfold(1, len(self._weight), self.n_in)
        return (windows @ self._weight).flatten(1)


def _weight(n_in: int, n_out: int, half_width: int) -> NDArray[np.float32]:
    """What each output of a unit takes of its inputs: (n_in + 2 * half_width, n_out)."""
    inputs = np.arange(-half_width, n_in + half_width)[:, None]
    away = inputs - np.arange(n_out) * n_in / n_out  # from the output's place, in input samples
    window = np.i0(BETA * np.sqrt((1 - np.square(away / half_width)).clip(0))) / np.i0(BETA)
    weight = np.where(np.abs(away) <= half_width, window, 0.0)
    weight *= np.sinc(CUTOFF * min(1.0, n_out / n_in) * away)
    made: NDArray[np.float32] = (weight / weight.sum(axis=0)).astype(np.float32)
    return made
