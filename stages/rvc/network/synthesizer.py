"""An RVC voice as a network: content features and pitch to sound."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from stages.neural.state import StreamState
from stages.neural.weights import moved_together
from stages.rvc.network.decoder import Decoder
from stages.rvc.network.excitation import Excitation
from stages.rvc.network.prior import NOISE_SCALE, Flow, Prior
from stages.rvc.pitch.scale import coarse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stages.rvc.network.config import VoiceConfig
    from stages.rvc.network.decoder_state import DecoderState

MAX_SPEAKERS_KEPT = 256
"""A voice has up to 109, and uses one."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """A speaker's embedding, projected for each part that is conditioned on it."""

    flow: torch.Tensor
    decoder: torch.Tensor


@dataclass(slots=True)
class SynthesizerState(StreamState):
    """The state of a stream between two blocks of one voice."""

    latents: torch.Tensor
    """(batch, 1, inter_channels): the last frame; (batch, 0, inter_channels) at the start."""
    phase: torch.Tensor
    """(batch, 1) float64: of the excitation's sine, in turns; (batch, 0) at the start."""
    decoder: DecoderState


class Synthesizer:
    """An RVC voice on a device, in a dtype."""

    def __init__(
        self,
        config: VoiceConfig,
        weights: Mapping[str, torch.Tensor],
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        """`weights` as in a `VoiceFile`."""
        self.config = config
        weights = {name: weight.to(device, dtype) for name, weight in weights.items()}
        self.dtype = dtype
        self.device = device
        self.prior = Prior(config, weights)
        self.flow = Flow(config, weights)
        self.decoder = Decoder(config, weights)
        self.excitation = Excitation(config, weights) if config.has_pitch else None
        self._embeddings = weights["emb_g.weight"]
        self.speaker = lru_cache(MAX_SPEAKERS_KEPT)(self._speaker)
        """One of the voice's `n_speakers`, by its number from 0."""
        self.flat = moved_together(self.prior, self.flow, self.decoder, self.excitation)
        """All weights but the speakers' in one piece of memory; None where a CPU has packed them
        one by one. Those of two voices whose configs differ in nothing but `n_speakers` lie
        alike."""
        if self.flat is None:
            self.n_bytes = sum(weight.nbytes for weight in weights.values())
        else:
            self.n_bytes = self.flat.nbytes + self._embeddings.nbytes
        """The memory that it takes, about."""
        if device.type == "cuda":
            # Engines have streams of their own, which would not wait for what this one still does.
            torch.cuda.current_stream(device).synchronize()

    def start(self) -> SynthesizerState:
        """The state of one stream that has not begun."""
        return SynthesizerState(
            torch.empty(1, 0, self.config.inter_channels, dtype=self.dtype, device=self.device),
            torch.empty(1, 0, dtype=torch.float64, device=self.device),
            self.decoder.start(),
        )

    def _speaker(self, number: int) -> Speaker:
        embedding = self._embeddings[number : number + 1]
        return Speaker(self.flow.speaker(embedding), self.decoder.speaker(embedding))

    def latents(
        self,
        features: torch.Tensor,
        f0: torch.Tensor | None,
        noise: torch.Tensor,
        speaker: torch.Tensor,
        is_there: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Latent frames (batch, m, inter_channels) of features (batch, n, content_width) and f0
        (batch, n) in Hz: the last m, for which there is noise (batch, m, inter_channels).

        Frames where `is_there` (batch, n, 1) is false change nothing in the others; a row must have
        one that is there. The outermost frames miss some of their neighbours. A pure function."""
        pitch = None if f0 is None else coarse(f0)
        mean, log_deviation = self.prior(features.to(self.dtype), pitch, is_there)
        n_skipped = mean.shape[1] - noise.shape[1]
        drawn = mean[:, n_skipped:] + torch.exp(log_deviation[:, n_skipped:]) * noise * NOISE_SCALE
        if is_there is not None:
            is_there = is_there[:, n_skipped:]
        return self.flow(drawn.to(self.dtype), speaker, is_there)
