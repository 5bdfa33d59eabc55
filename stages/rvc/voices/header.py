"""The header of a voice file: its config and the outlines of its tensors, checked without reading
one of them.

A voice file is a dict that torch.save wrote:

    weight              the state dict of the network, without `enc_q`; most often float16
    config              the 18 arguments of upstream's synthesizer, in order
    version, f0         "v1" or "v2", 1 or 0; where they are missing, "v1" and 1
    sr, info            for people
    vocoder, embedder_model     Applio's

A checkpoint of a training has ``model`` in the place of `weight`, with `enc_q`, an ``optimizer``
beside it, and no config (stages/rvc/voices/derived.py). A file of safetensors has the tensors, and
all else as metadata, as w-okada's voice changer writes it: a config in JSON, other values as text.

There is no torch here: a server without it lists voices, too.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, TypeVar

from stages.conversion_settings import MAX_SPEAKERS
from stages.errors import UnusableModel
from stages.neural.archives import TensorOutline, check_shapes, read_outline
from stages.neural.safetensors_outline import is_safetensors, read_safetensors_outline
from stages.rvc.network.config import FRAMES_PER_SECOND, VoiceConfig, tensor_shapes
from stages.rvc.voices.derived import NotDerived, derived

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

T = TypeVar("T")

N_CONFIG_ITEMS = 18
RATES = {"32k": 32_000, "40k": 40_000, "48k": 48_000}

MAX_CHANNELS = 4096
"""Real voices have up to 768; this only keeps nonsense from being multiplied."""
MAX_LAYERS = 64
MAX_KERNEL = 63
"""Real voices reach 24."""
MAX_DILATION = 64
MAX_STAGES = 8
"""Upsamplings, and residual blocks in each; real voices have 4 or 5, and 3."""
MAX_VALUES = 150_000_000
"""The most in all tensors, 600 MB in float32: five times the largest real voice."""

MAX_VOICE_BYTES = 1_000_000_000
"""The largest file: a voice has 55 MB, a training's checkpoint 450, its discriminator 860."""
MAX_SHOWN = 40
"""Characters of a value in an error."""
DTYPES = ("float16", "bfloat16", "float32")

HALVES = {"original0": "weight_g", "original1": "weight_v"}

VOCODERS = frozenset({"HiFi-GAN"})
EMBEDDERS = frozenset({"contentvec", "contentvec_base", "hubert", "hubert_base"})
"""Names of one model: RVC's `hubert_base.pt` is ContentVec."""


class _Unfit(Exception):
    """A voice's config cannot be used; says why, without the file's name."""


EXTRACT = "extract a small model from it, in RVC-WebUI's tab `ckpt Processing`"


def read_header(path: Path) -> VoiceConfig:
    """The config of a voice, if the names, shapes and types of all its tensors agree with it.
    Raises `UnusableModel`."""
    saved = _saved(path)
    if not isinstance(saved, dict):
        raise UnusableModel(f"{path} is not an RVC voice: it holds {_shown(saved)}")
    all_tensors = _all_tensors(path, saved, TensorOutline)
    tensors = _without_training(path, all_tensors)
    speakers = tensors.get("emb_g.weight")
    if speakers is None or len(speakers.shape) != 2:
        raise UnusableModel(f"{path} is not an RVC voice: it misses emb_g.weight")
    try:
        if "config" not in saved:
            saved |= _derived(saved, all_tensors)
        config = _config(saved, speakers.shape[0])
        _check_sense(config)
    except _Unfit as complaint:
        raise UnusableModel(f"{path}: {complaint}") from None
    shapes = {name: outline.shape for name, outline in tensors.items()}
    voice = f"an RVC {config.version} voice {'with' if config.has_pitch else 'without'} pitch"
    check_shapes(path, voice, shapes, dict(tensor_shapes(config)))
    for name, weight in tensors.items():
        if weight.dtype not in DTYPES:
            msg = f"{path}: {name} is of type {weight.dtype}, not {' or '.join(DTYPES)}"
            raise UnusableModel(msg)
    return config


def needed_tensors(path: Path, saved: object, kind: type[T]) -> dict[str, T]:
    """A voice's tensors, all of this kind, but for those that only training needs. Raises
    `UnusableModel`."""
    return _without_training(path, _all_tensors(path, saved, kind))


