"""A voice is the same voice in each format that people have it in."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from stages.errors import UnusableModel
from stages.rvc.network.synthesizer import Synthesizer
from stages.rvc.voices import header
from stages.rvc.voices.file import read_voice
from stages.rvc.voices.header import read_header
from tests.random_rvc import ROWS, TINY, Rate, Version, build_safetensors, checkpoint
from tests.random_rvc import voice as random_voice
from tests.rvc.conversions import CPU, LEAST, converted, start

if TYPE_CHECKING:
    from pathlib import Path

    from stages.audio.format import Samples

SPEECH = np.sin(np.arange(16_000) / 20).astype(np.float32) * 0.3


def said_with(path: Path) -> Samples:
    file = read_voice(path)
    return converted(start(Synthesizer(file.config, file.weights, CPU, torch.float32)), SPEECH)


def test_each_format_converts_alike(tmp_path: Path) -> None:
    plain, trained = tmp_path / "anna.pth", tmp_path / "G_2333333.pth"
    saved = random_voice("v1", "40k", size=LEAST, fp16=False)
    torch.save(saved, plain)
    torch.save(checkpoint("v1", "40k", size=LEAST), trained)
    okada = build_safetensors(tmp_path / "anna.safetensors", saved)
    bare = build_safetensors(tmp_path / "bare.safetensors", saved, has_metadata=False)
    expected = said_with(plain)
    assert np.abs(expected).max() > 0.01
    for path in (trained, okada, bare):
        assert np.array_equal(said_with(path), expected), path.name


@pytest.mark.parametrize("has_pitch", [True, False])
@pytest.mark.parametrize(("version", "rate"), ROWS)
def test_the_config_of_a_checkpoint_is_told_by_its_tensors(
    tmp_path: Path, version: Version, rate: Rate, has_pitch: bool
) -> None:
    plain, trained = tmp_path / "anna.pth", tmp_path / "G_2333333.pth"
    torch.save(random_voice(version, rate, has_pitch=has_pitch, size=TINY), plain)
    torch.save(checkpoint(version, rate, has_pitch=has_pitch, size=TINY), trained)
    assert read_header(trained) == read_header(plain)


@pytest.mark.parametrize(("version", "rate"), ROWS)
def test_what_the_tensors_do_not_tell_is_not_guessed(
    tmp_path: Path, version: Version, rate: Rate
) -> None:
    """Without pitch, and without what only training needs, v1's 32 and 48 kHz look alike."""
    saved = random_voice(version, rate, has_pitch=False, size=TINY)
    path = build_safetensors(tmp_path / "anna.safetensors", saved, has_metadata=False)
    if version == "v1" and rate != "40k":
        with pytest.raises(UnusableModel, match="32000 Hz or 48000 Hz; extract a small model"):
            read_header(path)
        save_file(saved["weight"], path, {"sr": rate})  # it is known from elsewhere
    assert read_header(path).sample_rate == int(rate[:-1]) * 1000


