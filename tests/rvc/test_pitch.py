"""Pitch is right, stands where it belongs, and comes on the scale that voices were trained with."""

from __future__ import annotations

import re
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from stages.errors import CannotStart, UnusableModel
from stages.rvc.pitch import choosing
from stages.rvc.pitch.choosing import PACKAGES, PitchEstimators, why_not
from stages.rvc.pitch.praat import PraatPitch
from stages.rvc.pitch.scale import coarse, shifted
from tests.random_rvc_features import TINY_RMVPE, build_rmvpe
from tests.rvc.voices import cents_off, glide, level, vowel
from tests.rvc_upstream import upstream

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from stages.audio.format import Samples
    from stages.rvc.pitch.estimator import PitchEstimator

CPU = torch.device("cpu")
BY_DSP = ("pm", "dio", "harvest")
GLITCHES = (29, 71, 72, 73, 74, 96, 100)
"""Frames for which Praat counts one less than there is room for: see `PraatPitch`."""


def available_methods(rmvpe_path: Path) -> list[str]:
    return [method for method in PACKAGES if why_not(method, rmvpe_path) is None]


def choose(method: str, rmvpe_path: Path, device: torch.device = CPU) -> PitchEstimator:
    return PitchEstimators(rmvpe_path, device, torch.float32).choose(method)


@pytest.fixture(params=BY_DSP)
def estimator(request: pytest.FixtureRequest, tmp_path: Path) -> PitchEstimator:
    return choose(request.param, tmp_path / "rmvpe.pt")


