"""A model thread without a thread, for tests on Trio's autojump clock."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.real_time import WorkMeter
    from stages.audio.format import Samples
    from stages.engine import Engine, Job, Playback, SaidWord
    from stages.errors import SynthesisError
    from stages.items import AudioChunk, Segment


class InlineModels:
    """A model thread without a thread: each request is stepped when its stage asks for sound,
    after a delay from `delays`. Under Trio's autojump clock any timing can be played."""

    def __init__(self, delays: Iterator[float] | None = None) -> None:
        self.fault: str | None = None
        self.meters: dict[Engine, WorkMeter] = {}
        self.open_requests = 0
        self._delays = delays or itertools.repeat(0.0)

    def n_queued(self, engine: Engine) -> int:
        """See `pipeline.executor.Executor`."""
        return self.open_requests if engine.name == "telling" else 0

    @contextmanager
    def open(self, engine: Engine, segment: Segment, playback: Playback) -> Iterator[Job]:
        """See `stages.engine.ModelThread`."""
        del playback
        request = self._new_request(engine, segment)
        self.open_requests += 1
        try:
            yield request
        finally:
            request.is_dead = True
            engine.leave(request)
            self.open_requests -= 1

    def _new_request(self, engine: Engine, segment: Segment) -> InlineRequest:
        return InlineRequest(engine, segment, self._delays)


class InlineRequest:
    """One segment in one engine."""

    def __init__(self, engine: Engine, segment: Segment, delays: Iterator[float]) -> None:
        self.segment, self._engine, self._delays = segment, engine, delays
        self.voice: Any = None
        self.loading = None
        self.is_dead = self.input_ended = self._ended = False
        self._inputs: list[AudioChunk] = []
        self.outputs: list[Samples] = []
        self._error: SynthesisError | None = None
        self.words: Sequence[SaidWord] = ()
        self.length_s: float | None = None
        self._pushed = trio.lowlevel.ParkingLot()

    @property
    def has_input(self) -> bool:
        return bool(self._inputs)

    def take_input(self) -> list[AudioChunk]:
        taken, self._inputs = self._inputs, []
        return taken

    def emit(self, samples: Samples) -> None:
        if len(samples):
            self.outputs.append(samples)

    def tell_words(self, words: Sequence[SaidWord]) -> None:
        self.words = words

    def tell_length(self, n_samples: int) -> None:
        self.length_s = n_samples / self._engine.sample_rate

    def finish(self) -> None:
        self._ended = True

    def fail(self, error: SynthesisError) -> None:
        self._ended, self._error = True, error

    def push(self, chunk: AudioChunk) -> None:
        self._inputs.append(chunk)
        self.input_ended = chunk.is_last
        self._pushed.unpark_all()

    def __aiter__(self) -> InlineRequest:
        return self

    async def __anext__(self) -> Samples:
        while not self.outputs and not self._ended:
            await trio.sleep(next(self._delays))
            if not self._engine.can_step(self):
                await self._pushed.park()
                continue
            launched = self._engine.step([self])
            if launched is not None:
                launched.finish()
        if self.outputs:
            return self.outputs.pop(0)
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration
