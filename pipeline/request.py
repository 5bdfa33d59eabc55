"""A request on its way between its stage and its engine, that is, between two threads.

`Request` to its engine and to the scheduler, on the model thread; `Job` to its stage, on the
Trio thread (both in ``stages/engine.py``).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import structlog
import trio

from stages.errors import EngineGone, SynthesisError

if TYPE_CHECKING:
    from pipeline.executor import Executor
    from pipeline.playback import PlaybackClock
    from stages.audio.format import Samples
    from stages.engine import Engine
    from stages.items import AudioChunk, Segment

log = structlog.stdlib.get_logger(__name__)

ROOM = 4
"""Results that may wait for a listener before its request is stepped no more. Two keep the
engine busy while one is on its way to the loop; more only delays what barge-in throws away."""


class QueuedRequest:
    """One segment in one engine: `stages.engine.Request` to the engine, `Job` to the stage."""

    def __init__(
        self, executor: Executor, engine: Engine, segment: Segment, clock: PlaybackClock
    ) -> None:
        self.engine = engine
        self.segment = segment
        self.is_dead = False
        self.input_ended = False
        self.steps_s = 0.0
        """What the steps took that this request was in; for the metrics, as the next one."""
        self.n_samples = 0
        self.connection: object = structlog.contextvars.get_contextvars().get("connection")
        """As the log calls it: the model thread knows no context of its own."""
        self._executor = executor
        self._clock = clock
        timing = segment.timing
        if timing.opened is None:
            timing.opened = trio.current_time()
        self._arrived = timing.opened
        self._inputs: deque[AudioChunk] = deque()
        self._outputs: deque[Samples] = deque()
        self._ended = False
        self._error: SynthesisError | None = None
        self._gone: EngineGone | None = None
        self._new_output = trio.lowlevel.ParkingLot()

    # As the scheduler and the engine see it, on the model thread.

    @property
    def deadline(self) -> float:
        return self._clock.deadline(self._arrived)

    @property
    def listener(self) -> PlaybackClock:
        return self._clock

    @property
    def has_room(self) -> bool:
        return len(self._outputs) < ROOM

    @property
    def can_step(self) -> bool:
        try:
            return self.engine.can_step(self)
        except SynthesisError as error:  # the engine's own words, for this request's listener
            self.fail(error)
            return False
        except Exception as error:  # contained: it is told to this request's listener
            log.exception("%s failed", self.engine.name, connections=[self.connection])
            self.fail(as_synthesis_error(self.engine, error))
            return False

    @property
    def has_input(self) -> bool:
        return bool(self._inputs)

    @property
    def has_ended(self) -> bool:
        return self._ended

    def take_input(self) -> list[AudioChunk]:
        return [self._inputs.popleft() for _ in range(len(self._inputs))]

    def emit(self, samples: Samples) -> None:
        if not self.is_dead and len(samples):
            self.n_samples += len(samples)
            self._outputs.append(samples)
            self._executor.tell(self)

    def finish(self) -> None:
        self._end(None)

    def fail(self, error: SynthesisError) -> None:
        self._end(error)

    def _end(self, error: SynthesisError | None) -> None:
        if not self._ended:
            self._error = error
            self._ended = True
            self._executor.tell(self)

    # As its stage sees it, on the Trio thread.

    def push(self, chunk: AudioChunk) -> None:
        self._inputs.append(chunk)
        self.input_ended = chunk.is_last
        self._executor.wake()

    def give_up(self, error: EngineGone) -> None:
        """Nothing more will come from the model thread, whatever it still does."""
        self._gone = error
        self.is_dead = True
        self.unpark()

    def unpark(self) -> None:
        self._new_output.unpark_all()

    def __aiter__(self) -> QueuedRequest:
        return self

    async def __anext__(self) -> Samples:
        while True:
            ended = self._ended  # looked at first: it is written after the last output
            if self._outputs:
                samples = self._outputs.popleft()
                # Looked at after the pop: a result that is put in just before it fills the room
                # unseen, and the model thread would sleep for ever.
                if len(self._outputs) >= ROOM - 1:
                    self._executor.wake()
                return samples
            if ended:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            if self._gone is not None:
                raise self._gone
            await self._new_output.park()


def as_synthesis_error(engine: Engine, error: Exception) -> SynthesisError:
    """What a listener is told of an engine's failure: its own words if it chose them."""
    if isinstance(error, SynthesisError):
        return error
    return SynthesisError(f"{engine.name} failed: {type(error).__name__}: {error}")
