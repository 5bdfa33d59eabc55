"""A voice file that is not one is refused, saying why, and runs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from stages.errors import UnusableModel
from stages.rvc.voices import file, header
from stages.rvc.voices.file import read_voice
from stages.rvc.voices.header import read_header
from tests.hostile_rvc import edit_voice

if TYPE_CHECKING:
    from pathlib import Path


def complaint(path: Path) -> str:
    with pytest.raises(UnusableModel) as refusal:
        read_voice(path)
    said = str(refusal.value)
    assert str(path) in said
    assert "\n" not in said
    assert len(said) < len(str(path)) + 400
    return said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"vocoder": "RefineGAN"}, "its vocoder is 'RefineGAN', and only HiFi-GAN is supported"),
        ({"vocoder": ["HiFi-GAN"]}, "its vocoder is a list"),
        ({"embedder_model": "spin"}, "its embedder_model is 'spin', and only contentvec is"),
        ({"version": "v3"}, "its version is 'v3', not 'v1' or 'v2'"),
        ({"version": "v1"}, "emb_phone.weight has the shape (16, 768) instead of (16, 256)"),
        ({"f0": 2}, "its f0 is 2, not 1 or 0"),
        ({"f0": "1"}, "its f0 is '1'"),
        ({"f0": 0}, "is not an RVC v2 voice without pitch: it has also dec.m_source"),
        ({"config": None}, "its config is not a list of 18 items"),
        ({"config": [1] * 17}, "its config is not a list of 18 items"),
        ({"weight": None}, "its weight is not a state dict"),
        ({"weight": {"a": 1}}, "its weight is not a state dict"),
        ({"weight": {1: torch.zeros(1)}}, "its weight is not a state dict"),
        ({"weight": {}}, "is not an RVC voice: it misses emb_g.weight"),
    ],
)
def test_another_kind_of_file_is_refused(
    voice: Path, changes: dict[str, object], said: str
) -> None:
    edit_voice(voice, lambda saved: saved.update(changes))
    assert said in complaint(voice)


def test_a_file_in_the_old_format_is_told_to_be_saved_anew(voice: Path) -> None:
    """It was called cut short, and was whole."""
    torch.save(torch.load(voice, weights_only=True), voice, _use_new_zipfile_serialization=False)
    assert "has the old format of torch.save: save it anew, `torch.save(torch.load(" in (
        complaint(voice)
    )


INTER, HIDDEN, FILTERS, HEADS, LAYERS, KERNEL = 2, 3, 4, 5, 6, 7
RESBLOCK, BLOCK_KERNELS, DILATIONS, RATES, INITIAL, KERNELS, GIN, RATE = (
    9,
    10,
    11,
    12,
    13,
    14,
    16,
    17,
)


@pytest.mark.parametrize(
    ("item", "value", "said"),
    [
        (INTER, 17, "inter_channels is 17, which cannot be halved"),
        (INTER, True, "inter_channels is True, not a number from 1 to 4096"),
        (HIDDEN, 16.0, "hidden_channels is 16.0, not a number from 1 to 4096"),
        pytest.param(HIDDEN, 10**5000, "hidden_channels is a huge number, not", id="huge"),
        (HIDDEN, "x" * 1000, "hidden_channels is 'xxx"),
        (FILTERS, 0, "filter_channels is 0, not a number from 1 to 4096"),
        (FILTERS, 4097, "filter_channels is 4097, not a number from 1 to 4096"),
        (HEADS, 3, "hidden_channels 16 for 3 heads"),
        (LAYERS, 65, "n_layers is 65, not a number from 1 to 64"),
        (KERNEL, -3, "kernel_size is -3, not a number from 1 to 63"),
        (RESBLOCK, "2", "residual blocks are of type '2', not '1'"),
        (BLOCK_KERNELS, [3, 7], "resblock_kernels and resblock_dilations differ in number"),
        (BLOCK_KERNELS, [3, 7, 10], "resblock_kernels (3, 7, 10) must be odd"),
        (BLOCK_KERNELS, [3] * 9, "resblock_kernels is a list, not a list of 1 to 8"),
        (DILATIONS, [[1, 3]] * 3, "do not have three dilations each"),
        (DILATIONS, [[1, 3, 5], 7, 9], "resblock_dilations is 7, not a list of 1 to 8"),
        (DILATIONS, None, "resblock_dilations is None"),
        (RATES, [], "upsample_rates is a list, not a list of 1 to 8"),
        (RATES, [12, 10, 2, "2"], "upsample_rates is '2', not a number"),
        (RATES, [12, 10, 4, 2], "upsample_rates make 960 samples of 10 ms, which is not 48000 Hz"),
        (RATES, [10, 4, 4, 3], "the last of its upsample_rates (10, 4, 4, 3) is odd"),
        (KERNELS, [24, 20, 4], "it has 4 upsample_rates and 3 kernels"),
        (KERNELS, [24, 20, 4, 1], "upsample_kernels (24, 20, 4, 1) do not fit their rates"),
        (KERNELS, [24, 20, 4, 5], "upsample_kernels (24, 20, 4, 5) do not fit their rates"),
        (INITIAL, 72, "upsample_initial_channel cannot be halved 4 times"),
        (GIN, None, "gin_channels is None, not a number from 1 to 4096"),
        (RATE, "44k", "its sample rate is '44k', not one of 32000, 40000, 48000"),
        (RATE, 32_000, "make 480 samples of 10 ms, which is not 32000 Hz"),
    ],
)
def test_a_config_that_makes_no_network_is_refused(
    voice: Path, item: int, value: object, said: str
) -> None:
    def edit(saved: dict[str, Any]) -> None:
        saved["config"][item] = value
        if said.startswith("the last"):
            saved["config"][KERNELS] = [20, 8, 8, 5]

    edit_voice(voice, edit)
    assert said in complaint(voice)


def test_a_config_of_monstrous_size_is_refused(voice: Path) -> None:
    def grow(saved: dict[str, Any]) -> None:
        for item in (HIDDEN, FILTERS):
            saved["config"][item] = 4096

    edit_voice(voice, grow)
    assert "its tensors would have more than 150000000 values" in complaint(voice)


BIAS = "dec.conv_pre.bias"


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (torch.zeros(7).half(), f"{BIAS} has the shape (7,) instead of (64,)"),
        (torch.zeros(64).double(), f"{BIAS} is of type float64, not float16 or bfloat16"),
        (torch.zeros(64, dtype=torch.int64), f"{BIAS} is of type int64"),
        (torch.full((64,), torch.nan), f"{BIAS} holds values that are not finite"),
        (torch.full((64,), -torch.inf), f"{BIAS} holds values that are not finite"),
        (torch.zeros(64).to_sparse(), "it holds torch._utils._rebuild_sparse_tensor, and only"),
        (torch.zeros(64, device="meta"), "it holds torch._utils._rebuild_meta_tensor"),
        (torch.zeros(64, dtype=torch.complex64), "it holds torch.ComplexFloatStorage"),
        (None, "its weight is not a state dict"),
    ],
)
def test_a_tensor_that_is_not_as_it_should_be_is_refused(
    voice: Path, weight: object, said: str
) -> None:
    edit_voice(voice, lambda saved: saved["weight"].update({BIAS: weight}))
    assert said in complaint(voice)


def test_a_direction_without_length_is_refused(voice: Path) -> None:
    """Weight norm divides by it."""
    edit_voice(voice, lambda saved: saved["weight"]["dec.ups.0.weight_v"][3].zero_())
    assert "dec.ups.0.weight holds values that are not finite" in complaint(voice)


def test_missing_and_superfluous_tensors_are_named(voice: Path) -> None:
    edit_voice(voice, lambda saved: saved["weight"].pop("dec.ups.1.weight_g"))
    said = "is not an RVC v2 voice with pitch: it misses dec.ups.1.weight_g"
    assert said in complaint(voice)
    edit_voice(voice, lambda saved: saved["weight"].update({"a\nb": torch.zeros(1)}))
    edit_voice(voice, lambda saved: saved["weight"].update({"dec.ups.1.weight_g": torch.ones(1)}))
    assert "it has also a b" in complaint(voice)


def test_other_files_of_torchs_are_not_voices(tmp_path: Path) -> None:
    path = tmp_path / "rmvpe.pth"
    torch.save({"fc.weight": torch.zeros(1)}, path)
    assert "is not an RVC voice: its weight is not a state dict" in complaint(path)
    torch.save([1], path)
    assert "is not an RVC voice: it holds a list" in complaint(path)


def test_a_missing_file_is_an_error_of_its_own(tmp_path: Path) -> None:
    assert "cannot be read: No such file or directory" in complaint(tmp_path / "nobody.pth")
    assert "cannot be read: Is a directory" in complaint(tmp_path)


def test_too_large_a_file_is_refused(voice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = voice.stat().st_size
    monkeypatch.setattr(header, "MAX_VOICE_BYTES", size - 1)
    assert f"has {size} bytes; the largest such file known has {size - 1}" in complaint(voice)


def test_a_file_that_changes_between_looks_is_refused(
    voice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = read_header(voice)
    monkeypatch.setattr(file, "read_header", lambda _: config)
    edit_voice(voice, lambda saved: saved["weight"].update({"dec.conv_pre.bias": torch.zeros(9)}))
    assert "dec.conv_pre.bias has the shape (9,) instead of (64,)" in complaint(voice)
    torch.save([1], voice)
    assert "its weight is not a state dict" in complaint(voice)
