"""Once a voice was chosen and loaded, no sentence meets a convolution of a length
that was not met before."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import torch

from stages.items import Style
from stages.rvc.engine import RvcEngine, RvcOptions
from stages.rvc.network.convolution import SoundConv
from stages.rvc.voices.library import VoiceEntry
from stages.rvc.voices.settings import VoiceSettings
from tests.engine_driver import DrivenRequest, make_segment
from tests.random_rvc import build_voice
from tests.random_rvc_features import MINUTE, build_hubert
from tests.rvc.conversions import LEAST
from tests.rvc.voices import words
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Hashable
    from pathlib import Path

RATE = 16_000
STEP = 1120
"""Samples that sentences differ by here: 70 ms, less than a last block is shortened by."""


class Met:
    """The shapes of all convolutions so far: weights, steps and input."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shapes: set[Hashable] = set()
        convolve, transpose = SoundConv.__call__, torch.nn.functional.conv_transpose2d

        def seen(convolution: SoundConv, x: torch.Tensor) -> torch.Tensor:
            made = convolve(convolution, x)
            # What it is made of shows in what it makes: kernel, stride and dilation.
            self.shapes.add((convolution.kernel, x.shape, made.shape))
            return made

        def seen_transposed(x: torch.Tensor, weight: torch.Tensor, *rest: Any, **how: Any) -> Any:  # noqa: ANN401 - as torch has it
            self.shapes.add((weight.shape, x.shape))
            return transpose(x, weight, *rest, **how)

        monkeypatch.setattr(SoundConv, "__call__", seen)
        monkeypatch.setattr(torch.nn.functional, "conv_transpose2d", seen_transposed)


@pytest.fixture
def met(monkeypatch: pytest.MonkeyPatch) -> Met:
    return Met(monkeypatch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voices")
    build_hubert(folder / "hubert_base.pt", size=MINUTE)
    build_voice(folder / "anna.pth", "v1", size=LEAST, seed=1)
    build_voice(folder / "bert.pth", "v1", size=LEAST, seed=2)
    build_voice(folder / "carl.pth", "v1", "40k", has_pitch=False, size=LEAST, seed=3)
    return folder


def engine_of(folder: Path, block_frames: int = 32) -> RvcEngine:
    entries = {
        name: VoiceEntry(name, folder / f"{name}.pth", None, None, VoiceSettings())
        for name in ("anna", "bert", "carl")
    }
    options = RvcOptions(
        content=folder / "hubert_base.pt",
        rmvpe=folder / "rmvpe.pt",
        device=torch.device("cpu"),
        dtype=torch.float32,
        block_frames=block_frames,
    )
    engine = RvcEngine(entries, options)
    engine.load()
    return engine


def load_ahead(engine: RvcEngine, voice: str) -> None:
    engine.load_voice("listener", Style(voice), ahead=True).result(PATIENCE_S)


def say(engine: RvcEngine, voice: str, n_samples: int) -> None:
    request = DrivenRequest(make_segment("Said.", voice))
    request.push(words(n_samples), RATE, is_last=True)
    voice_loading = engine.load_voice(request, request.segment.style)
    assert voice_loading.done(), "the voice is not there"
    request.voice = voice_loading.result()
    while not request.finished:
        assert engine.can_step(request)
        engine.step([request])
    engine.leave(request)


@pytest.mark.parametrize("block_frames", [16, 34, 64])  # the others speak with 32
def test_a_voice_that_was_chosen_meets_nothing_new(
    folder: Path, met: Met, block_frames: int
) -> None:
    engine = engine_of(folder, block_frames)
    load_ahead(engine, "anna")
    known = set(met.shapes)
    assert known
    for n_samples in range(1, 16_000 + block_frames * 160, STEP):
        say(engine, "anna", n_samples)
    engine.close()
    assert met.shapes == known


def test_another_voice_of_its_kind_needs_no_warming(folder: Path, met: Met) -> None:
    engine = engine_of(folder)
    load_ahead(engine, "anna")
    met.shapes.clear()
    load_ahead(engine, "bert")
    assert not met.shapes
    engine.close()


def test_one_of_another_kind_is_warmed_when_it_is_chosen(folder: Path, met: Met) -> None:
    engine = engine_of(folder)
    load_ahead(engine, "anna")
    load_ahead(engine, "carl")
    known = set(met.shapes)
    for n_samples in range(1, 16_000, STEP):
        say(engine, "carl", n_samples)
    engine.close()
    assert met.shapes == known


def test_it_is_warmed_beside_the_model_thread(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[str] = set()
    is_met = threading.Event()
    convolve = SoundConv.__call__

    def seen(convolution: SoundConv, x: torch.Tensor) -> torch.Tensor:
        threads.add(threading.current_thread().name)
        is_met.set()
        return convolve(convolution, x)

    monkeypatch.setattr(SoundConv, "__call__", seen)
    engine = engine_of(folder)
    load_ahead(engine, "carl")
    assert is_met.is_set()
    engine.close()
    assert threads == {"voices_0"}
