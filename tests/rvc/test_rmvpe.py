"""RMVPE is rvc-python's, to the hundredth of a cent, for any number of rows at once; another file
is refused with the reason, and runs nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from stages.errors import UnusableModel
from stages.rvc.pitch.mel import LogMel
from stages.rvc.pitch.rmvpe import RmvpePitch, decode, read_rmvpe
from stages.rvc.pitch.rmvpe_network import Rmvpe
from tests.random_rvc_features import FULL_RMVPE, MINUTE, TINY_RMVPE, build_hubert, build_rmvpe
from tests.rvc.bomb import Bomb
from tests.rvc.voices import words
from tests.rvc_upstream import upstream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

CPU = torch.device("cpu")
RMVPE = "rmvpe.pt"
FIRST = "unet.encoder.layers.0.conv.0.conv.0.weight"


@pytest.fixture(scope="session")
def tiny_rmvpe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_rmvpe(tmp_path_factory.mktemp("tiny") / RMVPE, TINY_RMVPE)


@pytest.fixture
def tiny(tiny_rmvpe: Path) -> RmvpePitch:
    return read_rmvpe(tiny_rmvpe, CPU, torch.float32)


def cents_apart(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> NDArray[np.float64]:
    both = (ours > 0) & (theirs > 0)
    apart: NDArray[np.float64] = np.abs(1200 * np.log2(ours[both] / theirs[both]))
    return apart


def test_the_published_size_finds_what_rvc_python_finds(tmp_path: Path) -> None:
    path = build_rmvpe(tmp_path / RMVPE, FULL_RMVPE)
    assert len(torch.load(path, weights_only=True)) == 741
    theirs = upstream("lib.rmvpe").RMVPE(path, is_half=False, device="cpu")
    ours = read_rmvpe(path, CPU, torch.float32)
    for n_samples in (16_000, 63 * 160, 8_123):
        sound = words(n_samples)
        expected = theirs.infer_from_audio(sound)[: n_samples // 160]
        found = ours.estimate(sound)
        assert found.shape == expected.shape
        assert found.dtype == np.float32
        assert 0.1 < (expected > 0).mean() < 0.9  # random, but neither silent nor the same
        assert np.log2(expected[expected > 0]).std() > 0.1
        assert ((found > 0) == (expected > 0)).all()
        assert cents_apart(found, expected).max() < 0.01


def test_the_spectrogram_is_rvc_python_s() -> None:
    theirs = upstream("lib.rmvpe").MelSpectrogram(False, 128, 16_000, 1024, 160, None, 30, 8_000)
    ours = LogMel()
    torch.testing.assert_close(ours.bands, theirs.mel_basis, rtol=1e-6, atol=1e-9)
    sound = torch.from_numpy(words(5_000))[None]
    torch.testing.assert_close(ours(sound), theirs(sound), rtol=0, atol=1e-4)
    assert ours(sound).shape == (1, 128, 32)


def test_decoding_is_rvc_python_s_at_every_edge() -> None:
    salience = np.random.default_rng(0).random((400, 360), dtype=np.float32) ** 8
    salience[0] = 0
    salience[1] *= 0.01  # nothing above the threshold
    salience[2] = 0.03  # nor on it
    for row in range(360):  # the likeliest at each pitch, both ends among them
        salience[10 + row, row] = 1.5
    rvc_python = upstream("lib.rmvpe").RMVPE
    tables = SimpleNamespace(cents_mapping=np.pad(20 * np.arange(360) + 1997.3794084376191, (4, 4)))
    with np.errstate(invalid="ignore"):  # 0 / 0 in the first row, which it then overwrites
        cents = rvc_python.to_local_average_cents(tables, salience, thred=0.03)
    expected = np.where(cents == 0, 0, 10 * 2 ** (cents / 1200))
    found = decode(torch.from_numpy(salience)).numpy()
    assert found[:3].tolist() == expected[:3].tolist() == [0, 0, 0]
    assert (found[3:] > 0).all()
    np.testing.assert_allclose(found, expected, rtol=2e-6)


def test_decoding_takes_any_number_of_rows() -> None:
    salience = torch.rand(3, 5, 360)
    assert torch.equal(decode(salience)[1, 2], decode(salience[1, 2]))
    assert decode(salience[:0]).shape == (0, 5)


def test_rows_do_not_change_each_other(tiny: RmvpePitch) -> None:
    sound = torch.from_numpy(words(32_000)).view(4, 8_000)
    together = tiny.estimate_batch(sound)
    assert together.shape == (4, 50)
    assert together.dtype == torch.float32
    for row in range(4):
        alone = torch.from_numpy(tiny.estimate(sound[row].numpy()))
        assert ((alone > 0) == (together[row] > 0)).all()
        torch.testing.assert_close(alone, together[row], rtol=1e-5, atol=0)


@pytest.mark.parametrize(("dtype", "cents"), [(torch.bfloat16, 10), (torch.float16, 1)])
def test_less_precision_does_for_pitch(
    tiny: RmvpePitch, tiny_rmvpe: Path, dtype: torch.dtype, cents: float
) -> None:
    less = read_rmvpe(tiny_rmvpe, CPU, dtype).estimate(words(32_000))
    more = tiny.estimate(words(32_000))
    assert ((less > 0) == (more > 0)).mean() > 0.95
    # Where two pitches are as likely, either may be: that is no matter of precision.
    assert np.percentile(cents_apart(less, more), 90) < cents


@pytest.mark.parametrize("n_samples", [0, 1, 159, 160, 512])
def test_what_is_too_short_is_unvoiced(tiny: RmvpePitch, n_samples: int) -> None:
    assert tiny.estimate(words(16_000)[:n_samples]).tolist() == [0.0] * (n_samples // 160)


@pytest.mark.parametrize("n_samples", [513, 960, 63 * 160, 63 * 160 + 159, 64 * 160])
def test_every_length_has_its_frames(tiny: RmvpePitch, n_samples: int) -> None:
    assert tiny.estimate(words(16_000)[:n_samples]).shape == (n_samples // 160,)


def test_samples_may_be_read_only(tiny: RmvpePitch) -> None:
    sound = words(3_200)
    sound.flags.writeable = False
    assert tiny.estimate(sound).shape == (20,)


def test_normalisation_is_folded_into_the_convolutions(tiny_rmvpe: Path) -> None:
    """With the same result: the largest part of the network's modules is gone."""
    weights = torch.load(tiny_rmvpe, weights_only=True)
    plain = Rmvpe(TINY_RMVPE).eval()
    plain.load_state_dict({name: w.float() for name, w in weights.items()})
    fused = Rmvpe(TINY_RMVPE).eval()
    fused.load_state_dict(plain.state_dict())
    fused.fuse()
    norms = [module for module in fused.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert len(norms) == 1  # what comes in: there is no convolution before it
    mel = torch.randn(2, 128, 64)
    with torch.inference_mode():
        torch.testing.assert_close(fused(mel), plain(mel), rtol=0, atol=1e-4)


def complaint(path: Path) -> str:
    with pytest.raises(UnusableModel) as refusal:
        read_rmvpe(path, CPU, torch.float32)
    said = str(refusal.value)
    assert str(path) in said
    assert "\n" not in said
    return said


def test_a_missing_file_is_named_with_the_command_that_gets_it(tmp_path: Path) -> None:
    path = tmp_path / "rmvpe" / RMVPE
    told = f"is missing; to get it: .venv/bin/python server.py fetch rmvpe --models {tmp_path}"
    assert told in complaint(path)


@pytest.mark.parametrize("keep", [0, 0.5, 0.99])
def test_a_truncated_file_is_refused(tiny_rmvpe: Path, tmp_path: Path, keep: float) -> None:
    data = tiny_rmvpe.read_bytes()
    (tmp_path / RMVPE).write_bytes(data[: int(len(data) * keep)])
    assert complaint(tmp_path / RMVPE)


def test_another_model_is_refused(tmp_path: Path) -> None:
    path = build_hubert(tmp_path / RMVPE, MINUTE)
    assert "cannot be read" in complaint(path)  # fairseq's dictionary is nothing to it
    torch.save({"weight": {}, "config": []}, path)
    assert f"is not RMVPE: it misses {FIRST}" in complaint(path)
    torch.save([1], path)
    assert "is not a state dict" in complaint(path)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda weights: weights.pop("fc.1.bias"), "is not RMVPE: it misses fc.1.bias"),
        (lambda weights: weights.pop(FIRST), f"is not RMVPE: it misses {FIRST}"),
        (lambda weights: weights.update({FIRST: torch.zeros(4)}), "a convolution"),
        (lambda weights: weights.update({FIRST: torch.zeros(32, 1, 3, 3)}), "channels is 32"),
        (lambda weights: weights.update({FIRST: torch.zeros(0, 1, 3, 3)}), "channels is 0"),
        (
            lambda weights: weights.update(
                {"unet.encoder.layers.0.conv.999.conv.0.weight": torch.zeros(1)}
            ),
            "n_blocks is 1000, and RMVPE's is 4",
        ),
        (
            lambda weights: weights.update(
                {f"unet.intermediate.layers.{'9' * 9}.x": torch.ones(1)}
            ),
            "it has also unet.intermediate.layers.999999999.x",
        ),
        (lambda weights: weights.update(more=torch.zeros(1)), "it has also more"),
        (lambda weights: weights.update({7: torch.zeros(1)}), "it has also 7"),
        (lambda weights: weights.update({"fc.1.bias": torch.zeros(359)}), "the shape (359,)"),
        (lambda weights: weights.update({"fc.1.bias": 1.0}), "not a state dict of plain tensors"),
        (lambda weights: weights["fc.1.bias"].fill_(torch.inf), "fc.1.bias holds values that are"),
        (
            lambda weights: weights["unet.encoder.bn.running_var"].fill_(-1),
            "unet.encoder.bn.running_var holds variances below 0",
        ),
    ],
)
def test_another_network_is_refused(
    tiny_rmvpe: Path, tmp_path: Path, edit: Callable[[dict[Any, Any]], object], said: str
) -> None:
    weights = torch.load(tiny_rmvpe, weights_only=True)
    edit(weights)
    torch.save(weights, tmp_path / RMVPE)
    assert said in complaint(tmp_path / RMVPE)


def test_counts_of_batches_may_be_missing(tiny_rmvpe: Path, tmp_path: Path) -> None:
    weights = torch.load(tiny_rmvpe, weights_only=True)
    kept = {name: w for name, w in weights.items() if not name.endswith("num_batches_tracked")}
    assert len(kept) < len(weights)
    torch.save(kept, tmp_path / RMVPE)
    ours = read_rmvpe(tmp_path / RMVPE, CPU, torch.float32).estimate(words(8_000))
    theirs = read_rmvpe(tiny_rmvpe, CPU, torch.float32).estimate(words(8_000))
    assert ours.tolist() == theirs.tolist()


def test_a_malicious_file_runs_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    torch.save({"fc.1.bias": Bomb(mark)}, tmp_path / RMVPE)
    assert "cannot be read" in complaint(tmp_path / RMVPE)
    assert not mark.exists()
