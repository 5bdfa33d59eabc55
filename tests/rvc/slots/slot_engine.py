"""An engine with slots on a CPU, and one with streams and the same blocks to compare it with."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import torch

from stages.rvc import schedule
from stages.rvc.engine import RvcEngine, RvcOptions
from stages.rvc.schedule import Block
from stages.rvc.slots.plan import SteadyShape
from stages.rvc.voices.library import VoiceEntry
from stages.rvc.voices.settings import VoiceSettings
from tests.engine_driver import DrivenRequest, make_segment
from tests.random_rvc import build_index, build_voice
from tests.random_rvc_features import MINUTE, TINY_RMVPE, build_hubert, build_rmvpe
from tests.rvc.conversions import LEAST
from tests.rvc.voices import words
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pytest

    from stages.audio.format import Samples
    from stages.neural.graphs import Graphs

CPU = torch.device("cpu")
RATE = 16_000
"""At which there is nothing to resample: what slots and streams say is then the same."""
SPEECH = words(11_200)
BLOCK_FRAMES = 32


def build_voices(folder: Path) -> Path:
    """A folder with what RVC needs, and voices of one version: anna has an index, bert another
    rate, and carl no pitch."""
    build_hubert(folder / "hubert_base.pt", size=MINUTE)
    build_rmvpe(folder / "rmvpe.pt", size=TINY_RMVPE)
    build_voice(folder / "anna.pth", "v1", size=LEAST, seed=1)
    build_index(folder / "anna.index", 256, n_vectors=200)
    build_voice(folder / "bert.pth", "v1", "40k", size=LEAST, seed=2)
    build_voice(folder / "carl.pth", "v1", has_pitch=False, size=LEAST, seed=3)
    build_voice(folder / "dora.pth", "v1", size=LEAST, seed=4)
    build_voice(folder / "emil.pth", "v1", size=LEAST, seed=5)
    return folder


def entries(folder: Path, methods: dict[str, str]) -> dict[str, VoiceEntry]:
    """Voices of a folder, with the method by which the pitch of each is found."""
    return {
        name: VoiceEntry(
            name,
            folder / f"{name}.pth",
            index if (index := folder / f"{name}.index").exists() else None,
            None,
            VoiceSettings.model_validate({"pitch_method": method}),
        )
        for name, method in methods.items()
    }


def engine_of(
    folder: Path,
    methods: dict[str, str],
    graphs: Graphs | None,
    device: torch.device = CPU,
    *,
    n_slots: int = 16,
    in_rates: tuple[int, ...] = (RATE,),
) -> RvcEngine:
    options = RvcOptions(
        content=folder / "hubert_base.pt",
        rmvpe=folder / "rmvpe.pt",
        device=device,
        dtype=torch.float32,
        block_frames=BLOCK_FRAMES,
        in_rates=in_rates,
        n_slots=n_slots,
    )
    engine = RvcEngine(entries(folder, methods), options, graphs=graphs)
    engine.load()
    return engine


def request_for(
    voice: str, speech: Samples = SPEECH, *, in_rate: int = RATE, **settings: float
) -> DrivenRequest:
    """All of whose speech is there."""
    request = request_that_listens(voice, **settings)
    request.push(speech, in_rate)
    request.push(np.empty(0, np.float32), in_rate, is_last=True)
    return request


def request_that_listens(voice: str, **settings: float) -> DrivenRequest:
    """With nothing said yet."""
    segment = make_segment("Said.", voice, pitch_shift=2.0)
    style = replace(segment.style, seed=1, conversion=settings)
    return DrivenRequest(replace(segment, style=style))


class Driver:
    """The executor's part for one engine."""

    def __init__(self, engine: RvcEngine) -> None:
        self.engine = engine
        self.sizes: list[int] = []
        """Of the steps that were taken."""
        self._woken = threading.Event()
        engine.wake = self._woken.set

    def load(self, *requests: DrivenRequest) -> None:
        for request in requests:
            loading = self.engine.load_voice(request, request.segment.style)
            request.voice = loading.result(PATIENCE_S)

    def able(self, requests: Sequence[DrivenRequest]) -> list[DrivenRequest]:
        """Those that can go on, as soon as there are any."""
        while True:
            self._woken.clear()
            able = [request for request in requests if self.engine.can_step(request)]
            if able:
                return able
            assert self._woken.wait(PATIENCE_S)

    def step(self, requests: Sequence[DrivenRequest]) -> None:
        batch = self.engine.choose(self.able(requests))
        self.sizes.append(len(batch))
        launched = self.engine.step(batch)
        if launched is not None:
            launched.finish()

    def run(self, *requests: DrivenRequest) -> list[Samples]:
        """The sound of all of them."""
        self.load(*(request for request in requests if request.voice is None))
        live = list(requests)
        while live:
            self.step(live)
            live = [request for request in live if not (request.finished or request.error)]
        return [request.sound for request in requests]


def said_by_streams(
    engine: RvcEngine, request: DrivenRequest, monkeypatch: pytest.MonkeyPatch
) -> Samples:
    """What an engine says without slots, in the same blocks."""

    def steady(block_frames: int, left: int, right: int) -> Iterator[Block]:
        return SteadyShape.of(block_frames).blocks(left, right)

    with monkeypatch.context() as patch:
        own = SimpleNamespace(**{**vars(schedule), "blocks": steady})
        patch.setattr("stages.rvc.streaming.schedule", own)
        patch.setattr(Block, "ending_at", lambda block, _: block)
        (sound,) = Driver(engine).run(request)
    return sound
