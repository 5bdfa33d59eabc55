"""Reading an RVC voice, a file from a stranger: other files are refused with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors

from stages.error_text import reason
from stages.errors import UnusableModel
from stages.neural.checkpoints import check_finite, check_weights, load_pickle
from stages.rvc.network.config import tensor_shapes
from stages.rvc.voices.header import (
    MAX_VOICE_BYTES,
    is_of_safetensors,
    needed_tensors,
    read_header,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from stages.rvc.network.config import VoiceConfig


@dataclass(frozen=True, slots=True)
class VoiceFile:
    """A voice, on the CPU."""

    config: VoiceConfig
    weights: dict[str, torch.Tensor]
    """The state dict of upstream's network after `remove_weight_norm`, without `enc_q`; in
    float32."""


def read_voice(path: Path) -> VoiceFile:
    """Read and check a voice file. Raises `UnusableModel`."""
    config = read_header(path)
    if is_of_safetensors(path):
        saved = {"weight": _read_safetensors(path)}
    else:
        saved = load_pickle(path, max_bytes=MAX_VOICE_BYTES)
    # Checked once more: this is another reader, and the file may be another by now.
    tensors = needed_tensors(path, saved, torch.Tensor)
    weights = folded(check_weights(path, "an RVC voice", tensors, dict(tensor_shapes(config))))
    check_finite(path, weights)
    return VoiceFile(config, weights)


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors, read into memory: a file that is mapped and then cut ends the process."""
    try:
        with path.open("rb") as file:
            return load_safetensors(file.read(MAX_VOICE_BYTES))
    except OSError as error:
        raise UnusableModel(f"{path} cannot be read: {error.strerror}") from error
    except (SafetensorError, KeyError, ValueError) as error:  # KeyError: a type torch lacks
        raise UnusableModel(f"{path} cannot be read: {reason(error)}") from error


def folded(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights with each `weight_g` and `weight_v` made one `weight`: v scaled to the length g
    along all but its first dimension (torch.nn.utils.weight_norm). A v of length 0 gives NaN."""
    result = {}
    for name, weight in weights.items():
        if name.endswith(".weight_v"):
            length = torch.linalg.vector_norm(weight, dim=(1, 2), keepdim=True)
            whole = name.removesuffix("_v")
            result[whole] = weight * (weights[f"{whole}_g"] / length)
        elif not name.endswith(".weight_g"):
            result[name] = weight
    return result
