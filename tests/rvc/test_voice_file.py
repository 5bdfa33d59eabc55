"""A voice is read as upstream would load it, whatever its age and whoever wrote it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from stages.rvc.network.config import tensor_shapes
from stages.rvc.voices.file import folded, read_voice
from stages.rvc.voices.header import read_header
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
    assert 100e6 < sum(weight.nbytes for weight in voice.weights.values()) < 115e6


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
