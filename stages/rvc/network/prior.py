"""Latent frames for the decoder, from content features and pitch: RVC's text encoder and flow.

    features, pitch ─ 6 layers ▶ mean, deviation ─ + noise ▶ the flow, backwards ▶ latent frames

One latent frame is 10 ms. Everything here is (batch, n, channels), rows being time.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional

from stages.neural.layers import LayerNorm, PostNormLayer, linear, only
from stages.rvc.network.config import ATTENTION_WINDOW, FLOW_LAYERS, N_FLOWS
from stages.rvc.network.convolution import LEAK, FrameConv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stages.rvc.network.config import VoiceConfig

NOISE_SCALE = 0.66666
"""Upstream's factor of the deviation."""


class Prior:
    """The distribution of latent frames before the flow, given features and pitch."""

    def __init__(self, config: VoiceConfig, weights: Mapping[str, torch.Tensor]) -> None:
        """`weights` as in a voice's state dict, on their device and in their dtype."""
        self._scale = math.sqrt(config.hidden_channels)
        self._phone = linear(weights, "enc_p.emb_phone")
        self._pitch = weights.get("enc_p.emb_pitch.weight")  # (256, hidden), or there is no pitch
        self._layers = [_layer(config, weights, number) for number in range(config.n_layers)]
        self._out = linear(weights, "enc_p.proj")

    def __call__(
        self,
        features: torch.Tensor,
        pitch: torch.Tensor | None,
        is_there: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and logarithm of the deviation, each (batch, n, inter_channels) float32, of
        features (batch, n, content_width) and coarse pitch (batch, n), 1 to 255.

        Frames where `is_there` (batch, n, 1) is false change nothing in the others, and what comes
        out for them is of no use. A row must have one that is there."""
        x = self._phone(features)
        if self._pitch is not None and pitch is not None:
            x = x + self._pitch[pitch]
        x = functional.leaky_relu(x * self._scale, LEAK)
        near = _Near.of(x.shape[1], x.device)
        for layer, attention in self._layers:
            x = layer(x, partial(attention, near, is_there), is_there)
        mean, log_deviation = self._out(x).float().chunk(2, dim=-1)
        return mean, log_deviation


class _Near(NamedTuple):
    """Which of n frames are near enough to each other for their distance to count. Distances are
    numbered from 0, which is `ATTENTION_WINDOW` before, to 20."""

    distances: torch.Tensor
    """(n, n) int64: of each frame (columns) from each other (rows)."""
    has_distance: torch.Tensor
    """(n, n) bool: whether it counts."""
    frames: torch.Tensor
    """(n, 21) int64: the frame at each distance from each."""
    has_frame: torch.Tensor
    """(n, 21) bool: whether there is one."""

    @classmethod
    def of(cls, n: int, device: torch.device) -> _Near:
        frames = torch.arange(n, device=device)
        distances = frames[None, :] - frames[:, None] + ATTENTION_WINDOW
        all_distances = torch.arange(2 * ATTENTION_WINDOW + 1, device=device)
        places = frames[:, None] + all_distances - ATTENTION_WINDOW
        return cls(
            distances.clamp(0, 2 * ATTENTION_WINDOW),
            (distances >= 0) & (distances <= 2 * ATTENTION_WINDOW),
            places.clamp(0, n - 1),
            (places >= 0) & (places < n),
        )


class _RelativeAttention:
    """Attention that knows near frames by their distance (Shaw et al., 2018)."""

    def __init__(self, weights: Mapping[str, torch.Tensor], name: str) -> None:
        self._near_keys = weights[f"{name}.emb_rel_k"][0]  # (21, head_dim), for all heads
        self._near_values = weights[f"{name}.emb_rel_v"][0]

    def __call__(
        self,
        near: _Near,
        is_there: torch.Tensor | None,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
    ) -> torch.Tensor:
        query = query / math.sqrt(query.shape[-1])
        scores = query @ key.transpose(-2, -1)  # (batch, heads, n, n)
        by_distance = query @ self._near_keys.T  # (batch, heads, n, 21)
        nearness = by_distance.gather(-1, near.distances.expand(scores.shape))
        scores = torch.where(near.has_distance, scores + nearness, scores)
        if is_there is not None:
            scores = scores.masked_fill(~is_there.transpose(1, 2)[:, None], -math.inf)
        weights = torch.softmax(scores.float(), dim=-1).to(value.dtype)
        near_weights = weights.gather(-1, near.frames.expand(by_distance.shape)) * near.has_frame
        return weights @ value + near_weights @ self._near_values


def _layer(
    config: VoiceConfig, weights: Mapping[str, torch.Tensor], number: int
) -> tuple[PostNormLayer, _RelativeAttention]:
    """A layer whose feed-forward part is two convolutions."""
    attention = f"enc_p.encoder.attn_layers.{number}"
    feed_forward = f"enc_p.encoder.ffn_layers.{number}"
    parts = "gamma", "beta"
    layer = PostNormLayer(
        config.n_heads,
        qkv=linear(weights, *(f"{attention}.conv_{part}" for part in "qkv")),
        out=linear(weights, f"{attention}.conv_o"),
        norm=LayerNorm(weights, f"enc_p.encoder.norm_layers_1.{number}", parts=parts),
        widen=FrameConv(weights, f"{feed_forward}.conv_1", then="relu"),
        narrow=FrameConv(weights, f"{feed_forward}.conv_2"),
        last_norm=LayerNorm(weights, f"enc_p.encoder.norm_layers_2.{number}", parts=parts),
    )
    return layer, _RelativeAttention(weights, attention)


class Flow:
    """The normalising flow, backwards: draws from the prior to latent frames of one speaker."""

    def __init__(self, config: VoiceConfig, weights: Mapping[str, torch.Tensor]) -> None:
        self._couplings = [
            _Coupling(config, weights, f"flow.flows.{2 * number}")
            for number in reversed(range(N_FLOWS))
        ]

    def speaker(self, embedding: torch.Tensor) -> torch.Tensor:
        """A speaker's part: (batch, gin_channels) to (batch, 1, flows * layers * 2 * hidden)."""
        return torch.cat([c.speaker(embedding) for c in self._couplings], dim=-1)[:, None, :]

    def __call__(
        self, drawn: torch.Tensor, speaker: torch.Tensor, is_there: torch.Tensor | None = None
    ) -> torch.Tensor:
        """(batch, n, inter_channels) to the same. The outer `FLOW_REACH` frames on each side
        miss some of their neighbours. Frames where `is_there` (batch, n, 1) is false change nothing
        in the others."""
        for coupling, added in zip(
            self._couplings, speaker.chunk(len(self._couplings), dim=-1), strict=True
        ):
            drawn = coupling(drawn.flip(-1), added, is_there)
        return drawn


class _Coupling:
    """An affine coupling: half of the channels decide the shift of the other half."""

    def __init__(self, config: VoiceConfig, weights: Mapping[str, torch.Tensor], name: str) -> None:
        self._hidden = config.hidden_channels
        self._pre = linear(weights, f"{name}.pre")
        self._gates = [
            FrameConv(weights, f"{name}.enc.in_layers.{number}") for number in range(FLOW_LAYERS)
        ]
        self._outs = [
            linear(weights, f"{name}.enc.res_skip_layers.{number}") for number in range(FLOW_LAYERS)
        ]
        self._post = linear(weights, f"{name}.post")
        self.speaker = linear(weights, f"{name}.enc.cond_layer")
        """(batch, gin_channels) to (batch, layers * 2 * hidden)."""

    def __call__(
        self, drawn: torch.Tensor, speaker: torch.Tensor, is_there: torch.Tensor | None
    ) -> torch.Tensor:
        kept, changed = drawn.chunk(2, dim=-1)
        x = self._pre(kept)
        total = torch.zeros_like(x)
        for gates_of, out_of, added in zip(
            self._gates, self._outs, speaker.chunk(FLOW_LAYERS, dim=-1), strict=True
        ):
            wave, gate = (gates_of(only(x, is_there)) + added).chunk(2, dim=-1)
            made = out_of(torch.tanh(wave) * torch.sigmoid(gate))
            if made.shape[-1] > self._hidden:  # all but the last layer go on, too
                x = x + made[..., : self._hidden]
            total = total + made[..., -self._hidden :]
        return torch.cat([kept, changed - self._post(total)], dim=-1)
