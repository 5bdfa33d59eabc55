"""From features and pitch to what the decoder speaks from: RVC's text encoder and its flow.

    features, pitch ─ 6 layers ▶ mean, deviation ─ + noise ▶ the flow, backwards ▶ latent frames

One latent frame is 10 ms. Everything here is (batch, n, channels), rows being time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from stages.neural.linear import packed
from stages.rvc.network.convolution import LEAK, frame_conv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stages.neural.linear import FixedLinear
    from stages.rvc.network.config import VoiceConfig

NOISE_SCALE = 0.66666
"""Of the deviation, as upstream has it."""

RELATIVE_REACH = 10
"""Frames before and behind that attention knows apart by their distance."""

N_FLOWS = 4
N_FLOW_LAYERS = 3
FLOW_KERNEL = 5
FLOW_REACH = N_FLOWS * N_FLOW_LAYERS * (FLOW_KERNEL // 2)
"""Frames before and behind a frame that the flow looks at: 24."""

NORM_EPS = 1e-5


class Prior:
    """What a voice expects to hear, given features and pitch."""

    def __init__(self, config: VoiceConfig, weights: Mapping[str, torch.Tensor]) -> None:
        """`weights` as in a voice's state dict, on their device and in their dtype."""
        self._scale = math.sqrt(config.hidden_channels)
        self._phone = _linear_of(weights, "enc_p.emb_phone")
        self._pitch = weights.get("enc_p.emb_pitch.weight")  # (256, hidden), or there is no pitch
        self._layers = [_Layer(config, weights, number) for number in range(config.n_layers)]
        self._out = _linear_of(weights, "enc_p.proj")
        self._bands: dict[int, _Band] = {}

    def __call__(
        self, features: torch.Tensor, pitch: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and logarithm of the deviation, each (batch, n, inter_channels) float32, of
        features (batch, n, content_width) and coarse pitch (batch, n), 1 to 255."""
        x = self._phone(features)
        if self._pitch is not None and pitch is not None:
            x = x + self._pitch[pitch]
        x = nn.functional.leaky_relu(x * self._scale, LEAK)
        n = x.shape[1]
        band = self._bands.get(n)
        if band is None:  # windows have a few sizes
            band = self._bands[n] = _Band.of(n, x.device)
        for layer in self._layers:
            x = layer(x, band)
        mean, log_deviation = self._out(x).float().chunk(2, dim=-1)
        return mean, log_deviation


@dataclass(frozen=True, slots=True)
class _Band:
    """Which of n frames stand near enough to each other for their distance to count."""

    rows: torch.Tensor
    columns: torch.Tensor
    distances: torch.Tensor
    """Of each such pair, from 0: `RELATIVE_REACH` before."""

    @classmethod
    def of(cls, n: int, device: torch.device) -> _Band:
        # On the CPU: how many pairs there are a GPU would have to be asked, and waited for.
        frames = torch.arange(n)
        distance = frames[None, :] - frames[:, None] + RELATIVE_REACH
        rows, columns = torch.where((distance >= 0) & (distance <= 2 * RELATIVE_REACH))
        parts = rows, columns, distance[rows, columns]
        return cls(*(part.to(device) for part in parts))


class _Layer:
    """A transformer layer whose attention knows near frames by their distance, and whose feed
    forward part is two convolutions."""

    def __init__(
        self, config: VoiceConfig, weights: Mapping[str, torch.Tensor], number: int
    ) -> None:
        name = f"enc_p.encoder.attn_layers.{number}"
        self._n_heads = config.n_heads
        self._qkv = packed(
            torch.cat([weights[f"{name}.conv_{part}.weight"].squeeze(2) for part in "qkv"]),
            torch.cat([weights[f"{name}.conv_{part}.bias"] for part in "qkv"]),
        )
        self._near_keys = weights[f"{name}.emb_rel_k"][0]  # (21, head_dim), for all heads
        self._near_values = weights[f"{name}.emb_rel_v"][0]
        self._out = _linear_of(weights, f"{name}.conv_o")
        self._norm = _Norm(weights, f"enc_p.encoder.norm_layers_1.{number}")
        feed = f"enc_p.encoder.ffn_layers.{number}"
        self._widen = frame_conv(weights, f"{feed}.conv_1", then="relu")
        self._narrow = frame_conv(weights, f"{feed}.conv_2")
        self._last_norm = _Norm(weights, f"enc_p.encoder.norm_layers_2.{number}")

    def __call__(self, x: torch.Tensor, band: _Band) -> torch.Tensor:
        x = self._norm(x + self._attend(x, band))
        return self._last_norm(x + self._narrow(self._widen(x)))

    def _attend(self, x: torch.Tensor, band: _Band) -> torch.Tensor:
        batch, n, hidden = x.shape
        # (batch, n, 3 * hidden) to 3 of (batch, heads, n, head_dim)
        qkv = self._qkv(x).view(batch, n, 3, self._n_heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = qkv[0] / math.sqrt(hidden // self._n_heads), qkv[1], qkv[2]
        scores = query @ key.transpose(-2, -1)  # (batch, heads, n, n)
        near = query @ self._near_keys.T  # (batch, heads, n, 21)
        scores[..., band.rows, band.columns] += near[..., band.rows, band.distances]
        weights = torch.softmax(scores.float(), dim=-1).to(x.dtype)
        near_weights = torch.zeros_like(near)
        near_weights[..., band.rows, band.distances] = weights[..., band.rows, band.columns]
        seen = weights @ value + near_weights @ self._near_values
        return self._out(seen.transpose(1, 2).reshape(batch, n, hidden))


class Flow:
    """Turns what the prior drew into latent frames of one speaker."""

    def __init__(self, config: VoiceConfig, weights: Mapping[str, torch.Tensor]) -> None:
        self._couplings = [
            _Coupling(config, weights, f"flow.flows.{2 * number}")
            for number in reversed(range(N_FLOWS))
        ]

    def speaker(self, embedding: torch.Tensor) -> torch.Tensor:
        """What a speaker adds: (batch, gin_channels) to (batch, 1, flows * layers * 2 * hidden)."""
        return torch.cat([c.speaker(embedding) for c in self._couplings], dim=-1)[:, None, :]

    def __call__(self, drawn: torch.Tensor, speaker: torch.Tensor) -> torch.Tensor:
        """(batch, n, inter_channels) to the same. The outer `FLOW_REACH` frames on each side
        miss some of their neighbours."""
        for coupling, added in zip(
            self._couplings, speaker.chunk(len(self._couplings), dim=-1), strict=True
        ):
            drawn = coupling(drawn.flip(-1), added)
        return drawn


class _Coupling:
    """Half of the channels say what is to be taken from the other half."""

    def __init__(self, config: VoiceConfig, weights: Mapping[str, torch.Tensor], name: str) -> None:
        self._hidden = config.hidden_channels
        self._pre = _linear_of(weights, f"{name}.pre")
        self._gates = [
            frame_conv(weights, f"{name}.enc.in_layers.{number}") for number in range(N_FLOW_LAYERS)
        ]
        self._outs = [
            _linear_of(weights, f"{name}.enc.res_skip_layers.{number}")
            for number in range(N_FLOW_LAYERS)
        ]
        self._post = _linear_of(weights, f"{name}.post")
        self._speaker = _linear_of(weights, f"{name}.enc.cond_layer")

    def speaker(self, embedding: torch.Tensor) -> torch.Tensor:
        """(batch, gin_channels) to (batch, layers * 2 * hidden)."""
        return self._speaker(embedding)

    def __call__(self, drawn: torch.Tensor, speaker: torch.Tensor) -> torch.Tensor:
        kept, changed = drawn.chunk(2, dim=-1)
        x = self._pre(kept)
        total = torch.zeros_like(x)
        for gates_of, out_of, added in zip(
            self._gates, self._outs, speaker.chunk(N_FLOW_LAYERS, dim=-1), strict=True
        ):
            wave, gate = (gates_of(x) + added).chunk(2, dim=-1)
            made = out_of(torch.tanh(wave) * torch.sigmoid(gate))
            if made.shape[-1] > self._hidden:  # all but the last layer go on, too
                x = x + made[..., : self._hidden]
            total = total + made[..., -self._hidden :]
        return torch.cat([kept, changed - self._post(total)], dim=-1)


class _Norm:
    def __init__(self, weights: Mapping[str, torch.Tensor], name: str) -> None:
        self._weight = weights[f"{name}.gamma"]
        self._bias = weights[f"{name}.beta"]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.layer_norm(x, x.shape[-1:], self._weight, self._bias, NORM_EPS)


def _linear_of(weights: Mapping[str, torch.Tensor], name: str) -> FixedLinear:
    """A linear layer, or a convolution of one step, which is the same."""
    weight = weights[f"{name}.weight"]
    return packed(weight.squeeze(2) if weight.dim() == 3 else weight, weights[f"{name}.bias"])
