"""What RVC does on a GPU, as far as it can be tried without one; see `stand_in_device`.

Nothing of it is a graph, so it may copy to the device as it likes; results are fetched by
``Tensor.cpu`` and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from stages.audio.resample import resampled_length
from stages.items import Style
from stages.rvc.conversion import Converter
from stages.rvc.engine import RvcEngine, RvcOptions
from stages.rvc.pitch.rmvpe import read_rmvpe
from stages.rvc.voices.library import VoiceEntry
from stages.rvc.voices.settings import VoiceSettings
from stages.rvc.warm_up import WarmUp
from tests.engine_driver import DrivenRequest, make_segment
from tests.neural.stand_in_device import DEVICE, ResultsAreZero, capturing
from tests.random_rvc import TINY, build_index, build_voice
from tests.random_rvc_features import TINY as TINY_HUBERT
from tests.random_rvc_features import TINY_RMVPE, build_hubert, build_rmvpe
from tests.rvc.voices import words
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from stages.audio.format import Samples
    from stages.rvc.streaming import ConversionStream
    from stages.rvc.voices.loaded import LoadedVoice

RATE = 16_000
SPEECH = words(12_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rvc")
    build_hubert(folder / "hubert_base.pt", size=TINY_HUBERT)
    build_voice(folder / "anna.pth", size=TINY)
    build_index(folder / "anna.index", n_vectors=200)
    build_voice(folder / "bert.pth", version="v1", rate="40k", size=TINY)
    build_voice(folder / "carl.pth", rate="32k", has_pitch=False, size=TINY)
    return folder


def entry(folder: Path, voice: str, pitch_method: str) -> VoiceEntry:
    index = folder / f"{voice}.index"
    settings = VoiceSettings.model_validate({"pitch_method": pitch_method})
    return VoiceEntry(
        voice, folder / f"{voice}.pth", index if index.exists() else None, None, settings
    )


class DevicePitch:
    """In rmvpe's place, whose recurrent layer takes `meta` seconds."""

    name = "rmvpe"
    n_bytes = 0

    def estimate(self, samples: Samples, filter_radius: int = 3) -> NDArray[np.float32]:
        raise NotImplementedError("several are asked for at once")

    def estimate_batch(self, samples: torch.Tensor) -> torch.Tensor:
        assert samples.device == DEVICE
        return samples.new_zeros(len(samples), samples.shape[1] // 160)


@pytest.fixture
def engine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RvcEngine]:
    """In bfloat16, with what stays in float32 beside it."""
    entries = {
        "anna": entry(folder, "anna", "rmvpe"),
        "bert": entry(folder, "bert", "pm"),
        "carl": entry(folder, "carl", "pm"),
    }
    (folder / "rmvpe.pt").touch()
    monkeypatch.setattr("stages.rvc.pitch.rmvpe.read_rmvpe", lambda *_: DevicePitch())
    meet = WarmUp.meet

    def meet_on_the_device(self: WarmUp, voice: LoadedVoice) -> None:
        with ResultsAreZero():  # of this thread, which reads the voices
            meet(self, voice)

    monkeypatch.setattr(WarmUp, "meet", meet_on_the_device)
    options = RvcOptions(folder / "hubert_base.pt", folder / "rmvpe.pt", DEVICE, torch.bfloat16)
    engine = RvcEngine(entries, options)
    engine.load()
    for voice in entries:
        engine.load_voice("listener", Style(voice), ahead=True).result(PATIENCE_S)
    yield engine
    engine.close()


def request_for(voice: str, **settings: float) -> DrivenRequest:
    segment = make_segment("Said.", voice, pitch_shift=2.0)
    request = DrivenRequest(
        replace(segment, style=replace(segment.style, seed=1, conversion=settings))
    )
    request.push(SPEECH, RATE)
    request.push(np.empty(0, np.float32), RATE, is_last=True)
    return request


def run_all(engine: RvcEngine, requests: Sequence[DrivenRequest]) -> None:
    """As the executor does."""
    for request in requests:
        request.voice = engine.load_voice(request, request.segment.style).result(PATIENCE_S)
    live = list(requests)
    while live:
        engine.step(engine.choose([request for request in live if engine.can_step(request)]))
        live = [request for request in live if not (request.finished or request.error)]


def test_listeners_of_all_voices_are_converted_on_the_device(
    engine: RvcEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several at once: of one voice and of several, with pitch from the device and from the CPU
    and with none, with an index, with formants that are shifted, and as other speakers."""
    sizes = []
    advance = Converter.advance

    def counted(self: Converter, streams: Sequence[ConversionStream]) -> list[Samples]:
        sizes.append(len(streams))
        return advance(self, streams)

    monkeypatch.setattr(Converter, "advance", counted)
    requests = [
        request_for("anna", index_rate=0.5, protect=0.2),
        request_for("anna", index_rate=0.0, speaker=1),
        request_for("anna", index_rate=1.0, protect=0.5, formant_shift=4.0),
        request_for("bert", rms_mix_rate=0.0),
        request_for("bert", rms_mix_rate=0.0, formant_shift=-3.0),
        request_for("carl", formant_shift=1.0),
        request_for("carl"),
    ]
    with ResultsAreZero():
        run_all(engine, requests)
    assert [request.error for request in requests] == [None] * len(requests)
    wanted = resampled_length(len(SPEECH), RATE, 48_000)
    assert [len(request.sound) for request in requests] == [wanted] * len(requests)
    assert max(sizes) > 1


def test_listeners_who_differ_in_the_filter_radius_go_together(
    engine: RvcEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each radius had an rmvpe of its own, so pitch was found for one listener after the other."""
    sizes = set()
    estimate_batch = DevicePitch.estimate_batch

    def counted(self: DevicePitch, samples: torch.Tensor) -> torch.Tensor:
        sizes.add(len(samples))
        return estimate_batch(self, samples)

    monkeypatch.setattr(DevicePitch, "estimate_batch", counted)
    with ResultsAreZero():
        run_all(engine, [request_for("anna", filter_radius=radius) for radius in (0, 3, 7)])
    assert sizes == {3}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@torch.inference_mode()
def test_rmvpe_finds_pitch_on_the_device(tmp_path: Path, dtype: torch.dtype) -> None:
    """Of several at once. It could be a part of a graph."""
    pitch = read_rmvpe(build_rmvpe(tmp_path / "rmvpe.pt", size=TINY_RMVPE), DEVICE, dtype)
    speech = torch.zeros(3, 96 * 160 + 7, device=DEVICE)
    with capturing():
        f0 = pitch.estimate_batch(speech)
        too_short = pitch.estimate_batch(speech[:, :500])
    assert (f0.shape, f0.dtype) == ((3, 96), torch.float32)
    assert too_short.shape == (3, 3)
    with ResultsAreZero():
        assert pitch.estimate(SPEECH[:3200]).shape == (20,)