def complaint(path: Path) -> str:
    with pytest.raises(UnusableModel) as refusal:
        read_voice(path)
    said = str(refusal.value)
    assert said.startswith(str(path))
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dec.ups.0.weight_v": (64, 32, 18)}, "trains no v2 network with upsamplings of [18, 20"),
        ({"enc_p.emb_phone.weight": (16, 1024)}, "its content features are 1024 wide"),
        ({"enc_p.emb_phone.weight": None}, "it misses enc_p.emb_phone.weight"),
        ({"enc_p.proj.weight": (32,)}, "enc_p.proj.weight is (32,)"),
        ({"emb_g.weight": None}, "is not an RVC voice: it misses emb_g.weight"),
        ({"dec.noise_convs.1.weight": (8, 1, 7)}, "trains no v2 network"),
        ({"enc_q.pre.weight": (16, 600, 1)}, "trains no v2 network"),
        ({"dec.conv_pre.weight": (4098, 16, 7)}, "upsample_initial_channel is 4098"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused(
    tmp_path: Path, change: dict[str, tuple[int, ...] | None], said: str
) -> None:
    saved = checkpoint(size=TINY)
    for name, shape in change.items():
        if shape is None:
            del saved["model"][name]
        else:
            saved["model"][name] = torch.zeros(shape)
    torch.save(saved, tmp_path / "G_1.pth")
    assert said in complaint(tmp_path / "G_1.pth")


def test_a_discriminator_is_told_apart_whatever_its_name(tmp_path: Path) -> None:
    weights = {"discriminators.0.convs.0.bias": torch.zeros(16)}
    torch.save({"model": weights, "optimizer": {}}, tmp_path / "anna.pth")
    assert "is a training's discriminator, which is not a voice: that is in the file beside it" in (
        complaint(tmp_path / "anna.pth")
    )


def test_a_checkpoint_is_as_large_as_it_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "G_1.pth"
    torch.save(checkpoint(size=TINY), path)
    monkeypatch.setattr(header, "MAX_VOICE_BYTES", path.stat().st_size - 1)
    assert "the largest such file known has" in complaint(path)


def tiny_safetensors(path: Path, **changes: str) -> Path:
    return build_safetensors(path, {**random_voice(size=TINY), **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"config": "[[["}, "its config is not JSON"),
        ({"config": "[" * 100_000}, "its config is not JSON"),
        ({"config": "{}"}, "its config is not a list of 18 items"),
        ({"f0": "yes"}, "its f0 is not JSON"),
        ({"version": "v3"}, "its version is 'v3', not 'v1' or 'v2'"),
        ({"vocoder": "RefineGAN"}, "its vocoder is 'RefineGAN'"),
    ],
)
def test_metadata_are_checked_as_what_a_pickle_holds(
    tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    assert said in complaint(tiny_safetensors(tmp_path / "anna.safetensors", **changes))


def spoilt(path: Path, edit: dict[str, Any] | bytes, *, length: int | None = None) -> Path:
    """A file of safetensors with another header."""
    data = edit if isinstance(edit, bytes) else json.dumps(edit).encode()
    said = len(data) if length is None else length
    path.write_bytes(struct.pack("<Q", said) + data + bytes(64))
    return path


@pytest.mark.parametrize(
    "header_",
    [
        b"{",
        b"{" + b'"a":[' * 100_000,
        b'{"\xff": 1}',
        {"a": 1},
        {"a": {"dtype": "F32", "shape": [16], "data_offsets": [0, 65]}},
        {"a": {"dtype": "F32", "shape": [16], "data_offsets": [0, 60]}},
        {"a": {"dtype": "F32", "shape": [17], "data_offsets": [0, 68]}},
        {"a": {"dtype": "F32", "shape": [-16], "data_offsets": [64, 0]}},
        {"a": {"dtype": "F32", "shape": [2**70], "data_offsets": [0, 2**72]}},
        {"a": {"dtype": "F32", "shape": 16, "data_offsets": [0, 64]}},
        {"a": {"dtype": "F32", "shape": [1] * 9, "data_offsets": [0, 4]}},
        {"a": {"dtype": "F128", "shape": [4], "data_offsets": [0, 64]}},
        {"a": {"dtype": [], "shape": [4], "data_offsets": [0, 64]}},
        {"__metadata__": [], "a": {"dtype": "F32", "shape": [16], "data_offsets": [0, 64]}},
    ],
)
def test_a_damaged_header_is_refused(tmp_path: Path, header_: dict[str, Any] | bytes) -> None:
    said = complaint(spoilt(tmp_path / "anna.safetensors", header_))
    assert "cannot be read: its header is damaged" in said


def test_a_header_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    path = spoilt(tmp_path / "anna.safetensors", b"{}", length=3_999_999)
    assert "has a header of 3999999 bytes: it is cut short" in complaint(path)


def test_a_file_of_safetensors_that_is_no_voice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"encoder.weight": torch.zeros(3)}, path)
    assert "is not an RVC voice: it misses emb_g.weight" in complaint(path)


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    saved = random_voice(size=TINY)
    saved["weight"]["dec.conv_pre.bias"][0] = torch.nan
    path = build_safetensors(tmp_path / "anna.safetensors", saved)
    assert "dec.conv_pre.bias holds values that are not finite" in complaint(path)


def test_the_format_counts_and_not_the_name(tmp_path: Path) -> None:
    path = build_safetensors(tmp_path / "anna.pth", random_voice(size=TINY))
    assert read_voice(path).config == replace(read_header(path))
