"""Reading a content model, RVC's HuBERT that was trained further as ContentVec, in two formats:

- ``hubert_base.pt``, fairseq's: a dict whose ``model`` holds the weights, beside a `Dictionary`
  of fairseq's that nothing needs. fairseq itself cannot be installed on the Pythons we support.
- a folder of transformers', ``config.json`` and ``model.safetensors`` or ``pytorch_model.bin``,
  whose class `HubertModelWithFinalProj` is a `HubertModel` with ``final_proj`` beside it.

The names were matched, and the features found equal, against fairseq itself: see
`tests/rvc/test_content_file.py` for the forward pass written out. What is no content model is
refused with the reason. Nothing here asks the network or runs what is in a file; the shape of the
model is read off the weights.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.nn.utils import parametrize
from transformers import HubertConfig, HubertModel

from stages.error_text import MAX_REASON_CHARS, TO_GET_IT, name_list, one_line, reason
from stages.errors import UnusableModel
from stages.install_hints import install_hints
from stages.neural.checkpoints import (
    MAX_BYTES,
    check_finite,
    check_values,
    check_weights,
    load_pickle,
    load_state_dict,
)
from stages.rvc.network.config import CONTENT_WIDTHS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

V1_WIDTH = CONTENT_WIDTHS["v1"]
"""The features of v1 voices, which ``final_proj`` makes."""
HEAD_DIM = 64
MAX_CONFIG_BYTES = 1_000_000
"""The published config has 2 kB."""

IN_A_FOLDER = frozenset({"config.json", "pytorch_model.bin"})
"""Files of transformers' format, beside ``.safetensors``."""

FAIRSEQ_NAMES = (
    (r"^mask_emb$", "masked_spec_embed"),
    (r"^layer_norm\.", "feature_projection.layer_norm."),
    (r"^post_extract_proj\.", "feature_projection.projection."),
    (r"^feature_extractor\.conv_layers\.0\.2\.", "feature_extractor.conv_layers.0.layer_norm."),
    (r"^(feature_extractor\.conv_layers\.\d+)\.0\.", r"\1.conv."),
    (r"^encoder\.pos_conv\.0\.", "encoder.pos_conv_embed.conv."),
    (r"\.self_attn_layer_norm\.", ".layer_norm."),
    (r"\.self_attn\.", ".attention."),
    (r"\.fc1\.", ".feed_forward.intermediate_dense."),
    (r"\.fc2\.", ".feed_forward.output_dense."),
)
"""fairseq's names, and those of transformers."""

OLD_NAMES = (
    (r"^(encoder\.pos_conv_embed\.conv)\.weight_g$", r"\1.parametrizations.weight.original0"),
    (r"^(encoder\.pos_conv_embed\.conv)\.weight_v$", r"\1.parametrizations.weight.original1"),
)
"""torch's names for a normalised weight, before 2.0 and since: fairseq's file has the old ones,
folders have either."""

TRAINING_ONLY = ("label_embs_concat", "masked_spec_embed")
"""The labels of its training, and what stood for masked sound."""


@dataclass(frozen=True, slots=True)
class ContentModel:
    """A content model, on the CPU."""

    config: HubertConfig
    weights: Mapping[str, torch.Tensor]
    """The state dict of transformers' `HubertModel` in float32, the weight norm of its positional
    convolution folded; and ``final_proj``."""


class _Dictionary:
    """A stand-in for fairseq's. It does nothing, whatever attributes a file gives it."""


def read_content_model(path: Path) -> ContentModel:
    """Read and check fairseq's file or transformers' folder. Raises `UnusableModel`."""
    if path.suffix == ".safetensors" or path.name in IN_A_FOLDER:
        raise UnusableModel(f"{path} is one file of a model: name the folder, {path.parent}")
    if path.is_dir():
        path, weights = _read_folder(path)
    else:
        weights = _read_fairseq(path)
    config = _config(path, weights)
    with torch.device("meta"):  # neither memory nor time for random weights
        model = HubertModel(config)
    expected = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    expected["final_proj.weight"] = (V1_WIDTH, config.hidden_size)
    expected["final_proj.bias"] = (V1_WIDTH,)
    checked = check_weights(path, "HuBERT base with its final_proj", weights, expected)
    model.load_state_dict(checked, strict=False, assign=True)
    # Once, rather than at each pass: it is as much work as a layer.
    parametrize.remove_parametrizations(model.encoder.pos_conv_embed.conv, "weight")
    final_proj = {name: checked[name] for name in checked if name.startswith("final_proj.")}
    folded = model.state_dict() | final_proj
    position = "encoder.pos_conv_embed.conv.weight"
    check_finite(path, {position: folded[position]})  # 0 / 0
    return ContentModel(config, folded)