def _without_training(path: Path, tensors: Mapping[str, T]) -> dict[str, T]:
    if any(name.startswith("discriminators.") for name in tensors):
        raise UnusableModel(
            f"{path} is a training's discriminator, which is not a voice: that is in the file"
            " beside it whose name begins with G"
        )
    return {name: weight for name, weight in tensors.items() if not name.startswith("enc_q.")}


def _all_tensors(path: Path, saved: object, kind: type[T]) -> dict[str, T]:
    """All tensors of a state dict. The halves of a normed weight get their old names, `weight_g`
    and `weight_v`, which newer versions of torch have changed."""
    weights = saved.get("weight", saved.get("model")) if isinstance(saved, dict) else None
    if not isinstance(weights, dict):
        raise UnusableModel(f"{path} is not an RVC voice: its weight is not a state dict")
    tensors = {}
    for name, weight in weights.items():
        if not isinstance(name, str) or not isinstance(weight, kind):
            raise UnusableModel(f"{path} is not an RVC voice: its weight is not a state dict")
        layer, _, half = name.rpartition(".parametrizations.weight.")
        tensors[f"{layer}.{HALVES[half]}" if half in HALVES else name] = weight
    return tensors


def is_of_safetensors(path: Path) -> bool:
    """Whether a file is one of safetensors, whatever its name. Raises `UnusableModel`."""
    try:
        with path.open("rb") as file:
            return is_safetensors(file.read(9))
    except OSError as error:
        raise UnusableModel(f"{path} cannot be read: {error.strerror}") from error


def _saved(path: Path) -> Any:  # noqa: ANN401 - a pickle holds anything
    if not is_of_safetensors(path):
        return read_outline(path, max_bytes=MAX_VOICE_BYTES)
    metadata, tensors = read_safetensors_outline(path, max_bytes=MAX_VOICE_BYTES)
    saved: dict[str, Any] = {**metadata, "weight": tensors}
    for key in ("config", "f0"):
        if key in metadata:
            try:
                saved[key] = json.loads(metadata[key])
            except (ValueError, RecursionError):
                raise UnusableModel(f"{path}: its {key} is not JSON") from None
    return saved


def _derived(saved: Mapping[str, Any], tensors: Mapping[str, TensorOutline]) -> dict[str, Any]:
    rate = saved.get("sr")
    shapes = {name: outline.shape for name, outline in tensors.items()}
    try:
        return derived(shapes, RATES.get(rate) if isinstance(rate, str) else None)
    except NotDerived as lack:
        what = "has no config" if "weight" in saved else "is a checkpoint of a training"
        raise _Unfit(f"it {what}, and {lack}; {EXTRACT}") from None


def _config(saved: Mapping[Any, Any], n_speakers: int) -> VoiceConfig:
    for key, known, what in (  # Applio's. Upstream knows neither, and has only the one of each
        ("vocoder", VOCODERS, "HiFi-GAN"),
        ("embedder_model", EMBEDDERS, "contentvec"),
    ):
        value = saved.get(key)
        if value is not None and not (isinstance(value, str) and value in known):
            raise _Unfit(f"its {key} is {_shown(value)}, and only {what} is supported")
    version, has_pitch, items = saved.get("version", "v1"), saved.get("f0", 1), saved.get("config")
    if version not in ("v1", "v2"):
        raise _Unfit(f"its version is {_shown(version)}, not 'v1' or 'v2'")
    if type(has_pitch) not in {int, bool} or has_pitch not in {0, 1}:
        raise _Unfit(f"its f0 is {_shown(has_pitch)}, not 1 or 0")
    if not isinstance(items, list | tuple) or len(items) != N_CONFIG_ITEMS:
        raise _Unfit(f"its config is not a list of {N_CONFIG_ITEMS} items")
    # Left out are what only training needs (spectrum, segment size, dropout) and the number of
    # speakers, which the tensor knows better.
    (
        _, _, inter, hidden, filters, heads, layers, kernel, _, resblock,
        block_kernels, block_dilations, rates, initial, kernels, _, gin, sample_rate,
    ) = items  # fmt: skip
    if resblock != "1":
        raise _Unfit(f"its residual blocks are of type {_shown(resblock)}, not '1'")
    return VoiceConfig(
        version=version,
        sample_rate=_rate(sample_rate),
        has_pitch=bool(has_pitch),
        n_speakers=_number("n_speakers", n_speakers, MAX_SPEAKERS),
        inter_channels=_number("inter_channels", inter, MAX_CHANNELS),
        hidden_channels=_number("hidden_channels", hidden, MAX_CHANNELS),
        filter_channels=_number("filter_channels", filters, MAX_CHANNELS),
        n_heads=_number("n_heads", heads, MAX_CHANNELS),
        n_layers=_number("n_layers", layers, MAX_LAYERS),
        kernel_size=_number("kernel_size", kernel, MAX_KERNEL),
        upsample_rates=_numbers("upsample_rates", rates, MAX_KERNEL),
        upsample_kernels=_numbers("upsample_kernels", kernels, MAX_KERNEL),
        upsample_initial_channel=_number("upsample_initial_channel", initial, MAX_CHANNELS),
        resblock_kernels=_numbers("resblock_kernels", block_kernels, MAX_KERNEL),
        resblock_dilations=tuple(
            _numbers("resblock_dilations", dilations, MAX_DILATION)
            for dilations in _items("resblock_dilations", block_dilations)
        ),
        gin_channels=_number("gin_channels", gin, MAX_CHANNELS),
    )


