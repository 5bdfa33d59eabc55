"""The law of slots: whoever comes, speaks, ends, interrupts or fails when, each who stays gets its
own sound whole, and nothing is left behind."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stages.neural.graphs import Graphs
from stages.rvc.pitch.praat import PraatPitch
from tests.rvc.slots.slot_engine import (
    CPU,
    RATE,
    SPEECH,
    Driver,
    build_voices,
    engine_of,
    request_that_listens,
)
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from stages.audio.format import Samples
    from stages.engine import Launched
    from stages.rvc.engine import RvcEngine
    from tests.engine_driver import DrivenRequest

METHODS = {"anna": "pm", "bert": "harvest", "carl": "pm", "dora": "rmvpe"}
N_SLOTS = 2
BROKEN = 7
"""The `filter_radius` with which pm finds no pitch."""
LENGTHS = 0, 1, 2, 19, 79, 80, 161, 1_279, 1_280, 1_281, 2_560, 3_841, 6_000
PIECES = 1, 17, 160, 999, 6_000


@dataclass(frozen=True)
class Said:
    """What is said to a listener, and how."""

    voice: str
    n_samples: int
    speed: float
    settings: tuple[tuple[str, float], ...]

    @classmethod
    def any(cls, draw: random.Random) -> Said:
        settings = {
            "index_rate": draw.choice([0.0, 1.0]),
            "protect": draw.choice([0.2, 0.5]),
            "rms_mix_rate": draw.choice([0.3, 1.0]),
            "formant_shift": draw.choice([0.0, 0.0, 0.0, 2.0]),
            "filter_radius": draw.choice([3, 3, 3, BROKEN]),
        }
        return cls(
            draw.choice([*METHODS]),
            draw.choice(LENGTHS),
            draw.choice([1.0, 1.0, 1.6]),
            tuple(settings.items()),
        )

    @property
    def is_broken(self) -> bool:
        """It fails as soon as its pitch is wanted."""
        return (
            self.voice == "anna"
            and self.n_samples > 1
            and ("filter_radius", BROKEN) in (self.settings)
        )

    def request(self) -> DrivenRequest:
        request = request_that_listens(self.voice, **dict(self.settings))
        segment = request.segment
        request.segment = replace(segment, style=replace(segment.style, speed=self.speed))
        return request

    def sound(self, engine: RvcEngine) -> Samples:
        """What it sounds like where nobody else is."""
        request = self.request()
        request.push(SPEECH[: self.n_samples], RATE, is_last=True)
        (sound,) = Driver(engine).run(request)
        return sound


class Crowd:
    """The executor's part, with listeners who come and go at any moment."""

    def __init__(self, engine: RvcEngine, draw: random.Random, n_listeners: int) -> None:
        self.engine = engine
        self.stayed: dict[DrivenRequest, Said] = {}
        self._draw = draw
        self._n_to_come = n_listeners
        self._here: dict[DrivenRequest, Said] = {}
        self._n_pushed: dict[DrivenRequest, int] = {}
        self._launched: list[tuple[Launched, list[DrivenRequest]]] = []
        self._gone: set[DrivenRequest] = set()
        """Those in a launched step who have left."""
        self._woken = threading.Event()
        engine.wake = self._woken.set

    def run(self) -> None:
        while self._n_to_come or self._here or self._launched:
            act = self._draw.choice(
                [self._come, *[self._speak] * 4, *[self._step] * 3, *[self._finish] * 2, self._go]
            )
            act()

    def _come(self) -> None:
        if self._n_to_come:
            self._n_to_come -= 1
            said = Said.any(self._draw)
            request = said.request()
            loading = self.engine.load_voice(request, request.segment.style)
            request.voice = loading.result(PATIENCE_S)
            self._here[request] = said
            self._n_pushed[request] = 0

    def _speak(self) -> None:
        speaking = [request for request in self._here if not request.input_ended]
        if not speaking:
            return
        request = self._draw.choice(speaking)
        start, stop = self._n_pushed[request], self._here[request].n_samples
        self._n_pushed[request] = end = min(stop, start + self._draw.choice(PIECES))
        is_last = end == stop and (start == stop or self._draw.random() < 0.3)
        request.push(SPEECH[start:end], RATE, is_last=is_last)

    def _step(self) -> None:
        """Where nothing else is going on, wait for somebody who can go on."""
        if len(self._launched) == 2:
            return
        in_steps = {request for _, batch in self._launched for request in batch}
        waiting = [request for request in self._here if request not in in_steps]
        able: list[DrivenRequest] = []
        while not able:
            self._woken.clear()
            able = [request for request in waiting if self.engine.can_step(request)]
            if not able:
                if in_steps or not all(request.input_ended for request in waiting) or not waiting:
                    return
                assert self._woken.wait(PATIENCE_S), "nobody can go on"
        self._draw.shuffle(able)
        chosen = {*self.engine.choose(able)}
        assert chosen
        batch = [request for request in able if request in chosen]
        assert len(batch) == len(chosen)
        launched = self.engine.step(batch)
        if launched is not None:
            self._launched.append((launched, batch))
        else:
            self._end(batch)

    def _finish(self) -> None:
        if self._launched:
            launched, batch = self._launched.pop(0)
            launched.finish()
            self._end(batch)

    def _end(self, batch: list[DrivenRequest]) -> None:
        for request in batch:
            if request in self._gone:
                self._gone.remove(request)
            elif request.finished or request.error:
                self.stayed[request] = self._here.pop(request)
            else:
                continue
            self.engine.leave(request)
            self.engine.release_voice(request)

    def _go(self) -> None:
        """Now and then somebody interrupts."""
        if self._here and self._draw.random() < 0.1:
            request = self._draw.choice([*self._here])
            del self._here[request]
            if any(request in batch for _, batch in self._launched):
                self._gone.add(request)
            else:
                self.engine.leave(request)
                self.engine.release_voice(request)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RvcEngine]:
    folder = build_voices(tmp_path_factory.mktemp("rvc"))
    engine = engine_of(folder, METHODS, Graphs(CPU), n_slots=N_SLOTS)
    yield engine
    engine.close()


@pytest.mark.parametrize("seed", range(3))
def test_everybody_who_stays_gets_its_own_sound(
    engine: RvcEngine, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    estimate = PraatPitch.estimate

    def breaks(self: PraatPitch, samples: Samples, filter_radius: int = 3) -> NDArray[np.float32]:
        if filter_radius == BROKEN:
            raise FloatingPointError("no")
        return estimate(self, samples, filter_radius)

    monkeypatch.setattr(PraatPitch, "estimate", breaks)
    crowd = Crowd(engine, random.Random(seed), n_listeners=8)
    crowd.run()
    slots = engine._slots  # noqa: SLF001 - that none is lost shows only there
    assert slots is not None
    assert sorted(slots._free) == [*range(N_SLOTS)]  # noqa: SLF001
    assert not engine._conversions  # noqa: SLF001
    assert crowd.stayed
    for request, said in crowd.stayed.items():
        if request.error is None:
            np.testing.assert_allclose(request.sound, said.sound(engine), rtol=0, atol=1e-5)
        else:
            assert said.is_broken
