"""Both formats of a content model become one network, which is fairseq's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch.nn import functional as nnf

from stages.rvc.network.content_file import ContentModel, read_content_model
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
from tests.rvc.conversions import hubert_of

if TYPE_CHECKING:
    from pathlib import Path

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
    result = hubert_of(read)(samples, output_hidden_states=True)
    assert torch.equal(result.hidden_states[-1], result.last_hidden_state)
    layers: tuple[torch.Tensor, ...] = result.hidden_states
    return layers


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
    assert torch.equal(read.weights["final_proj.weight"], weights["final_proj.weight"])
    assert torch.equal(read.weights["final_proj.bias"], weights["final_proj.bias"])


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
    assert torch.equal(ours.weights["final_proj.weight"], theirs.weights["final_proj.weight"])
    assert torch.equal(ours.weights["final_proj.bias"], theirs.weights["final_proj.bias"])


def test_the_full_size_is_read_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    read = read_content_model(build_hubert(tmp_path / HUBERT, FULL))
    assert (read.config.num_attention_heads, read.config.num_hidden_layers) == (12, 12)
    assert {weight.dtype for weight in read.weights.values()} == {torch.float32}
    assert (read.weights["final_proj.weight"].shape, read.weights["final_proj.bias"].shape) == (
        (256, 768),
        (256,),
    )
    assert capfd.readouterr() == ("", "")


def test_what_only_training_needs_may_be_missing(minute_hubert: Path, tmp_path: Path) -> None:
    weights = {fairseq_name(name): weight for name, weight in hubert_weights(MINUTE).items()}
    del weights["mask_emb"]
    read = read_content_model(save_fairseq(tmp_path / HUBERT, weights))
    whole = read_content_model(minute_hubert)
    assert torch.equal(layers_of(read, speech(4_000))[-1], layers_of(whole, speech(4_000))[-1])