def _number(name: str, value: object, most: int) -> int:
    """A whole number from 1 to `most`."""
    if type(value) is not int or not 1 <= value <= most:
        raise _Unfit(f"its {name} is {_shown(value)}, not a number from 1 to {most}")
    return value


def _numbers(name: str, value: object, most: int) -> tuple[int, ...]:
    """One to `MAX_STAGES` such numbers."""
    return tuple(_number(name, item, most) for item in _items(name, value))


def _items(name: str, value: object) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MAX_STAGES:
        raise _Unfit(f"its {name} is {_shown(value)}, not a list of 1 to {MAX_STAGES}")
    return value


def _rate(value: object) -> int:
    """Hertz, or a name such as ``48k``."""
    rate = RATES.get(value, value) if isinstance(value, str) else value
    if type(rate) is not int or rate not in RATES.values():
        known = ", ".join(map(str, RATES.values()))
        raise _Unfit(f"its sample rate is {_shown(value)}, not one of {known}")
    return rate


def _check_sense(config: VoiceConfig) -> None:
    """Check that the numbers fit each other: that no layer fails or makes a wrong length."""
    rates, kernels, hop = config.upsample_rates, config.upsample_kernels, config.hop
    n_stages = len(rates)
    if hop * FRAMES_PER_SECOND != config.sample_rate:
        made = f"{hop} samples of 10 ms, which is not {config.sample_rate} Hz"
        raise _Unfit(f"its upsample_rates make {made}")
    if len(kernels) != n_stages:
        raise _Unfit(f"it has {n_stages} upsample_rates and {len(kernels)} kernels")
    if any(
        kernel < rate or (kernel - rate) % 2 for rate, kernel in zip(rates, kernels, strict=True)
    ):
        raise _Unfit(f"upsample_kernels {kernels} do not fit their rates")
    if rates[-1] % 2:  # the source is brought to each stage's rate by a padding of half that rate
        raise _Unfit(f"the last of its upsample_rates {rates} is odd")
    if config.upsample_initial_channel % 2**n_stages:
        raise _Unfit(f"upsample_initial_channel cannot be halved {n_stages} times")
    if len(config.resblock_dilations) != len(config.resblock_kernels):
        raise _Unfit("its resblock_kernels and resblock_dilations differ in number")
    if any(len(dilations) != 3 for dilations in config.resblock_dilations):
        raise _Unfit("its residual blocks do not have three dilations each")
    if any(kernel % 2 == 0 for kernel in config.resblock_kernels):
        raise _Unfit(f"resblock_kernels {config.resblock_kernels} must be odd")
    if config.hidden_channels % config.n_heads:
        raise _Unfit(f"hidden_channels {config.hidden_channels} for {config.n_heads} heads")
    if config.inter_channels % 2:
        raise _Unfit(f"inter_channels is {config.inter_channels}, which cannot be halved")
    if sum(math.prod(shape) for _, shape in tensor_shapes(config)) > MAX_VALUES:
        raise _Unfit(f"its tensors would have more than {MAX_VALUES} values")


def _shown(value: object) -> str:
    """A stranger's value for an error: never long, and never deep."""
    match value:
        case str():
            return repr(value[:MAX_SHOWN])
        case int() if abs(value) >= 10**MAX_SHOWN:
            return "a huge number"
        case int() | float() | None:
            return repr(value)
        case _:
            return f"a {type(value).__name__}"
