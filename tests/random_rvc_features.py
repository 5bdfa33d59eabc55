"""What RVC hears with, at random: HuBERT in fairseq's file and in transformers' folder, and RMVPE.

    python -m tests.random_rvc_features models

The architecture, formats, names and precision are those of the published files; the weights know
nothing of speech. They are scaled so that what comes out depends on what goes in, and on when.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import HubertConfig, HubertModel

from stages.rvc.pitch.mel import LogMel
from stages.rvc.pitch.rmvpe import THRESHOLD
from stages.rvc.pitch.rmvpe_network import GRU_SIZE, Rmvpe, RmvpeSize
from tests.rvc.voices import words

N_LABELS = 504
"""Of the clusters that ContentVec was trained on; the file has them, and nothing needs them."""


@dataclass(frozen=True)
class HubertSize:
    """What varies; the strides, the kernels and the heads of 64 do not."""

    conv_dim: int = 512
    hidden_size: int = 768
    intermediate_size: int = 3072
    num_hidden_layers: int = 12


FULL = HubertSize()
"""HuBERT base: 94 million parameters."""
TINY = HubertSize(conv_dim=32, intermediate_size=64, num_hidden_layers=2)
"""For tests. Voices take features of 768, so that much stays: 10 million parameters."""
MINUTE = HubertSize(conv_dim=16, hidden_size=128, intermediate_size=48, num_hidden_layers=3)
"""For tests of the file alone."""

FULL_RMVPE = RmvpeSize()
"""90 million parameters."""
TINY_RMVPE = RmvpeSize(n_blocks=1, n_inner=1, channels=4)

SALIENCE_SPREAD = 8.0
"""Of what goes into the sigmoid: with less, all pitches would be about as likely."""

FAIRSEQ_NAMES = {
    "masked_spec_embed": "mask_emb",
    "feature_projection.layer_norm": "layer_norm",
    "feature_projection.projection": "post_extract_proj",
    "feature_extractor.conv_layers.0.layer_norm": "feature_extractor.conv_layers.0.2",
    "encoder.pos_conv_embed.conv.bias": "encoder.pos_conv.0.bias",
    "encoder.pos_conv_embed.conv.parametrizations.weight.original0": "encoder.pos_conv.0.weight_g",
    "encoder.pos_conv_embed.conv.parametrizations.weight.original1": "encoder.pos_conv.0.weight_v",
    **{
        f"feature_extractor.conv_layers.{number}.conv": f"feature_extractor.conv_layers.{number}.0"
        for number in range(7)
    },
}
"""By the beginning of a name; those within a layer follow."""
FAIRSEQ_LAYER_NAMES = {
    "attention": "self_attn",
    "layer_norm": "self_attn_layer_norm",
    "feed_forward.intermediate_dense": "fc1",
    "feed_forward.output_dense": "fc2",
    "final_layer_norm": "final_layer_norm",
}


def hubert_weights(size: HubertSize, seed: int = 0) -> dict[str, torch.Tensor]:
    """transformers' names, ``final_proj`` included; float32, of values that float16 has too."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = HubertModel(hubert_config(size))
        weights: dict[str, torch.Tensor] = model.state_dict()
        for name, weight in weights.items():
            if "norm" in name:  # as in a trained model, one is not like another
                low, high = (0.7, 1.3) if name.endswith("weight") else (-0.3, 0.3)
                weight.uniform_(low, high)
            elif weight.dim() > 1 and not name.endswith("original0"):
                weight.normal_(std=gain(name) * weight[0].numel() ** -0.5)
            elif name.endswith("bias"):
                weight.normal_(std=0.1)
        weights["final_proj.weight"] = torch.randn(256, size.hidden_size) * size.hidden_size**-0.5
        weights["final_proj.bias"] = torch.randn(256) * 0.1
    return {name: weight.half().float() for name, weight in weights.items()}


def gain(name: str) -> float:
    """Attention that is sharp, and adds little: else twelve layers of it make all frames alike."""
    if "q_proj" in name or "k_proj" in name:
        return 2.0
    return 0.3 if "out_proj" in name else 1.0


def hubert_config(size: HubertSize) -> HubertConfig:
    return HubertConfig(
        conv_dim=[size.conv_dim] * 7,
        hidden_size=size.hidden_size,
        intermediate_size=size.intermediate_size,
        num_hidden_layers=size.num_hidden_layers,
        num_attention_heads=size.hidden_size // 64,
        classifier_proj_size=256,
    )


def fairseq_name(name: str) -> str:
    """What fairseq calls it."""
    if name.startswith("encoder.layers."):
        layer, within = name.split(".", 3)[2], name.split(".", 3)[3]
        for theirs, fairseqs in FAIRSEQ_LAYER_NAMES.items():
            if within.startswith(theirs):
                return f"encoder.layers.{layer}.{fairseqs}{within.removeprefix(theirs)}"
    for theirs, fairseqs in FAIRSEQ_NAMES.items():
        if name.startswith(theirs):
            return fairseqs + name.removeprefix(theirs)
    return name


