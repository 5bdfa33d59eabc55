"""The excitation that a voice with pitch is built on: a sine where it is voiced, and noise.

The neural source-filter model (Wang, Takaki and Yamagishi, 2019) with the fundamental alone, as
RVC uses it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stages.rvc.network.config import VoiceConfig

SINE_LEVEL = 0.1
VOICED_NOISE = 0.003
UNVOICED_NOISE = SINE_LEVEL / 3


class Excitation:
    """The excitation of one voice: sine, noise and how they are mixed."""

    def __init__(self, config: VoiceConfig, weights: Mapping[str, torch.Tensor]) -> None:
        self._hop = config.hop
        self._sample_rate = config.sample_rate
        weight = weights["dec.m_source.l_linear.weight"]
        self._gain = weight.float().flatten()
        self._offset = weights["dec.m_source.l_linear.bias"].float()
        self._dtype = weight.dtype

    def phase_after(self, f0: torch.Tensor) -> torch.Tensor:
        """The sine's phase behind frames of f0 (batch, n), from 0: in turns, (batch, 1) float64."""
        return (f0.double().sum(1, keepdim=True) * self._hop / self._sample_rate) % 1

    def __call__(
        self, f0: torch.Tensor, noise: torch.Tensor, phase: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The excitation (batch, 1, 1, n * hop) of frames with f0 (batch, n), in Hz and 0 where
        they are unvoiced, and with noise (batch, n, hop); and the phase behind them.

        `phase` is where the sine stands before them, in turns: (batch, 1) float64."""
        hertz = f0.double()[:, :, None].expand(-1, -1, self._hop).flatten(1)
        turns = (phase + torch.cumsum(hertz / self._sample_rate, dim=1)) % 1
        sine = torch.sin(turns.float() * (2 * math.pi))
        is_voiced = (hertz > 0).float()
        level = is_voiced * VOICED_NOISE + (1 - is_voiced) * UNVOICED_NOISE
        made = sine * SINE_LEVEL * is_voiced + noise.flatten(1) * level
        made = torch.tanh(made * self._gain + self._offset)
        return made[:, None, None, :].to(self._dtype), (phase + self.phase_after(f0)) % 1
