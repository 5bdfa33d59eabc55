"""Reading an RVC voice, a pickle from a stranger: other files are refused with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from stages.neural.checkpoints import check_finite, check_weights, load_pickle
from stages.rvc.network.config import tensor_shapes
from stages.rvc.voices.header import needed_tensors, read_header

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
    saved = load_pickle(path)
    # Checked once more: this is another reader, and the file may be another by now.
    tensors = needed_tensors(path, saved, torch.Tensor)
    weights = folded(check_weights(path, "an RVC voice", tensors, dict(tensor_shapes(config))))
    check_finite(path, weights)
    return VoiceFile(config, weights)


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