def _read_fairseq(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise UnusableModel(f"{path} is missing{TO_GET_IT}{install_hints().model(path.parent)}")
    stand_ins = {"fairseq.data.dictionary.Dictionary": _Dictionary}
    read = load_pickle(path, stand_ins=stand_ins)
    weights = read.get("model") if isinstance(read, dict) else None
    if not isinstance(weights, dict):
        raise UnusableModel(f"{path} is not fairseq's HuBERT: it holds no weights under `model`")
    return _renamed(path, weights, FAIRSEQ_NAMES + OLD_NAMES)


def _read_folder(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The path of the file with the weights, and these."""
    _check_config(folder / "config.json")
    safe, pickled = folder / "model.safetensors", folder / "pytorch_model.bin"
    if safe.exists():
        return safe, _renamed(safe, _read_safetensors(safe), OLD_NAMES)
    if pickled.exists():
        return pickled, _renamed(pickled, load_state_dict(pickled), OLD_NAMES)
    raise UnusableModel(f"{folder} has neither model.safetensors nor pytorch_model.bin")


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            msg = f"{path} has {size} bytes; the largest such file known has {MAX_BYTES}"
            raise UnusableModel(msg)
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UnusableModel(f"{path} cannot be read: {reason(error)}") from error


def _check_config(path: Path) -> None:
    """Check that the weights mean what they mean in HuBERT base: shapes do not tell all of it."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_CONFIG_BYTES)
        told = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise UnusableModel(f"{path} cannot be read: {reason(error)}") from error
    if not isinstance(told, dict):
        raise UnusableModel(f"{path} is not a model's configuration")
    usual = HubertConfig().to_dict()
    told = usual | told
    checked = (
        "model_type",
        "conv_kernel",
        "conv_stride",
        "conv_bias",
        "feat_extract_norm",
        "feat_extract_activation",
        "feat_proj_layer_norm",
        "do_stable_layer_norm",
        "hidden_act",
        "layer_norm_eps",
        "num_conv_pos_embeddings",
        "num_conv_pos_embedding_groups",
        "conv_pos_batch_norm",
    )
    check_values(path, "HuBERT base", {key: (told[key], usual[key]) for key in checked})
    heads, hidden = told["num_attention_heads"], told["hidden_size"]
    if not isinstance(heads, int) or hidden != heads * HEAD_DIM:
        found = one_line(f"{heads!r} heads for hidden_size {hidden!r}", MAX_REASON_CHARS)
        raise UnusableModel(f"{path}: {found}; HuBERT's heads are of {HEAD_DIM}")


def _renamed(
    path: Path, weights: Mapping[Any, Any], rules: tuple[tuple[str, str], ...]
) -> dict[str, Any]:
    if odd := [name for name in weights if not isinstance(name, str)]:
        raise UnusableModel(f"{path} is not a state dict: {name_list(odd)} are no names")
    renamed = {}
    for name, weight in weights.items():
        ours = name
        for pattern, replacement in rules:
            ours = re.sub(pattern, replacement, ours)
        renamed[ours] = weight
    if len(renamed) < len(weights):
        raise UnusableModel(f"{path} is not HuBERT base: it has a weight under two names")
    return {name: weight for name, weight in renamed.items() if name not in TRAINING_ONLY}


def _config(path: Path, weights: Mapping[str, Any]) -> HubertConfig:
    """HuBERT base in the size that these weights have: a smaller one is for tests."""
    base = HubertConfig(mask_time_prob=0.0)  # so that it wants no masked_spec_embed
    conv_layers = "feature_extractor.conv_layers"
    convs = [
        _shape(path, weights, f"{conv_layers}.{number}.conv.weight", 3)[0]
        for number in range(len(base.conv_kernel))
    ]
    hidden, _ = _shape(path, weights, "feature_projection.projection.weight", 2)
    wide, _ = _shape(path, weights, "encoder.layers.0.feed_forward.intermediate_dense.weight", 2)
    found = {match[1] for name in weights if (match := re.match(r"encoder\.layers\.(\d+)\.", name))}
    for what, value, most in (
        *(("channels", out, base.conv_dim[0]) for out in convs),
        ("hidden values", hidden, base.hidden_size),
        ("values between", wide, base.intermediate_size),
        ("layers", len(found), base.num_hidden_layers),
    ):
        if not 0 < value <= most:
            raise UnusableModel(f"{path} has {value} {what}, and HuBERT base has {most}")
    if hidden % HEAD_DIM:
        raise UnusableModel(f"{path} has {hidden} hidden values, which are no heads of {HEAD_DIM}")
    base.conv_dim, base.hidden_size, base.intermediate_size = convs, hidden, wide
    base.num_hidden_layers, base.num_attention_heads = len(found), hidden // HEAD_DIM
    return base


def _shape(path: Path, weights: Mapping[str, Any], name: str, n_dims: int) -> tuple[int, ...]:
    weight = weights.get(name)
    if not isinstance(weight, torch.Tensor):
        raise UnusableModel(f"{path} is not HuBERT base with its final_proj: it misses {name}")
    if weight.dim() != n_dims:
        raise UnusableModel(f"{path}: {name} has the shape {tuple(weight.shape)}")
    return tuple(weight.shape)
