"""A voice is read as upstream would load it; what is not one is refused, saying why, and runs
nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from stages.errors import UnusableModel
from stages.rvc import voice_file, voice_header
from stages.rvc.voice_config import tensor_shapes
from stages.rvc.voice_file import folded, read_voice
from stages.rvc.voice_header import read_header
from tests.hostile_rvc import edit_voice
from tests.random_rvc import FULL, ROWS, TINY, Rate, Size, Version, build_voice, config_of
from tests.random_rvc import voice as random_voice
from tests.rvc_upstream import synthesizer

if TYPE_CHECKING:
    from pathlib import Path

N_TENSORS = {
    ("v1", "32k"): (516, 503),
    ("v1", "40k"): (457, 446),
    ("v1", "48k"): (516, 503),
    ("v2", "32k"): (457, 446),
    ("v2", "40k"): (457, 446),
    ("v2", "48k"): (457, 446),
}
"""In a voice file, with pitch and without: counted in RVC's own."""


def complaint(path: Path) -> str:
    with pytest.raises(UnusableModel) as refusal:
        read_voice(path)
    said = str(refusal.value)
    assert str(path) in said
    assert "\n" not in said
    assert len(said) < len(str(path)) + 400
    return said


def upstream_shapes(version: Version, rate: Rate, size: Size, *, has_pitch: bool) -> dict[str, Any]:
    with torch.device("meta"):
        network = synthesizer(version, config_of(version, rate, size), has_pitch=has_pitch)
    return {
        name: tuple(weight.shape)
        for name, weight in network.state_dict().items()
        if not name.startswith("enc_q.")
    }


@pytest.mark.parametrize("has_pitch", [True, False])
@pytest.mark.parametrize(("version", "rate"), ROWS)
def test_the_tensors_of_every_kind_of_voice_are_known(
    version: Version, rate: Rate, has_pitch: bool, tmp_path: Path
) -> None:
    """For a tiny voice in a file, and for the size that people have; its number of tensors was
    counted in files of theirs."""
    path = build_voice(tmp_path / "a.pth", version, rate, has_pitch=has_pitch, size=TINY)
    tiny = read_header(path)
    assert dict(tensor_shapes(tiny)) == upstream_shapes(version, rate, TINY, has_pitch=has_pitch)
    full = replace(
        tiny,
        **{name: getattr(FULL, name) for name in FULL.__dataclass_fields__},
    )
    shapes = dict(tensor_shapes(full))
    assert shapes == upstream_shapes(version, rate, FULL, has_pitch=has_pitch)
    assert len(shapes) == N_TENSORS[version, rate][not has_pitch]


def test_a_voice_of_full_size_is_read(tmp_path: Path) -> None:
    path = build_voice(tmp_path / "full.pth")
    voice = read_voice(path)
    config = voice.config
    assert (config.version, config.sample_rate, config.has_pitch) == ("v2", 48_000, True)
    assert (config.hop, config.content_width, config.n_speakers) == (480, 768, 109)
    assert config.resblock_dilations == ((1, 3, 5),) * 3
    assert {weight.dtype for weight in voice.weights.values()} == {torch.float32}
    assert 100e6 < voice.n_bytes < 115e6


@pytest.mark.parametrize("has_pitch", [True, False])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_weights_fold_as_upstreams_own_network_does(
    version: Version, has_pitch: bool, tmp_path: Path
) -> None:
    saved = random_voice(version, "40k", has_pitch=has_pitch, size=TINY)
    network = synthesizer(version, saved["config"], has_pitch=has_pitch)
    network.load_state_dict(saved["weight"], strict=False)
    network.remove_weight_norm()
    expected = {
        name: weight
        for name, weight in network.state_dict().items()
        if not name.startswith("enc_q.")
    }
    torch.save(saved, path := tmp_path / "voice.pth")
    weights = read_voice(path).weights
    assert weights.keys() == expected.keys()
    for name, weight in weights.items():
        torch.testing.assert_close(weight, expected[name], rtol=1e-6, atol=1e-7)


def test_folding_is_torchs_weight_norm() -> None:
    torch.manual_seed(0)
    convolution = torch.nn.Conv1d(3, 5, 7)
    normed = torch.nn.utils.parametrizations.weight_norm(convolution)
    state = normed.state_dict()
    halves = {
        "a.weight_g": 2 * state["parametrizations.weight.original0"],
        "a.weight_v": state["parametrizations.weight.original1"],
        "a.bias": state["bias"],
    }
    made = folded(halves)
    assert made.keys() == {"a.weight", "a.bias"}
    torch.testing.assert_close(made["a.weight"], 2 * normed.weight)


