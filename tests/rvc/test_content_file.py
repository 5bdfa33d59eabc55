"""Both formats of a content model become one network, which is fairseq's; what is neither is
refused with the reason, and runs nothing."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.nn import functional as nnf

from stages.errors import UnusableModel
from stages.rvc.content_file import ContentModel, read_content_model
from tests.random_rvc_features import (
    FULL,
    MINUTE,
    TINY,
    build_contentvec,
    build_hubert,
    fairseq_name,
    hubert_weights,
    save_fairseq,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.random_rvc_features import HubertSize

HUBERT = "hubert_base.pt"


@pytest.fixture(scope="session")
def minute_hubert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_hubert(tmp_path_factory.mktemp("hubert") / HUBERT, MINUTE)


def speech(n_samples: int) -> torch.Tensor:
    """(1, n): something with a pitch and a syllable now and then."""
    time_s = torch.arange(n_samples) / 16_000
    voice = sum(torch.sin(2 * torch.pi * 120 * k * time_s) / k for k in range(1, 20))
    noise = torch.randn(n_samples, generator=torch.Generator().manual_seed(0))
    syllables = (torch.sin(2 * torch.pi * 4 * time_s) + 1) / 2
    return (0.1 * syllables * voice + 0.01 * noise)[None]


@torch.inference_mode()
def layers_of(read: ContentModel, samples: torch.Tensor) -> tuple[torch.Tensor, ...]:
    result = read.model(samples, output_hidden_states=True)
    assert torch.equal(result.hidden_states[-1], result.last_hidden_state)
    layers: tuple[torch.Tensor, ...] = result.hidden_states
    return layers


def complaint(path: Path) -> str:
    with pytest.raises(UnusableModel) as refusal:
        read_content_model(path)
    said = str(refusal.value)
    assert str(path) in said
    assert "\n" not in said
    return said


def fairseq_forward(weights: dict[str, torch.Tensor], samples: torch.Tensor) -> list[torch.Tensor]:
    """What fairseq computes (models/wav2vec/wav2vec2.py, models/hubert/hubert.py), by its
    own names: what the layers are given, and what comes out of each."""

    def linear(name: str, x: torch.Tensor) -> torch.Tensor:
        return nnf.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        return nnf.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"])

    x = samples[:, None]
    for number, stride in enumerate((5, 2, 2, 2, 2, 2, 2)):
        name = f"feature_extractor.conv_layers.{number}"
        x = nnf.conv1d(x, weights[f"{name}.0.weight"], stride=stride)
        if number == 0:  # each channel by itself, over time
            mean, variance = x.mean(2, keepdim=True), x.var(2, keepdim=True, correction=0)
            x = (x - mean) / (variance + 1e-5).sqrt()
            x = x * weights[f"{name}.2.weight"][:, None] + weights[f"{name}.2.bias"][:, None]
        x = nnf.gelu(x)
    x = linear("post_extract_proj", norm("layer_norm", x.transpose(1, 2)))  # (1, frames, hidden)
    position = weights["encoder.pos_conv.0.weight_v"]
    position = position / position.square().sum((0, 1), keepdim=True).sqrt()
    position = position * weights["encoder.pos_conv.0.weight_g"]
    bias = weights["encoder.pos_conv.0.bias"]
    around = nnf.conv1d(x.transpose(1, 2), position, bias, padding=64, groups=16)[:, :, :-1]
    x = norm("encoder.layer_norm", x + nnf.gelu(around).transpose(1, 2))
    outputs = [x]
    n_layers = 1 + max(int(name.split(".")[2]) for name in weights if "encoder.layers." in name)
    for number in range(n_layers):
        layer = f"encoder.layers.{number}"
        queries, keys, values = (
            linear(f"{layer}.self_attn.{kind}_proj", x).unflatten(2, (-1, 64)).transpose(1, 2)
            for kind in "qkv"
        )
        attention = (queries / 8 @ keys.transpose(2, 3)).softmax(3)
        heard = (attention @ values).transpose(1, 2).flatten(2)
        x = norm(f"{layer}.self_attn_layer_norm", x + linear(f"{layer}.self_attn.out_proj", heard))
        wide = nnf.gelu(linear(f"{layer}.fc1", x))
        x = norm(f"{layer}.final_layer_norm", x + linear(f"{layer}.fc2", wide))
        outputs.append(x)
    return outputs


@pytest.mark.parametrize("size", [MINUTE, TINY])
def test_every_layer_is_what_fairseq_computes(size: HubertSize, tmp_path: Path) -> None:
    read = read_content_model(build_hubert(tmp_path / HUBERT, size))
    weights = {fairseq_name(name): weight for name, weight in hubert_weights(size).items()}
    ours = layers_of(read, speech(8_000))
    theirs = fairseq_forward(weights, speech(8_000))
    assert len(ours) == len(theirs) == size.num_hidden_layers + 1
    for our, their in zip(ours, theirs, strict=True):
        assert our.shape == their.shape == (1, 24, size.hidden_size)
        torch.testing.assert_close(our, their, rtol=0, atol=2e-5)
    assert torch.equal(read.final_proj_weight, weights["final_proj.weight"])
    assert torch.equal(read.final_proj_bias, weights["final_proj.bias"])


def test_features_follow_the_sound(minute_hubert: Path) -> None:
    """Else no test could tell a wrong frame from a right one."""
    last = layers_of(read_content_model(minute_hubert), speech(16_000))[-1][0]
    assert last.std(0).mean() > 0.2
    assert (last[1:] - last[:-1]).norm(dim=1).min() > 0.1


@pytest.mark.parametrize("pickled", [False, True])
def test_a_folder_of_transformers_gives_the_same(
    minute_hubert: Path, tmp_path: Path, pickled: bool
) -> None:
    ours = read_content_model(build_contentvec(tmp_path, MINUTE, pickled=pickled))
    theirs = read_content_model(minute_hubert)
    assert torch.equal(layers_of(ours, speech(4_000))[-1], layers_of(theirs, speech(4_000))[-1])
    assert torch.equal(ours.final_proj_weight, theirs.final_proj_weight)
    assert torch.equal(ours.final_proj_bias, theirs.final_proj_bias)


def test_the_full_size_is_read_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    read = read_content_model(build_hubert(tmp_path / HUBERT, FULL), torch.bfloat16)
    config = read.model.config
    assert (config.num_attention_heads, config.num_hidden_layers, read.v1_layer) == (12, 12, 9)
    assert {weight.dtype for weight in read.model.state_dict().values()} == {torch.bfloat16}
    assert (read.final_proj_weight.shape, read.final_proj_bias.shape) == ((256, 768), (256,))
    assert not read.model.training
    assert capfd.readouterr() == ("", "")


def test_what_only_training_needs_may_be_missing(minute_hubert: Path, tmp_path: Path) -> None:
    weights = {fairseq_name(name): weight for name, weight in hubert_weights(MINUTE).items()}
    del weights["mask_emb"]
    read = read_content_model(save_fairseq(tmp_path / HUBERT, weights))
    whole = read_content_model(minute_hubert)
    assert torch.equal(layers_of(read, speech(4_000))[-1], layers_of(whole, speech(4_000))[-1])


def test_a_missing_file_is_named_with_the_command_that_gets_it(tmp_path: Path) -> None:
    assert "is missing; `server.py fetch hubert` gets it" in complaint(tmp_path / HUBERT)


@pytest.mark.parametrize("keep", [0, 0.5, 0.99])
def test_a_truncated_file_is_refused(minute_hubert: Path, tmp_path: Path, keep: float) -> None:
    data = minute_hubert.read_bytes()
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


class Bomb:
    """Unpickled without care, it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[Path, str]]:
        return Path.write_text, (self.mark, "went off")


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
