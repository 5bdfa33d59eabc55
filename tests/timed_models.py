"""A model thread on Trio's clock: one step at a time, each as long as its engine needs."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import trio
from prometheus_client.parser import text_string_to_metric_families

from pipeline.real_time import WorkMeter
from pipeline.rehearsal import rehearse
from stages.engine import Engine
from stages.items import PcmFrame, SegmentStarted
from tests.fakes import ListPeer, service
from tests.inline_models import InlineModels, InlineRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.service import Service
    from stages.audio.format import Samples
    from stages.engine import Request
    from stages.items import Answer, ClientMessage, Outgoing, Segment

PIECE_S = 0.3

SENTENCE = "A sentence of seventy-five letters takes as many fifteenths of a second. "


class SlowSpeaker(Engine):
    """Says every character in as long, in pieces of 0.3 s, of which each takes `factor` times as
    long to make, give or take some."""

    name = "slow"
    sample_rate = 8000

    def __init__(
        self,
        factor: float,
        *,
        chars_per_s: float = 15.0,
        jitter: Callable[[], float] = lambda: 1.0,
        knows_length: bool = False,
    ) -> None:
        self.factor = factor
        self._chars_per_s = chars_per_s
        self._jitter = jitter
        self._knows_length = knows_length
        self._said_s: dict[Request, float] = {}

    def length_s(self, text: str) -> float:
        """How long a text takes to hear."""
        return len(text) / self._chars_per_s

    def step_s(self, text: str, said_s: float) -> float:
        """What the next step takes of a text that was said so far."""
        return self._piece_s(text, said_s) * self.factor * self._jitter()

    def _piece_s(self, text: str, said_s: float) -> float:
        return min(PIECE_S, self.length_s(text) - said_s)

    def said_s(self, request: Request) -> float:
        """How far it has come."""
        return self._said_s.get(request, 0.0)

    def step(self, batch: Sequence[Request]) -> None:
        for request in batch:
            text, said_s = request.segment.spoken, self.said_s(request)
            length_s = self.length_s(text)
            if not said_s and self._knows_length:
                request.tell_length(self._samples(length_s))
            piece_s = self._piece_s(text, said_s)
            request.emit(np.full(self._samples(piece_s), 0.5, np.float32))
            self._said_s[request] = said_s + piece_s
            if said_s + piece_s >= length_s - 1e-9:
                request.finish()

    def _samples(self, seconds: float) -> int:
        return math.ceil(seconds * self.sample_rate)

    def leave(self, request: Request) -> None:
        self._said_s.pop(request, None)


class TimedModels(InlineModels):
    """The model thread of `SlowSpeaker`s."""

    def __init__(self) -> None:
        super().__init__()
        self.meters = defaultdict(WorkMeter)
        self.thread = trio.Lock()

    def _new_request(self, engine: Engine, segment: Segment) -> InlineRequest:
        assert isinstance(engine, SlowSpeaker)
        return _TimedRequest(engine, segment, self)


class _TimedRequest(InlineRequest):
    def __init__(self, engine: SlowSpeaker, segment: Segment, models: TimedModels) -> None:
        super().__init__(engine, segment, iter([]))
        self._speaker, self._models = engine, models

    async def __anext__(self) -> Samples:
        if not self.outputs and not self._ended:
            async with self._models.thread:
                said_s = self._speaker.said_s(self)
                took_s = self._speaker.step_s(self.segment.spoken, said_s)
                await trio.sleep(took_s)
                self._speaker.step([self])
                made_s = sum(map(len, self.outputs)) / self._speaker.sample_rate
                pieces: tuple[list[float], list[float]] = (
                    ([], [made_s]) if said_s else ([made_s], [])
                )
                self._models.meters[self._speaker].stepped(took_s, *pieces)
        return await super().__anext__()


class TimedPeer(ListPeer):
    """A peer that knows when it heard each thing."""

    def __init__(self, *say: ClientMessage | Exception, ends: bool = True) -> None:
        super().__init__(*say, ends=ends)
        self.times: list[tuple[float, Outgoing | Answer]] = []

    async def send(self, item: Outgoing | Answer) -> None:
        await super().send(item)
        self.times.append((trio.current_time(), item))

    def waits(self) -> list[tuple[float, float]]:
        """For each segment what it was told to wait, and what it did, in seconds."""
        waits, started = [], None
        for at, item in self.times:
            if isinstance(item, SegmentStarted):
                started = at, item.pacing.hold_s
            elif isinstance(item, PcmFrame) and started is not None:
                waits.append((started[1], at - started[0]))
                started = None
        return waits

    @property
    def started(self) -> list[SegmentStarted]:
        """The segments with something to speak."""
        return [item for item in self.heard_of(SegmentStarted) if item.segment.spoken]


class Figures:
    """A service's metrics."""

    def __init__(self, server: Service) -> None:
        families = text_string_to_metric_families(server.metrics.render().decode())
        self._values = {
            (sample.name, *sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }

    def __call__(self, name: str, *labels: str) -> float:
        return self._values["voice_" + name, *labels]


async def slow_service(engine: SlowSpeaker, *, max_listeners: int = 10) -> Service:
    """A service that has measured its engine."""
    models = TimedModels()
    server = service(models, engine, segmentation="sentence", max_listeners=max_listeners)
    await rehearse(server)
    return server
