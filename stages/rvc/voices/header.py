"""Checking what a voice file says of itself, before any of its tensors is read.

A voice file is a dict that torch.save wrote:

    weight              the state dict of the network, without `enc_q`; most often float16
    config              the 18 arguments of upstream's synthesizer, in order
    version, f0         "v1" or "v2", 1 or 0; where they are missing, "v1" and 1
    sr, info            for people
    vocoder, embedder_model     Applio's

There is no torch here, so that a server without it can list voices.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

from stages.errors import UnusableModel
from stages.neural.archives import TensorOutline, check_shapes, read_outline
from stages.rvc.network.config import FRAMES_PER_SECOND, VoiceConfig, tensor_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

T = TypeVar("T")

N_CONFIG_ITEMS = 18
RATES = {"32k": 32_000, "40k": 40_000, "48k": 48_000}

MAX_CHANNELS = 4096
"""Real voices have up to 768; this only keeps nonsense from being multiplied."""
MAX_SPEAKERS = 10_000
"""Real voices have 1 or 109."""
MAX_LAYERS = 64
MAX_KERNEL = 63
"""Real ones reach 24."""
MAX_DILATION = 64
MAX_STAGES = 8
"""Of upsampling, and of residual blocks in one; real voices have 4 or 5, and 3."""
MAX_VALUES = 150_000_000
"""In all tensors together, 600 MB in float32: five times what the largest real voice has."""

MAX_CHECKPOINT_BYTES = 2_000_000_000
"""Of a training's, 450 MB: so that it is told apart, and not only called too large."""
MAX_SHOWN = 40
"""Characters of a value in an error."""
DTYPES = ("float16", "bfloat16", "float32")

HALVES = {"original0": "weight_g", "original1": "weight_v"}

VOCODERS = frozenset({"HiFi-GAN"})
EMBEDDERS = frozenset({"contentvec", "contentvec_base", "hubert", "hubert_base"})
"""All names of one model: RVC's `hubert_base.pt` is ContentVec."""


def read_header(path: Path) -> VoiceConfig:
    """The config of a voice, if the names, shapes and types of all its tensors agree with it;
    none of them is read. Raises `UnusableModel`."""
    saved = read_outline(path, max_bytes=MAX_CHECKPOINT_BYTES)
    if not isinstance(saved, dict):
        raise UnusableModel(f"{path} is not an RVC voice: it holds {_shown(saved)}")
    if "model" in saved and "weight" not in saved:
        raise UnusableModel(
            f"{path} is a checkpoint of a training, not a voice;"
            " extract a small model from it first, with what trained it"
        )
    tensors = needed_tensors(path, saved, TensorOutline)
    config = _read_config(path, saved, tensors)
    check_shapes(path, _described(config), tensors, dict(tensor_shapes(config)))
    for name, weight in tensors.items():
        if weight.dtype not in DTYPES:
            msg = f"{path}: {name} is of type {weight.dtype}, not {' or '.join(DTYPES)}"
            raise UnusableModel(msg)
    return config


def needed_tensors(path: Path, saved: object, kind: type[T]) -> dict[str, T]:
    """The tensors of a voice, all of this kind, but for those that only training needs. The halves
    of a normed weight have their old names: newer versions of torch call `weight_g` and
    `weight_v` by others. Raises `UnusableModel`."""
    weights = saved.get("weight") if isinstance(saved, dict) else None
    if not isinstance(weights, dict):
        raise UnusableModel(f"{path} is not an RVC voice: its weight is not a state dict")
    tensors = {}
    for name, weight in weights.items():
        if not isinstance(name, str) or not isinstance(weight, kind):
            raise UnusableModel(f"{path} is not an RVC voice: its weight is not a state dict")
        if not name.startswith("enc_q."):
            layer, _, half = name.rpartition(".parametrizations.weight.")
            tensors[f"{layer}.{HALVES[half]}" if half in HALVES else name] = weight
    return tensors


def _read_config(
    path: Path, saved: Mapping[Any, Any], tensors: Mapping[str, TensorOutline]
) -> VoiceConfig:
    _check_extras(path, saved)
    version = saved.get("version", "v1")
    has_pitch = saved.get("f0", 1)
    items = saved.get("config")
    if version not in ("v1", "v2"):
        raise UnusableModel(f"{path}: its version is {_shown(version)}, not 'v1' or 'v2'")
    if type(has_pitch) not in {int, bool} or has_pitch not in {0, 1}:
        raise UnusableModel(f"{path}: its f0 is {_shown(has_pitch)}, not 1 or 0")
    if not isinstance(items, list | tuple) or len(items) != N_CONFIG_ITEMS:
        raise UnusableModel(f"{path}: its config is not a list of {N_CONFIG_ITEMS} items")
    speakers = tensors.get("emb_g.weight")
    if speakers is None or len(speakers.shape) != 2:
        raise UnusableModel(f"{path} is not an RVC voice: it misses emb_g.weight")
    # Left out are what only training needs (spectrum, segment size, dropout) and the number of
    # speakers, which the tensor knows better.
    (
        _, _, inter, hidden, filters, heads, layers, kernel, _, resblock,
        block_kernels, block_dilations, rates, initial, kernels, _, gin, sample_rate,
    ) = items  # fmt: skip
    if resblock != "1":
        raise UnusableModel(f"{path}: its residual blocks are of type {_shown(resblock)}, not '1'")
    check = _Checker(path)
    config = VoiceConfig(
        version=version,
        sample_rate=check.rate(sample_rate),
        has_pitch=bool(has_pitch),
        n_speakers=check.number("n_speakers", speakers.shape[0], MAX_SPEAKERS),
        inter_channels=check.number("inter_channels", inter, MAX_CHANNELS),
        hidden_channels=check.number("hidden_channels", hidden, MAX_CHANNELS),
        filter_channels=check.number("filter_channels", filters, MAX_CHANNELS),
        n_heads=check.number("n_heads", heads, MAX_CHANNELS),
        n_layers=check.number("n_layers", layers, MAX_LAYERS),
        kernel_size=check.number("kernel_size", kernel, MAX_KERNEL),
        upsample_rates=check.numbers("upsample_rates", rates, MAX_KERNEL),
        upsample_kernels=check.numbers("upsample_kernels", kernels, MAX_KERNEL),
        upsample_initial_channel=check.number("upsample_initial_channel", initial, MAX_CHANNELS),
        resblock_kernels=check.numbers("resblock_kernels", block_kernels, MAX_KERNEL),
        resblock_dilations=tuple(
            check.numbers("resblock_dilations", dilations, MAX_DILATION)
            for dilations in check.items("resblock_dilations", block_dilations)
        ),
        gin_channels=check.number("gin_channels", gin, MAX_CHANNELS),
    )
    _check_sense(path, config)
    return config


