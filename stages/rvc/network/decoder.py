"""RVC's decoder of latent frames to sound, an NSF-HiFi-GAN, with state instead of context.

    latent frames ─ pre ─▶ (×12, + source, 3 residual blocks) ▶ (×10 …) ▶ (×2 …) ▶ (×2 …) ─ post

The network is convolutions from end to end, and none of them looks further than some ten frames.
Streamed block by block it needs that much context on both sides, which is computed again for
every block and thrown away: 60 % more work at 320 ms. Here each convolution keeps the end of its
input instead, and so computes every sample once. Its output lags behind its input by what
it has to see of the future, and what comes out in pieces is, sample for sample, what would come
out in one piece; there is no border at which anything could click.

Nothing is padded, either. A stream begins with `left_frames` of context, whose own sound does not
come out, and ends with `right_frames`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from stages.neural.layers import linear
from stages.rvc.network.config import EDGE_KERNEL
from stages.rvc.network.convolution import LEAK, SoundConv
from stages.rvc.network.decoder_state import DecoderState, FixedEnds, GrowingEnds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stages.rvc.network.config import VoiceConfig

POST_LEAK = 0.01
"""Upstream calls `leaky_relu` without a slope there, which is torch's default."""


class Decoder:
    """The decoder of one voice, in the dtype and on the device of its weights."""

    def __init__(self, config: VoiceConfig, weights: Mapping[str, torch.Tensor]) -> None:
        """`weights` as in a voice's state dict, weight norm folded."""
        self.hop = config.hop
        self._n_in = config.inter_channels
        self._pre = SoundConv(weights, "dec.conv_pre")
        self._stages = [
            _Stage(config, weights, number) for number in range(len(config.upsample_rates))
        ]
        self._post = SoundConv(weights, "dec.conv_post")
        self._speaker = linear(weights, "dec.cond")
        self._dtype = weights["dec.conv_pre.weight"].dtype
        self._device = weights["dec.conv_pre.weight"].device
        self.left_samples, self.right_samples = self._reach()
        self.left_frames = math.ceil(self.left_samples / self.hop)
        """Frames of context that a stream has to begin with."""
        self.right_frames = math.ceil(self.right_samples / self.hop)
        """Frames that sound may lag behind its own."""
        source_reach = max(stage.source_kernel for stage in self._stages)
        # Excitation that some stage has not used yet, or looks back at.
        self._n_source = self.right_samples - EDGE_KERNEL // 2 + source_reach if source_reach else 0
        self.state_size = self._n_source + (EDGE_KERNEL - 1) * (self._n_in + self._stages[-1].n_out)
        """Numbers in a stream's state for `step`."""
        for stage in self._stages:
            self.state_size += stage.n_before * stage.n_in + 2 * stage.radius * stage.n_out

    def _reach(self) -> tuple[int, int]:
        """The number of samples before and behind a sample that decide it."""
        left = right = EDGE_KERNEL // 2 * self.hop
        for stage in self._stages:
            left += stage.left_in * stage.step * stage.rate + stage.radius * stage.step
            right += stage.right_in * stage.step * stage.rate + stage.radius * stage.step
        return left + EDGE_KERNEL // 2, right + EDGE_KERNEL // 2

    def speaker(self, embedding: torch.Tensor) -> torch.Tensor:
        """A speaker's part: (batch, gin_channels) to (batch, channels, 1, 1)."""
        return self._speaker(embedding)[:, :, None, None]

    def start(self) -> DecoderState:
        """The state of one stream that has not begun."""

        def nothing(channels: int) -> torch.Tensor:
            return torch.empty((1, channels, 1, 0), dtype=self._dtype, device=self._device)

        stages = self._stages
        return DecoderState(
            latents=nothing(self._n_in),
            before=[nothing(stage.n_in) for stage in stages],
            within=[nothing(stage.n_out) for stage in stages],
            source=nothing(1),
            after=nothing(stages[-1].n_out),
        )

    def __call__(
        self,
        latents: torch.Tensor,
        source: torch.Tensor,
        speaker: torch.Tensor,
        state: DecoderState,
    ) -> tuple[torch.Tensor, DecoderState]:
        """The sound that these frames make final, and the stream's state behind them.

        latents: (batch, inter_channels, 1, n); source: (batch, 1, 1, n * hop), the excitation of
        the same frames, where the voice has any; speaker: of `speaker`. Sound is (batch, samples)
        float32 in [-1, 1]: n * hop samples, but `left_samples` and `right_samples` fewer at the
        start of a stream, which must then have at least `left_frames + right_frames` frames."""
        ends = GrowingEnds(state)
        return self._sound(latents, source, speaker, ends), ends.state()

    def step(
        self,
        latents: torch.Tensor,
        source: torch.Tensor,
        speaker: torch.Tensor,
        n_pushed: torch.Tensor,
        state: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The same for streams at any positions, in one shape: only the first `n_pushed` (batch,)
        int64 of a row's n frames count. A pure function, which can be compiled whole.

        state: (batch, state_size), of zeros at a stream's start. Sound is (batch, n * hop), of
        which the first n_pushed * hop are the row's: from `right_samples` before its first frame
        on. The first `left_samples + right_samples` of a stream are spoilt by those zeros, and have
        to lie before what is heard. The state is that behind the frames that count."""
        ends = FixedEnds(state, n_pushed)
        return self._sound(latents, source, speaker, ends), ends.state()

    def _sound(
        self,
        latents: torch.Tensor,
        source: torch.Tensor,
        speaker: torch.Tensor,
        ends: GrowingEnds | FixedEnds,
    ) -> torch.Tensor:
        x = self._pre(ends.joined(latents, EDGE_KERNEL - 1, 1)) + speaker
        sources = ends.joined(source, self._n_source, self.hop)
        # Where x ends, in samples before the end of what was given.
        lag = EDGE_KERNEL // 2 * self.hop
        for stage in self._stages:
            per_frame = self.hop // stage.step
            x = stage.upsampled(ends.joined(x, stage.n_before, per_frame // stage.rate))
            lag += stage.right_in * stage.rate * stage.step
            if sources.shape[-1]:
                x = stage.with_source(x, sources, lag)
            x = stage.blocks(ends.joined(x, 2 * stage.radius, per_frame))
            lag += stage.radius * stage.step
        x = nn.functional.leaky_relu(x, POST_LEAK)
        x = self._post(ends.joined(x, EDGE_KERNEL - 1, self.hop))
        return torch.tanh(x).flatten(1).float()


class _Stage:
    """One upsampling with its residual blocks."""

    def __init__(
        self, config: VoiceConfig, weights: Mapping[str, torch.Tensor], number: int
    ) -> None:
        self.rate = config.upsample_rates[number]
        """Output steps for one input step."""
        self.step = math.prod(config.upsample_rates[number + 1 :])
        """Samples of sound in an output step."""
        kernel = config.upsample_kernels[number]
        self._padding = (kernel - self.rate) // 2
        weight = weights[f"dec.ups.{number}.weight"]  # (n_in, n_out, kernel)
        self.n_in, self.n_out = weight.shape[:2]
        self._up_weight = weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        self._up_bias = weights[f"dec.ups.{number}.bias"]
        # Output o depends on inputs from (o + padding - kernel + 1) / rate to (o + padding) / rate:
        # the `rate` outputs of one input depend on that many before and behind it.
        self.left_in = -((self._padding - kernel + 1) // self.rate)
        self.right_in = (self.rate - 1 + self._padding) // self.rate
        self.n_before = self.left_in + self.right_in
        """Inputs of the upsampling that are kept."""
        self._source_conv: SoundConv | None = None
        self.source_kernel = 0
        if config.has_pitch:
            self._source_conv = SoundConv(weights, f"dec.noise_convs.{number}", stride=self.step)
            self.source_kernel = self._source_conv.kernel
        shapes = list(zip(config.resblock_kernels, config.resblock_dilations, strict=True))
        first = number * len(shapes)
        self._blocks = [
            _ResidualBlock(weights, f"dec.resblocks.{first + i}", kernel, dilations)
            for i, (kernel, dilations) in enumerate(shapes)
        ]
        self.radius = max(block.radius for block in self._blocks)

    def upsampled(self, window: torch.Tensor) -> torch.Tensor:
        """(batch, n_in, 1, left_in + n + right_in) to (batch, n_out, 1, n * rate)."""
        made = nn.functional.conv_transpose2d(
            nn.functional.leaky_relu(window, LEAK),
            self._up_weight,
            self._up_bias,
            stride=(1, self.rate),
            padding=(0, self._padding),
        )
        n = window.shape[-1] - self.left_in - self.right_in
        return made[..., self.left_in * self.rate : (self.left_in + n) * self.rate]

    def with_source(self, x: torch.Tensor, sources: torch.Tensor, lag: int) -> torch.Tensor:
        """Add the excitation. `sources` ends `lag` samples behind x."""
        if self._source_conv is None:
            return x
        stop = sources.shape[-1] - lag
        start = stop - x.shape[-1] * self.step
        padding = self.step // 2
        part = sources[..., start - padding : stop + padding]
        return x + self._source_conv(part)[..., : x.shape[-1]]

    def blocks(self, window: torch.Tensor) -> torch.Tensor:
        """(batch, n_out, 1, radius + n + radius) to (batch, n_out, 1, n): the blocks' mean."""
        first, *others = (
            block(_without(window, self.radius - block.radius)) for block in self._blocks
        )
        for other in others:
            first = first + other
        return first / len(self._blocks)


class _ResidualBlock:
    """Three pairs of convolutions, each pair around a short cut."""

    def __init__(
        self,
        weights: Mapping[str, torch.Tensor],
        name: str,
        kernel: int,
        dilations: Sequence[int],
    ) -> None:
        self._dilated = [
            SoundConv(weights, f"{name}.convs1.{i}", dilation=dilation, then="leaky_relu")
            for i, dilation in enumerate(dilations)
        ]
        self._plain = [SoundConv(weights, f"{name}.convs2.{i}") for i in range(len(dilations))]
        self._halos = [(kernel - 1) * (dilation + 1) // 2 for dilation in dilations]
        self.radius = sum(self._halos)
        """Steps lost on each side."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        for dilated, plain, halo in zip(self._dilated, self._plain, self._halos, strict=True):
            made = plain(dilated(nn.functional.leaky_relu(x, LEAK)))
            x = made + _without(x, halo)
        return x


def _without(window: torch.Tensor, spare: int) -> torch.Tensor:
    """All but `spare` steps on each side."""
    return window[..., spare : window.shape[-1] - spare]