def build_hubert(path: Path, size: HubertSize = FULL, seed: int = 0) -> Path:
    """``hubert_base.pt``: fairseq's layout, float16."""
    weights = {fairseq_name(name): w.half() for name, w in hubert_weights(size, seed).items()}
    weights["label_embs_concat"] = torch.zeros(N_LABELS, 256, dtype=torch.float16)
    return save_fairseq(path, weights)


def save_fairseq(path: Path, weights: dict[str, Any], arguments: tuple[object, ...] = ()) -> Path:
    """What fairseq writes: weights, and the dictionary of the task, an object of fairseq's.
    `arguments`: it is to be made with these instead (`object.__reduce__` without the class)."""
    module = ModuleType("fairseq.data.dictionary")
    dictionary: Any = type("Dictionary", (), {"__module__": module.__name__})
    module.Dictionary = dictionary  # type: ignore[attr-defined]
    vocabulary = dictionary()
    vocabulary.symbols, vocabulary.count = ["<s>", "<pad>", "</s>", "<unk>"], [1, 1, 1, 1]
    vocabulary.indices = {symbol: n for n, symbol in enumerate(vocabulary.symbols)}
    if arguments:
        dictionary.__reduce__ = lambda _: (dictionary, *arguments)
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ("fairseq", "fairseq.data", module.__name__)
    if any(name in sys.modules for name in names):
        raise RuntimeError("fairseq is there, and would be replaced")
    try:
        sys.modules |= {names[0]: ModuleType(names[0]), names[1]: ModuleType(names[1])}
        sys.modules[names[2]] = module
        torch.save(
            {
                "args": None,
                "cfg": {"model": {"_name": "hubert"}, "task": {"normalize": False}},
                "model": weights,
                "task_state": {"dictionaries": [vocabulary]},
                "extra_state": None,
            },
            path,
        )
    finally:
        for name in names:
            sys.modules.pop(name, None)
    return path


def build_contentvec(
    folder: Path, size: HubertSize = FULL, seed: int = 0, *, pickled: bool = False
) -> Path:
    """transformers' folder with the same weights, float32; pickled: as it was done before there
    was safetensors, with the names that torch had then."""
    folder.mkdir(parents=True, exist_ok=True)
    config = hubert_config(size).to_dict() | {"architectures": ["HubertModelWithFinalProj"]}
    (folder / "config.json").write_text(json.dumps(config))
    weights = hubert_weights(size, seed)
    if pickled:
        old = {
            name.replace("parametrizations.weight.original0", "weight_g").replace(
                "parametrizations.weight.original1", "weight_v"
            ): weight
            for name, weight in weights.items()
        }
        torch.save(old, folder / "pytorch_model.bin")
    else:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def build_rmvpe(path: Path, size: RmvpeSize = FULL_RMVPE, seed: int = 0) -> Path:
    """``rmvpe.pt``: float16, and whole numbers where a normalisation counts its batches. It hears a
    voice now and then, at pitches that jump."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Rmvpe(size).eval()
        weights = network.state_dict()
        for name, weight in weights.items():
            if name.endswith("running_var"):
                weight.uniform_(0.7, 1.3)
            elif name.endswith("running_mean"):
                weight.normal_(std=0.1)
            elif weight.dim() == 4:
                # A block adds little to what goes by, else it would grow from block to block.
                is_aside = re.search(r"\.conv\.[03]\.weight$", name)
                weight.normal_(std=(0.3 if is_aside else 1.0) * weight[0].numel() ** -0.5)
            elif weight.dim() == 2:
                weight.normal_(std=weight.shape[1] ** -0.5)
        weights["unet.encoder.bn.running_mean"].fill_(-6.0)  # about a quiet sound's
        weights["unet.encoder.bn.running_var"].fill_(10.0)
        weights["fc.1.weight"].normal_(std=SALIENCE_SPREAD * GRU_SIZE**-0.5)
        weights["fc.1.bias"].normal_(mean=-10.0, std=0.3)  # where float32 still tells 1 - p from 0
        weights["fc.1.bias"] += _bias(network)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(
        {name: w.half() if w.is_floating_point() else w + 1000 for name, w in weights.items()}, path
    )
    return path


@torch.inference_mode()
def _bias(network: Rmvpe) -> torch.Tensor:
    """With which half of the frames come out voiced."""
    sound = torch.from_numpy(words(127 * 160))[None]
    highest: torch.Tensor = network(LogMel()(sound)).logit().amax(2)
    return torch.logit(torch.tensor(THRESHOLD)) - highest.median()


if __name__ == "__main__":
    build_rmvpe(Path(sys.argv[1]) / "rmvpe" / "rmvpe.pt")
    build_hubert(Path(sys.argv[1]) / "hubert" / "hubert_base.pt")
