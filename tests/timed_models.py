"""A model thread on Trio's clock: one step at a time, each as long as its engine needs."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import trio

from pipeline.real_time import WorkMeter
from stages.engine import Engine
from tests.inline_models import InlineModels, InlineRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stages.audio.format import Samples
    from stages.engine import Request
    from stages.items import Segment

PIECE_S = 0.3


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