def _check_extras(path: Path, saved: Mapping[Any, Any]) -> None:
    """What Applio adds. Upstream knows neither key, and has only the one of each."""
    for key, known, what in (
        ("vocoder", VOCODERS, "HiFi-GAN"),
        ("embedder_model", EMBEDDERS, "contentvec"),
    ):
        value = saved.get(key)
        if value is not None and not (isinstance(value, str) and value in known):
            msg = f"{path}: its {key} is {_shown(value)}, and only {what} is supported"
            raise UnusableModel(msg)


def _check_sense(path: Path, config: VoiceConfig) -> None:
    """That the numbers fit each other: no layer fails or makes another length than promised."""
    stages = list(zip(config.upsample_rates, config.upsample_kernels, strict=False))
    n_stages = len(config.upsample_rates)
    complaint = None
    if config.hop * FRAMES_PER_SECOND != config.sample_rate:
        complaint = (
            f"its upsample_rates make {config.hop} samples of 10 ms,"
            f" which is not {config.sample_rate} Hz"
        )
    elif len(config.upsample_kernels) != n_stages:
        complaint = f"it has {n_stages} upsample_rates and {len(config.upsample_kernels)} kernels"
    elif any(kernel < rate or (kernel - rate) % 2 for rate, kernel in stages):
        complaint = f"upsample_kernels {config.upsample_kernels} do not fit their rates"
    elif config.upsample_rates[-1] % 2:
        # The source is brought to each stage's rate by a padding of half that rate.
        complaint = f"the last of its upsample_rates {config.upsample_rates} is odd"
    elif config.upsample_initial_channel % 2**n_stages:
        complaint = f"upsample_initial_channel cannot be halved {n_stages} times"
    elif len(config.resblock_dilations) != len(config.resblock_kernels):
        complaint = "its resblock_kernels and resblock_dilations differ in number"
    elif any(len(dilations) != 3 for dilations in config.resblock_dilations):
        complaint = "its residual blocks do not have three dilations each"
    elif any(kernel % 2 == 0 for kernel in config.resblock_kernels):
        complaint = f"resblock_kernels {config.resblock_kernels} must be odd"
    elif config.hidden_channels % config.n_heads:
        complaint = f"hidden_channels {config.hidden_channels} for {config.n_heads} heads"
    elif config.inter_channels % 2:
        complaint = f"inter_channels is {config.inter_channels}, which cannot be halved"
    elif sum(math.prod(shape) for _, shape in tensor_shapes(config)) > MAX_VALUES:
        complaint = f"its tensors would have more than {MAX_VALUES} values"
    if complaint:
        raise UnusableModel(f"{path}: {complaint}")


class _Checker:
    """Takes items of a config if they are what they should be."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def number(self, name: str, value: object, most: int) -> int:
        """A whole number from 1 to `most`."""
        if type(value) is not int or not 1 <= value <= most:
            msg = f"{self._path}: its {name} is {_shown(value)}, not a number from 1 to {most}"
            raise UnusableModel(msg)
        return value

    def numbers(self, name: str, value: object, most: int) -> tuple[int, ...]:
        """One to `MAX_STAGES` such numbers."""
        return tuple(self.number(name, item, most) for item in self.items(name, value))

    def items(self, name: str, value: object) -> list[Any] | tuple[Any, ...]:
        """A list of one to `MAX_STAGES` items."""
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= MAX_STAGES:
            msg = f"{self._path}: its {name} is {_shown(value)}, not a list of 1 to {MAX_STAGES}"
            raise UnusableModel(msg)
        return value

    def rate(self, value: object) -> int:
        """Hertz, or a name such as ``48k``."""
        rate = RATES.get(value, value) if isinstance(value, str) else value
        if type(rate) is not int or rate not in RATES.values():
            known = ", ".join(map(str, RATES.values()))
            msg = f"{self._path}: its sample rate is {_shown(value)}, not one of {known}"
            raise UnusableModel(msg)
        return rate


def _shown(value: object) -> str:
    """A value of a stranger's, in a line of an error: never long, and never deep."""
    match value:
        case str():
            return repr(value[:MAX_SHOWN])
        case int() if abs(value) >= 10**MAX_SHOWN:
            return "a huge number"
        case int() | float() | None:
            return repr(value)
        case _:
            return f"a {type(value).__name__}"


def _described(config: VoiceConfig) -> str:
    pitch = "with" if config.has_pitch else "without"
    return f"an RVC {config.version} voice {pitch} pitch"
