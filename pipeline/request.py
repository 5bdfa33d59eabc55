"""A request on its way between its stage and its engine, that is, between two threads."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import structlog
import trio

from stages.errors import EngineGone, ServerError, SynthesisError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from stages.audio.format import Samples
    from stages.engine import Engine, Playback, SaidWord
    from stages.items import AudioChunk, Segment

ROOM = 4
"""Results that may wait for a listener before its request is stepped no more. Two keep the
engine busy while one is on its way to the loop; more only delays what barge-in throws away."""


def _nobody(_: int) -> None:
    pass


class QueuedRequest:
    """One segment in one engine: `stages.engine.Request` to the engine, `Due` to the scheduler,
    `Job` to the stage."""

    def __init__(
        self,
        engine: Engine,
        segment: Segment,
        playback: Playback,
        *,
        wake: Callable[[], None],
        drop: Callable[[QueuedRequest], None],
        trio_soon: Callable[[Callable[[], None]], None],
    ) -> None:
        """`wake` lets the model thread look again, `drop` lets it let go of this request once it
        has ended, `trio_soon` calls a function on the Trio thread."""
        self.engine = engine
        self.segment = segment
        self.playback = playback
        self.voice: Any = None
        self.loading: Future[Any] | None = None
        """Done when there is a voice, or it cannot be loaded; None: nobody loads it."""
        self.is_dead = False
        self.input_ended = False
        self.has_ended = False
        self.steps_s = 0.0
        """Time of the steps that this request was in; for the metrics, as the next one."""
        self.n_samples = 0
        names = structlog.contextvars.get_contextvars()
        self.connection, self.client_request = names.get("connection"), names.get("request")
        """Its names in the log: the model thread knows no context of its own."""
        timing = segment.timing
        if timing.opened is None:
            timing.opened = trio.current_time()
        self._arrived = timing.opened
        self.words: Sequence[SaidWord] = ()
        self.length_s: float | None = None
        self.tell_waiting: Callable[[int], None] = _nobody
        """Told on the Trio thread how many bytes of sound wait here, when that has changed."""
        # Bytes of sound in and out, each written on one thread alone.
        self._n_pushed = self._n_taken = self._n_emitted = self._n_given = 0
        self._inputs: deque[AudioChunk] = deque()
        self._outputs: deque[Samples] = deque()
        self._error: SynthesisError | None = None
        self._gone: EngineGone | None = None
        self._new_output = trio.lowlevel.ParkingLot()
        self._wake = wake
        self._drop = drop
        self._trio_soon = trio_soon

    # As the scheduler and the engine see it, on the model thread.

    @property
    def deadline(self) -> float:
        return self.playback.deadline(self._arrived)

    @property
    def has_room(self) -> bool:
        return len(self._outputs) < ROOM

    @property
    def has_input(self) -> bool:
        return bool(self._inputs)

    def take_input(self) -> list[AudioChunk]:
        taken = [self._inputs.popleft() for _ in range(len(self._inputs))]
        self._n_taken += sum(chunk.samples.nbytes for chunk in taken)
        return taken

    def emit(self, samples: Samples) -> None:
        self.n_samples += len(samples)
        if not self.is_dead and len(samples):
            self._n_emitted += samples.nbytes
            self._outputs.append(samples)
            self._trio_soon(self._unpark)

    def tell_words(self, words: Sequence[SaidWord]) -> None:
        self.words = words

    def tell_length(self, n_samples: int) -> None:
        self.length_s = n_samples / self.engine.sample_rate

    def finish(self) -> None:
        self._end(None)

    def fail(self, error: Exception) -> None:
        """Give this request up. An error of ours is told to the listener in its own words, of any
        other only the kind: what it says, for whoever runs the server, may be anything."""
        match error:
            case SynthesisError():
                told = error
            case ServerError():
                told = SynthesisError(str(error))
            case _:
                told = SynthesisError(f"{self.engine.name} failed: {type(error).__name__}")
        self._end(told)

    def _end(self, error: SynthesisError | None) -> None:
        if not self.has_ended:
            self._error = error
            self.has_ended = True  # after the last output and the error: see `__anext__`
            self._drop(self)
            self._trio_soon(self._unpark)

    # As its stage sees it, on the Trio thread.

    def push(self, chunk: AudioChunk) -> None:
        self._n_pushed += chunk.samples.nbytes
        self._inputs.append(chunk)
        self._tell()
        self.input_ended = chunk.is_last
        self._wake()

    def give_up(self, error: EngineGone) -> None:
        """End the request on the Trio side, whatever the model thread still does."""
        self._gone = error
        self.is_dead = True
        self._unpark()

    def _unpark(self) -> None:
        self._tell()
        self._new_output.unpark_all()

    def _tell(self) -> None:
        # What has left is read first: what came in meanwhile only makes it more.
        n_left = self._n_taken + self._n_given
        self.tell_waiting(self._n_pushed + self._n_emitted - n_left)

    def __aiter__(self) -> QueuedRequest:
        return self

    async def __anext__(self) -> Samples:
        await trio.lowlevel.checkpoint()
        while True:
            ended = self.has_ended  # looked at first: it is written after the last output
            if self._outputs:
                samples = self._outputs.popleft()
                self._n_given += samples.nbytes
                self._tell()
                # Looked at after the pop: a result that is put in just before it fills the room
                # unseen, and the model thread would sleep for ever.
                if len(self._outputs) >= ROOM - 1:
                    self._wake()
                return samples
            if ended:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            if self._gone is not None:
                raise self._gone
            await self._new_output.park()
