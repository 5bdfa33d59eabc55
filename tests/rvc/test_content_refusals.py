"""What is no content model is refused with the reason, and runs nothing."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest
import torch

from stages.errors import UnusableModel
from stages.rvc.network.content_file import read_content_model
from tests.random_rvc_features import (
    MINUTE,
    build_contentvec,
    build_hubert,
    fairseq_name,
    hubert_weights,
    save_fairseq,
)
from tests.rvc.bomb import Bomb

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HUBERT = "hubert_base.pt"


def complaint(path: Path) -> str:
    with pytest.raises(UnusableModel) as refusal:
        read_content_model(path)
    said = str(refusal.value)
    assert str(path) in said
    assert "\n" not in said
    assert len(said) < 1_000
    return said


def test_a_missing_file_is_named_with_the_command_that_gets_it(tmp_path: Path) -> None:
    path = tmp_path / "hubert" / HUBERT
    told = f"is missing; to get it: .venv/bin/python server.py fetch hubert --models {tmp_path}"
    assert told in complaint(path)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_one_file_of_a_folder_is_told_to_be_named_by_the_folder(tmp_path: Path, name: str) -> None:
    """It was called cut short, or not what torch.save writes, which helped nobody."""
    build_contentvec(tmp_path / "contentvec", MINUTE)
    told = f"is one file of a model: name the folder, {tmp_path / 'contentvec'}"
    assert told in complaint(tmp_path / "contentvec" / name)


@pytest.mark.parametrize("keep", [0, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, keep: float) -> None:
    data = build_hubert(tmp_path / HUBERT, MINUTE).read_bytes()
    (tmp_path / HUBERT).write_bytes(data[: int(len(data) * keep)])
    assert complaint(tmp_path / HUBERT)


def _as_hubert_large(weights: dict[str, Any]) -> None:
    """Each convolution has a bias and a norm over its channels."""
    for number in range(7):
        name = f"feature_extractor.conv_layers.{number}"
        weights[f"{name}.0.bias"] = torch.zeros(16)
        weights[f"{name}.2.1.weight"] = torch.ones(16)
        weights[f"{name}.2.1.bias"] = torch.zeros(16)
    del weights["feature_extractor.conv_layers.0.2.weight"]
    del weights["feature_extractor.conv_layers.0.2.bias"]


def _as_wav2vec2(weights: dict[str, Any]) -> None:
    del weights["final_proj.weight"]
    weights["quantizer.vars"] = torch.zeros(1, 640, 128)
    weights["project_q.weight"] = torch.zeros(256, 256)


FC1 = "encoder.layers.0.fc1.weight"
PROJECTION = "post_extract_proj.weight"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (_as_hubert_large, "it misses feature_extractor.conv_layers.0.layer_norm.bias"),
        (_as_wav2vec2, "it misses final_proj.weight"),
        (lambda weights: weights.pop("final_proj.weight"), "it misses final_proj.weight"),
        (lambda weights: weights.pop(PROJECTION), "it misses feature_projection.projection.weight"),
        (lambda weights: weights.update({PROJECTION: 1.0}), "it misses feature_projection.pro"),
        (lambda weights: weights.pop("encoder.layers.1.fc1.bias"), "it misses encoder.layers.1."),
        (lambda weights: weights.update(more=torch.zeros(1)), "it has also more"),
        (lambda weights: weights.update({7: torch.zeros(1)}), "is not a state dict: 7 are no name"),
        (lambda weights: weights.update({"fc1.bias": "x"}), "not a state dict of plain tensors"),
        (
            lambda weights: weights.update({"feature_projection.layer_norm.bias": torch.zeros(16)}),
            "a weight under two names",
        ),
        (
            lambda weights: weights.update({PROJECTION: torch.zeros(1024, 16)}),
            "has 1024 hidden values, and HuBERT base has 768",
        ),
        (lambda weights: weights.update({PROJECTION: torch.zeros(100, 16)}), "no heads of 64"),
        (lambda weights: weights.update({PROJECTION: torch.zeros(0, 16)}), "has 0 hidden values"),
        (lambda weights: weights.update({PROJECTION: torch.zeros(128)}), "has the shape (128,)"),
        (lambda weights: weights.update({FC1: torch.zeros(4096, 128)}), "has 4096 values between"),
        (
            lambda weights: weights.update(
                {f"encoder.layers.{number}.fc1.bias": torch.zeros(48) for number in range(24)}
            ),
            "has 24 layers",
        ),
        (
            lambda weights: weights.update({"encoder.pos_conv.0.weight_g": torch.zeros(1, 1, 95)}),
            "original0 has the shape (1, 1, 95) instead of (1, 1, 128)",
        ),
        (
            lambda weights: weights.update({"final_proj.weight": torch.zeros(256, 768)}),
            "final_proj.weight has the shape (256, 768) instead of (256, 128)",
        ),
        (
            lambda weights: weights[FC1].fill_(torch.nan),
            "intermediate_dense.weight holds values that are not finite",
        ),
        (
            lambda weights: weights["encoder.pos_conv.0.weight_v"].zero_(),
            "encoder.pos_conv_embed.conv.weight holds values that are not finite",
        ),
    ],
)
def test_another_network_is_refused(
    tmp_path: Path, edit: Callable[[dict[Any, Any]], object], said: str
) -> None:
    weights = {fairseq_name(name): weight for name, weight in hubert_weights(MINUTE).items()}
    edit(weights)
    assert said in complaint(save_fairseq(tmp_path / HUBERT, weights))


@pytest.mark.parametrize("held", [{"weights": {}}, {"model": []}, [1]])
def test_a_file_of_something_else_is_refused(tmp_path: Path, held: object) -> None:
    torch.save(held, tmp_path / HUBERT)
    assert "it holds no weights under `model`" in complaint(tmp_path / HUBERT)


@pytest.mark.parametrize("name", [HUBERT, "pytorch_model.bin", "plain pickle"])
def test_a_malicious_file_runs_nothing(tmp_path: Path, name: str) -> None:
    mark = tmp_path / "mark"
    path = tmp_path / name
    if name == "plain pickle":
        path.write_bytes(pickle.dumps({"model": Bomb(mark)}))
    else:
        torch.save({"model": {"mask_emb": Bomb(mark)}}, path)
    if name == "pytorch_model.bin":
        (tmp_path / "config.json").write_text('{"model_type": "hubert"}')
        path = tmp_path
    assert "cannot be read" in complaint(path) or "not what torch.save writes" in complaint(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (((1, 2),), "takes no arguments"),
        (((), 5), "not iterable"),
        (((), {"__class__": 1}), "it misses"),
    ],
)
def test_a_dictionary_that_is_made_otherwise_does_no_harm(
    tmp_path: Path, arguments: tuple[object, ...], said: str
) -> None:
    """What stands for fairseq's takes any attributes and no arguments; torch raised bare errors."""
    path = save_fairseq(tmp_path / HUBERT, {}, arguments)
    assert said in complaint(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_type": "wav2vec2"}, "model_type is 'wav2vec2', and HuBERT base's is 'hubert'"),
        ({"do_stable_layer_norm": True}, "do_stable_layer_norm is True"),
        ({"feat_extract_norm": "layer"}, "feat_extract_norm is 'layer'"),
        ({"conv_stride": [5, 2, 2, 2, 2, 2, 1]}, "conv_stride is"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu'"),
        ({"layer_norm_eps": 1e-6}, "layer_norm_eps is 1e-06"),
        ({"num_attention_heads": 4}, "4 heads for hidden_size 128"),
        ({"hidden_act": "\n" + "long" * 10_000}, "hidden_act is '"),
        ({"num_attention_heads": "x"}, "'x' heads for hidden_size 128"),
    ],
)
def test_a_folder_of_another_network_is_refused(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    build_contentvec(tmp_path, MINUTE)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | changes))
    assert said in complaint(tmp_path)


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"model_type": ' + "[" * 100_000])
def test_a_damaged_config_is_refused(tmp_path: Path, text: str) -> None:
    build_contentvec(tmp_path, MINUTE)
    (tmp_path / "config.json").write_text(text)
    assert "config.json" in complaint(tmp_path)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    build_contentvec(tmp_path, MINUTE)
    (tmp_path / "model.safetensors").unlink()
    assert "has neither model.safetensors nor pytorch_model.bin" in complaint(tmp_path)


@pytest.mark.parametrize("keep", [0, 0.5])
def test_truncated_safetensors_are_refused(tmp_path: Path, keep: float) -> None:
    path = build_contentvec(tmp_path, MINUTE) / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    assert "model.safetensors cannot be read" in complaint(tmp_path)


def test_a_pickle_that_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    build_contentvec(tmp_path, MINUTE, pickled=True)
    torch.save([1], tmp_path / "pytorch_model.bin")
    assert "pytorch_model.bin is not a state dict" in complaint(tmp_path)


@pytest.mark.parametrize("name", [HUBERT, "model.safetensors"])
def test_a_huge_file_is_refused_unread(tmp_path: Path, name: str) -> None:
    build_contentvec(tmp_path, MINUTE)
    with (tmp_path / name).open("wb") as file:
        file.truncate(500_000_000)  # a hole: it takes no room
    path = tmp_path / name if name == HUBERT else tmp_path
    assert "has 500000000 bytes; the largest such file known has 400000000" in complaint(path)