def test_the_newer_names_of_weight_norm_are_the_same(voice: Path) -> None:
    as_it_was = read_voice(voice)

    def rename(saved: dict[str, Any]) -> None:
        saved["weight"] = {
            name.replace("weight_g", "parametrizations.weight.original0").replace(
                "weight_v", "parametrizations.weight.original1"
            ): weight
            for name, weight in saved["weight"].items()
        }

    edit_voice(voice, rename)
    renamed = read_voice(voice)
    assert renamed.config == as_it_was.config
    assert renamed.weights.keys() == as_it_was.weights.keys()
    assert all(torch.equal(renamed.weights[name], w) for name, w in as_it_was.weights.items())


def test_what_only_training_needs_is_left_out(voice: Path) -> None:
    edit_voice(voice, lambda saved: saved["weight"].update({"enc_q.pre.bias": torch.ones(3)}))
    assert not [name for name in read_voice(voice).weights if name.startswith("enc_q")]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_may_be_of_other_types(voice: Path, dtype: torch.dtype) -> None:
    def cast(saved: dict[str, Any]) -> None:
        saved["weight"] = {name: w.to(dtype) for name, w in saved["weight"].items()}

    edit_voice(voice, cast)
    assert {weight.dtype for weight in read_voice(voice).weights.values()} == {torch.float32}


@pytest.mark.parametrize("missing", ["version", "f0", "sr", "info"])
def test_what_old_files_lack_has_its_old_meaning(tmp_path: Path, missing: str) -> None:
    path = build_voice(tmp_path / "old.pth", "v1", "40k", size=TINY)
    edit_voice(path, lambda saved: saved.pop(missing))
    config = read_header(path)
    assert (config.version, config.has_pitch, config.sample_rate) == ("v1", True, 40_000)


def test_the_rate_in_the_config_may_be_a_name_and_counts(voice: Path) -> None:
    def edit(saved: dict[str, Any]) -> None:
        saved["config"][-1] = "48k"
        saved["sr"] = 40_000  # for people; merged voices have anything here

    edit_voice(voice, edit)
    assert read_header(voice).sample_rate == 48_000


def test_the_speakers_are_those_that_the_file_has(voice: Path) -> None:
    edit_voice(voice, lambda saved: saved["config"].__setitem__(-3, 109))
    assert read_header(voice).n_speakers == TINY.n_speakers


@pytest.mark.parametrize(
    ("key", "value"),
    [("vocoder", "HiFi-GAN"), ("embedder_model", "contentvec"), ("embedder_model", None)],
)
def test_applios_keys_with_what_upstream_has_are_fine(voice: Path, key: str, value: object) -> None:
    edit_voice(voice, lambda saved: saved.update({key: value}))
    assert read_voice(voice).config.version == "v2"


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


def test_a_checkpoint_of_a_training_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "G_2333333.pth"
    torch.save({"model": {"a": torch.zeros(1)}, "optimizer": {}, "iteration": 3}, path)
    assert "a checkpoint of a training, not a voice; extract a small model" in complaint(path)


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
    monkeypatch.setattr(voice_file, "MAX_VOICE_BYTES", size - 1)
    assert f"has {size} bytes; the largest such file known has {size - 1}" in complaint(voice)


def test_a_checkpoint_of_a_training_may_be_larger_and_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "G_2333333.pth"
    torch.save({"model": {}, "optimizer": {"a": torch.zeros(1000)}}, path)
    monkeypatch.setattr(voice_file, "MAX_VOICE_BYTES", 1000)
    assert "is a checkpoint of a training, not a voice" in complaint(path)
    monkeypatch.setattr(voice_header, "MAX_CHECKPOINT_BYTES", 1000)
    assert "the largest such file known has 1000" in complaint(path)


def test_a_file_that_changes_between_looks_is_refused(
    voice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = read_header(voice)
    monkeypatch.setattr(voice_file, "read_header", lambda _: config)
    edit_voice(voice, lambda saved: saved["weight"].update({"dec.conv_pre.bias": torch.zeros(9)}))
    assert "dec.conv_pre.bias has the shape (9,) instead of (64,)" in complaint(voice)
    torch.save([1], voice)
    assert "its weight is not a state dict" in complaint(voice)
