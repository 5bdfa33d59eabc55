"""A voice: what turns features and pitch into its sound."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from stages.rvc.network.decoder import Decoder
from stages.rvc.network.prior import NOISE_SCALE, Flow, Prior
from stages.rvc.network.source import Source
from stages.rvc.pitch.scale import coarse

if TYPE_CHECKING:
    from stages.rvc.voices.file import VoiceFile

MAX_SPEAKERS_KEPT = 256
"""Of what speakers add, kept ready: a voice has 109 of them, and uses one."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """What a speaker adds to each part."""

    flow: torch.Tensor
    decoder: torch.Tensor


class Synthesizer:
    """An RVC voice on a device, in a dtype. It holds nothing of those who speak with it."""

    def __init__(self, file: VoiceFile, device: torch.device, dtype: torch.dtype) -> None:
        self.config = config = file.config
        weights = {name: weight.to(device, dtype) for name, weight in file.weights.items()}
        self.dtype = dtype
        self.device = device
        self.prior = Prior(config, weights)
        self.flow = Flow(config, weights)
        self.decoder = Decoder(config, weights)
        self.source = Source(config, weights) if config.has_pitch else None
        self._embeddings = weights["emb_g.weight"]
        self._speaker = lru_cache(MAX_SPEAKERS_KEPT)(self._make_speaker)
        self.n_bytes = sum(weight.nbytes for weight in weights.values())
        """About what it occupies."""

    def speaker(self, number: int) -> Speaker:
        """Of a voice's `n_speakers`, from 0."""
        return self._speaker(number)

    def _make_speaker(self, number: int) -> Speaker:
        embedding = self._embeddings[number : number + 1]
        return Speaker(self.flow.speaker(embedding), self.decoder.speaker(embedding))

    def latents(
        self,
        features: torch.Tensor,
        f0: torch.Tensor | None,
        noise: torch.Tensor,
        speaker: torch.Tensor,
    ) -> torch.Tensor:
        """(batch, m, inter_channels): of features (batch, n, content_width) and f0 (batch, n) in
        Hz, the last m frames, which are those that there is noise (batch, m, inter_channels) for.

        The outermost frames miss some of their neighbours."""
        pitch = None if f0 is None else coarse(f0)
        mean, log_deviation = self.prior(features.to(self.dtype), pitch)
        n_skipped = mean.shape[1] - noise.shape[1]
        drawn = mean[:, n_skipped:] + torch.exp(log_deviation[:, n_skipped:]) * noise * NOISE_SCALE
        return self.flow(drawn.to(self.dtype), speaker)