@pytest.fixture(scope="session")
def get_f0() -> Any:  # noqa: ANN401 - upstream has no types
    """rvc-python's, as its pipeline calls it: samples, semitones and method to steps and Hz."""
    config = SimpleNamespace(x_pad=1, x_query=6, x_center=38, x_max=41, is_half=False, device="cpu")
    pipeline = upstream("modules.vc.pipeline").Pipeline(48_000, config, "nowhere")

    def ask(
        samples: Samples, semitones: float, method: str
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        x = samples.astype(np.float64)
        key = f"{method} {hash(samples.tobytes())}"  # it caches by a name
        steps, f0 = pipeline.get_f0(key, x, len(x) // 160, semitones, method, 3)
        return steps, f0

    return ask


@pytest.mark.parametrize("hz", [80.0, 130.0, 210.0, 440.0, 800.0])
def test_a_vowel_has_the_pitch_that_it_was_made_with(estimator: PitchEstimator, hz: float) -> None:
    true = level(hz, 16_000)
    f0 = estimator.estimate(vowel(true))
    assert f0.shape == (100,)
    assert f0.dtype == np.float32
    assert (f0[5:-5] > 0).all()
    assert np.abs(cents_off(f0[5:-5], true)).max() < 5


def test_a_frame_stands_on_its_sample(estimator: PitchEstimator) -> None:
    """In a glide a frame to either side would be right instead if it did not."""
    true = glide(32_000)
    f0 = estimator.estimate(vowel(true))

    def off(shift: int) -> float:
        moved = np.roll(true, shift)
        return float(np.abs(cents_off(f0[10:-10], moved[1_600:])).mean())

    assert min(range(-160, 161, 20), key=off) == 0
    assert off(0) < 1


def test_praat_s_frames_never_slip() -> None:
    """Upstream's do: for some lengths Praat rounds 23.99999 frames down to 23, and they are half a
    frame late. Here a frame is the same however much follows."""
    true = glide(64_000)
    sound = vowel(true)
    whole = PraatPitch().estimate(sound)
    for n_frames in (*range(6, 30), *GLITCHES, 250):
        for more in (0, 1, 159):
            f0 = PraatPitch().estimate(sound[: n_frames * 160 + more])
            assert f0.shape == (n_frames,)
            voiced = f0 > 0
            assert voiced[3:-2].sum() == n_frames - 5
            assert not voiced[:3].any()
            assert not voiced[-2:].any()
            np.testing.assert_allclose(f0[3:-2], whole[3 : n_frames - 2], rtol=2e-3)
            assert np.abs(cents_off(f0, true)).max() < 3


@pytest.mark.parametrize("n_samples", [0, 1, 100, 159, 160, 161, 800, 959])
def test_what_is_too_short_is_unvoiced(estimator: PitchEstimator, n_samples: int) -> None:
    f0 = estimator.estimate(vowel(level(60.0, 16_000))[:n_samples])
    assert f0.shape == (n_samples // 160,)
    assert not f0.any()


def test_silence_is_unvoiced(estimator: PitchEstimator) -> None:
    assert not estimator.estimate(np.zeros(16_000, np.float32)).any()


@pytest.mark.parametrize("method", ["dio", "harvest"])
def test_what_jumps_for_one_frame_is_filtered_unless_the_radius_is_below_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    jump = np.array([200.0] * 50 + [900.0] + [200.0] * 50)
    monkeypatch.setattr("pyworld.stonemask", lambda *_: jump)
    estimator = choose(method, tmp_path)
    for radius in range(8):
        f0 = estimator.estimate(np.zeros(100 * 160, np.float32), radius)
        assert f0.max() == (900 if radius < 3 else 200)


def test_a_hiss_between_vowels_is_mostly_unvoiced(estimator: PitchEstimator) -> None:
    hiss = np.random.default_rng(0).normal(scale=0.05, size=16_000).astype(np.float32)
    sound = np.concatenate([vowel(level(150.0, 16_000)), hiss, vowel(level(150.0, 16_000))])
    voiced = estimator.estimate(sound) > 0
    assert voiced[10:90].all()
    assert voiced[210:290].all()
    assert voiced[110:190].mean() < 0.25


@pytest.mark.parametrize("semitones", [0, 12, -7])
@pytest.mark.parametrize("method", ["pm", "harvest"])
def test_pitch_and_steps_are_upstream_s(
    get_f0: Any,  # noqa: ANN401
    tmp_path: Path,
    method: str,
    semitones: int,
) -> None:
    n_frames = 90  # of `GLITCHES` one would not do
    sound = vowel(np.concatenate([glide(7_200), glide(7_200, 600.0)]))
    steps, theirs = get_f0(sound, semitones, method)
    ours = choose(method, tmp_path).estimate(sound)
    moved = shifted(torch.from_numpy(ours), semitones)
    both = (ours > 0) & (theirs[:n_frames] > 0)
    assert both.mean() > 0.8
    if method == "harvest":
        np.testing.assert_allclose(moved, theirs[:n_frames], rtol=1e-6)
        assert coarse(moved).tolist() == steps[:n_frames].tolist()
    else:  # our centres are half a sample later: off by what the glide moves in it
        assert ((ours > 0) == (theirs > 0)).all()
        off = np.abs(1200 * np.log2(moved.numpy()[both] / theirs[both]))
        assert off.max() < 0.2
        assert np.abs(coarse(moved).numpy() - steps).max() <= 1


def test_steps_are_upstream_s_for_any_pitch(get_f0: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    """Its estimator is replaced by one that finds what we want it to."""
    hz = np.concatenate([[0.0, 1e-3, 1.0, 49.9, 50.0, 50.1], np.geomspace(50, 1_200, 5_000)])

    class Sound:
        def __init__(self, *_: object) -> None:
            pass

        def to_pitch_ac(self, **_: object) -> SimpleNamespace:
            return SimpleNamespace(selected_array={"frequency": hz.copy()})

    monkeypatch.setattr(
        upstream("modules.vc.pipeline"), "parselmouth", SimpleNamespace(Sound=Sound)
    )
    for semitones in (0, 5, -12):
        steps, theirs = get_f0(np.zeros(160 * len(hz), np.float32), semitones, "pm")
        ours = coarse(shifted(torch.from_numpy(hz), semitones))
        assert ours.dtype == torch.int64
        assert ours.tolist() == steps.tolist()
        np.testing.assert_allclose(shifted(torch.from_numpy(hz), semitones), theirs, rtol=1e-12)


def test_steps_keep_their_shape_and_bounds() -> None:
    f0 = torch.tensor([[0.0, 30.0, 50.0], [1_100.0, 5_000.0, 220.0]])
    assert coarse(f0).tolist() == [[1, 1, 1], [255, 255, 60]]


def test_what_is_unvoiced_stays_so_at_any_key() -> None:
    assert shifted(torch.tensor([0.0, 100.0]), 12).tolist() == [0.0, 200.0]


def test_auto_takes_rmvpe_on_a_gpu_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = build_rmvpe(tmp_path / "rmvpe.pt", TINY_RMVPE)
    gpu = torch.device("cuda")
    assert choose("auto", path).name == "pm"
    assert choose("auto", tmp_path / "none.pt", gpu).name == "pm"
    read = partial(SimpleNamespace, name="rmvpe")
    monkeypatch.setattr("stages.rvc.pitch.rmvpe.read_rmvpe", lambda *_: read())
    assert choose("auto", path, gpu).name == "rmvpe"


def test_each_method_can_be_chosen(tmp_path: Path) -> None:
    path = build_rmvpe(tmp_path / "rmvpe.pt", TINY_RMVPE)
    assert available_methods(path) == ["pm", "dio", "harvest", "rmvpe"]
    for method in available_methods(path):
        assert choose(method, path).name == method


def test_a_method_that_cannot_be_had_is_refused_with_the_command_that_gets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rmvpe" / "rmvpe.pt"
    assert available_methods(path) == ["pm", "dio", "harvest"]
    gets_it = f"server.py fetch rmvpe --models {tmp_path}"
    with pytest.raises(CannotStart, match=rf"rmvpe\.pt; to get it: .* {re.escape(gets_it)}"):
        choose("rmvpe", path)
    with pytest.raises(CannotStart, match="no pitch method 'crepe'; there are auto, pm, dio, har"):
        choose("crepe", path)
    monkeypatch.setattr(choosing, "find_spec", lambda _: None)
    assert available_methods(path) == []
    with pytest.raises(CannotStart, match="pm needs parselmouth; to get it: make setup"):
        choose("auto", path)


def test_a_bad_file_is_refused_when_it_is_chosen(tmp_path: Path) -> None:
    (tmp_path / "rmvpe.pt").write_bytes(b"none")
    with pytest.raises(UnusableModel, match=r"rmvpe\.pt is not what torch\.save writes"):
        choose("rmvpe", tmp_path / "rmvpe.pt")
