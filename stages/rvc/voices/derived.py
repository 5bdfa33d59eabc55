"""The config of a voice, found in the shapes of its tensors: where a file holds no other.

That is so with a checkpoint of a training (``G_2333333.pth``), which has the network's weights and
the optimizer's state, and nothing about either. RVC trains networks of a handful of kinds, which
differ in the kernels of their upsampling, in the pitch's way to each of its stages, and in
the spectrum that training reads. Where more than one kind fits, it is not guessed.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from stages.rvc.network.config import CONTENT_WIDTHS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stages.neural.archives import Shape

SEGMENT_FRAMES = 32
DILATIONS = [1, 3, 5]
"""Of every residual block that RVC trains: no shape tells them."""

SPECTRUM = "enc_q.pre.weight"
"""The layer that reads the spectrum in training: (hidden, bins, 1)."""


class NotDerived(Exception):
    """The shapes are those of no kind of voice, or of several; says so without the file's name."""


class _Network(NamedTuple):
    """A kind of network, as in RVC's `configs`."""

    version: str
    sample_rate: int
    n_bins: int
    """Of the spectrum."""
    rates: tuple[int, ...]
    kernels: tuple[int, ...]


KINDS = (
    _Network("v1", 32_000, 513, (10, 4, 2, 2, 2), (16, 16, 4, 4, 4)),
    _Network("v1", 40_000, 1025, (10, 10, 2, 2), (16, 16, 4, 4)),
    _Network("v1", 48_000, 1025, (10, 6, 2, 2, 2), (16, 16, 4, 4, 4)),
    _Network("v2", 32_000, 513, (10, 8, 2, 2), (20, 16, 4, 4)),
    _Network("v2", 40_000, 1025, (10, 10, 2, 2), (16, 16, 4, 4)),
    _Network("v2", 48_000, 1025, (12, 10, 2, 2), (24, 20, 4, 4)),
)


def derived(shapes: Mapping[str, Shape], rate: int | None = None) -> dict[str, Any]:
    """`version`, `f0` and `config` as a voice file has them, for tensors of these shapes by name,
    those of `enc_q` included where they are there. `rate`: what else is known of the sample rate,
    in hertz. That all other tensors fit is still to be checked. Raises `NotDerived`."""
    tensors = _TensorShapes(shapes)
    widths = {width: version for version, width in CONTENT_WIDTHS.items()}
    hidden, width = tensors.of("enc_p.emb_phone.weight", 2)
    version = widths.get(width)
    if version is None:
        raise NotDerived(f"its content features are {width} wide, which no version's are")
    has_pitch = "enc_p.emb_pitch.weight" in shapes
    kernels = tensors.numbered("dec.ups.{}.weight_v")
    n_bins = tensors.of(SPECTRUM, 3)[1] if SPECTRUM in shapes else None
    sources = tensors.numbered("dec.noise_convs.{}.weight") if has_pitch else None
    kinds = [
        kind
        for kind in KINDS
        if kind.version == version
        and kind.kernels == kernels
        and n_bins in {None, kind.n_bins}
        and rate in {None, kind.sample_rate}
        and sources in {None, _source_kernels(kind)}
    ]
    if len(kinds) != 1:
        rates = " or ".join(f"{kind.sample_rate} Hz" for kind in kinds)
        raise NotDerived(
            f"its tensors do not tell whether it has {rates}"
            if kinds
            else f"RVC trains no {version} network with upsamplings of {list(kernels)}"
        )
    (kind,) = kinds
    blocks = tensors.numbered("dec.resblocks.{}.convs1.0.weight_v")
    block_kernels = blocks[: len(blocks) // len(kernels)]
    filters, _, kernel = tensors.of("enc_p.encoder.ffn_layers.0.conv_1.weight", 3)
    n_layers = len(tensors.numbered("enc_p.encoder.ffn_layers.{}.conv_1.weight"))
    head = tensors.of("enc_p.encoder.attn_layers.0.emb_rel_k", 3)[2]
    n_speakers, gin = tensors.of("emb_g.weight", 2)
    config = [
        kind.n_bins, SEGMENT_FRAMES, tensors.of("enc_p.proj.weight", 3)[0] // 2, hidden, filters,
        hidden // max(1, head), n_layers, kernel, 0, "1", list(block_kernels),
        [DILATIONS] * len(block_kernels), list(kind.rates), tensors.of("dec.conv_pre.weight", 3)[0],
        list(kind.kernels), n_speakers, gin, kind.sample_rate,
    ]  # fmt: skip
    return {"version": version, "f0": int(has_pitch), "config": config}


def _source_kernels(kind: _Network) -> tuple[int, ...]:
    """The kernels of the convolutions that bring the pitch's source to the rate of each stage."""
    left = [math.prod(kind.rates[stage + 1 :]) for stage in range(len(kind.rates))]
    return tuple(2 * rate if rate > 1 else 1 for rate in left)


class _TensorShapes:
    """The shapes of tensors, some of which may be missing or have other dimensions."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self._shapes = shapes

    def of(self, name: str, n_dimensions: int) -> Shape:
        """The shape of a tensor with so many dimensions. Raises `NotDerived`."""
        shape = self._shapes.get(name)
        if shape is None or len(shape) != n_dimensions:
            raise NotDerived(f"it misses {name}" if shape is None else f"{name} is {shape}")
        return shape

    def numbered(self, name: str) -> tuple[int, ...]:
        """The last dimension of each tensor with such a name, counted from 0 on."""
        names = map(name.format, itertools.count())
        return tuple(
            self.of(each, 3)[2] for each in itertools.takewhile(self._shapes.__contains__, names)
        )
