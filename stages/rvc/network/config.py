"""The dimensions of an RVC voice's network, and the tensors that follow from them.

There is no torch here: a server without it lists voices, too. The architecture is the one
of ``rvc_python.lib.infer_pack.models``: a VITS synthesizer with a HiFi-GAN decoder, whose source
follows the pitch where the voice has one (NSF).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from stages.neural.archives import layer_shapes

if TYPE_CHECKING:
    from collections.abc import Iterator

Version: TypeAlias = Literal["v1", "v2"]

FRAMES_PER_SECOND = 100
"""Frames of the decoder: 10 ms of sound each."""
CONTENT_WIDTHS: dict[str, int] = {"v1": 256, "v2": 768}
N_PITCHES = 256
"""Steps of the coarse pitch."""
ATTENTION_WINDOW = 10
"""Frames to each side whose distance attention knows."""
N_FLOWS = 4
FLOW_KERNEL = 5
FLOW_LAYERS = 3
FLOW_REACH = N_FLOWS * FLOW_LAYERS * (FLOW_KERNEL // 2)
"""Frames before and behind a frame that the flow looks at: 24."""
EDGE_KERNEL = 7
"""The kernel of the decoder's first and last convolution."""


@dataclass(frozen=True, slots=True)
class VoiceConfig:
    """The dimensions of a voice's network."""

    version: Version
    sample_rate: int
    """Hertz, of the voice's sound."""
    has_pitch: bool
    n_speakers: int
    inter_channels: int
    hidden_channels: int
    filter_channels: int
    n_heads: int
    n_layers: int
    kernel_size: int
    upsample_rates: tuple[int, ...]
    upsample_kernels: tuple[int, ...]
    upsample_initial_channel: int
    resblock_kernels: tuple[int, ...]
    resblock_dilations: tuple[tuple[int, ...], ...]
    gin_channels: int

    @property
    def hop(self) -> int:
        """Samples in a frame of 10 ms."""
        return math.prod(self.upsample_rates)

    @property
    def content_width(self) -> int:
        """The width of the content features that the voice takes."""
        return CONTENT_WIDTHS[self.version]


def tensor_shapes(config: VoiceConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of every tensor in a voice file, in upstream's words (weight norm as
    `weight_g` and `weight_v`), but for those of `enc_q`, which only training needs."""
    yield "emb_g.weight", (config.n_speakers, config.gin_channels)
    yield from _encoder_shapes(config)
    yield from _flow_shapes(config)
    yield from _decoder_shapes(config)


def _encoder_shapes(config: VoiceConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    hidden, filters, kernel = config.hidden_channels, config.filter_channels, config.kernel_size
    yield from layer_shapes("enc_p.emb_phone", (hidden, config.content_width))
    if config.has_pitch:
        yield "enc_p.emb_pitch.weight", (N_PITCHES, hidden)
    head = (1, 2 * ATTENTION_WINDOW + 1, hidden // config.n_heads)
    for number in range(config.n_layers):
        attention = f"enc_p.encoder.attn_layers.{number}"
        yield f"{attention}.emb_rel_k", head
        yield f"{attention}.emb_rel_v", head
        for name in ("conv_q", "conv_k", "conv_v", "conv_o"):
            yield from layer_shapes(f"{attention}.{name}", (hidden, hidden, 1))
        feed_forward = f"enc_p.encoder.ffn_layers.{number}"
        yield from layer_shapes(f"{feed_forward}.conv_1", (filters, hidden, kernel))
        yield from layer_shapes(f"{feed_forward}.conv_2", (hidden, filters, kernel))
        for norm in ("norm_layers_1", "norm_layers_2"):
            yield f"enc_p.encoder.{norm}.{number}.gamma", (hidden,)
            yield f"enc_p.encoder.{norm}.{number}.beta", (hidden,)
    yield from layer_shapes("enc_p.proj", (2 * config.inter_channels, hidden, 1))


def _flow_shapes(config: VoiceConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    half, hidden = config.inter_channels // 2, config.hidden_channels
    for number in range(0, 2 * N_FLOWS, 2):  # each second one turns the channels round
        flow = f"flow.flows.{number}"
        yield from layer_shapes(f"{flow}.pre", (hidden, half, 1))
        yield from layer_shapes(f"{flow}.post", (half, hidden, 1))
        conditions = (2 * hidden * FLOW_LAYERS, config.gin_channels, 1)
        yield from _normed(f"{flow}.enc.cond_layer", conditions)
        for layer in range(FLOW_LAYERS):
            n_out = hidden if layer == FLOW_LAYERS - 1 else 2 * hidden
            yield from _normed(f"{flow}.enc.in_layers.{layer}", (2 * hidden, hidden, FLOW_KERNEL))
            yield from _normed(f"{flow}.enc.res_skip_layers.{layer}", (n_out, hidden, 1))


def _decoder_shapes(config: VoiceConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    initial = config.upsample_initial_channel
    yield from layer_shapes("dec.conv_pre", (initial, config.inter_channels, EDGE_KERNEL))
    yield from layer_shapes("dec.cond", (initial, config.gin_channels, 1))
    if config.has_pitch:
        yield from layer_shapes("dec.m_source.l_linear", (1, 1))
    n_blocks = len(config.resblock_kernels)
    for stage, kernel in enumerate(config.upsample_kernels):
        wide, narrow = initial // 2**stage, initial // 2 ** (stage + 1)
        # The weights of a transposed convolution have their input first.
        yield from _normed(f"dec.ups.{stage}", (wide, narrow, kernel), n_biases=narrow)
        if config.has_pitch:
            left = math.prod(config.upsample_rates[stage + 1 :])
            yield from layer_shapes(
                f"dec.noise_convs.{stage}", (narrow, 1, 2 * left if left > 1 else 1)
            )
        for number, block_kernel in enumerate(config.resblock_kernels):
            block = f"dec.resblocks.{stage * n_blocks + number}"
            for convs, layer in itertools.product(("convs1", "convs2"), range(3)):
                yield from _normed(f"{block}.{convs}.{layer}", (narrow, narrow, block_kernel))
    last = initial // 2 ** len(config.upsample_rates)
    yield "dec.conv_post.weight", (1, last, EDGE_KERNEL)


def _normed(
    name: str, shape: tuple[int, ...], n_biases: int | None = None
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A convolution under weight norm: a length and a direction for each of its first
    dimension (torch.nn.utils.weight_norm with dim=0)."""
    yield f"{name}.weight_g", (shape[0], *(1 for _ in shape[1:]))
    yield f"{name}.weight_v", shape
    yield f"{name}.bias", (shape[0] if n_biases is None else n_biases,)
