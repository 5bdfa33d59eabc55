"""The model thread: one OS thread that owns every model and runs one step at a time.

    Trio thread                                 model thread
    open()   ── request ──▶ arrivals ─────────▶ the engine's queue
    push()   ── speech  ──▶ request.inputs ───▶ step()
    async for  ◀── run_sync_soon(drain) ◀────── emit(), finish(), fail()
    leaving  ── is_dead ──────────────────────▶ dropped before the next step

Whatever crosses between the threads does so through a deque (append and popleft are atomic)
or a flag that is only ever set. Each side wakes the other after it has written, never
before, so no wake-up is lost.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import outcome
import structlog
import trio

from pipeline.metrics import Metrics
from pipeline.request import QueuedRequest, as_synthesis_error
from pipeline.scheduling import SpareTime, pick
from stages.errors import EngineGone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from pipeline.playback import PlaybackClock
    from stages.engine import Engine, Request
    from stages.items import Segment

log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T")

WATCH_EVERY_S = 0.25
"""How often the watchdog looks; small against the shortest limit an engine sets."""

STOP_WITHIN_S = 2.0
"""How long a step under way may take at shutdown before its thread is left behind."""


class _Call(Generic[T]):
    """A function that the Trio thread wants run on the model thread."""

    def __init__(
        self, function: Callable[[], T], trio_soon: Callable[[Callable[[], None]], None]
    ) -> None:
        self.done = trio.Event()
        self.result: outcome.Maybe[T] = outcome.Error(EngineGone("the model thread has ended"))
        self._function = function
        self._trio_soon = trio_soon

    def run(self) -> None:
        self.result = outcome.capture(self._function)
        self.abandon()

    def abandon(self) -> None:
        """Let the caller go on with the result as it stands."""
        self._trio_soon(self.done.set)


class Executor:
    """Runs the steps of all engines for all connections. Made by `open_executor`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._trio = trio.lowlevel.current_trio_token()
        self._clock = trio.lowlevel.current_clock()
        self._loader = trio.CapacityLimiter(1)
        self._thread = threading.Thread(target=self._run, name="models", daemon=True)
        self._wake = threading.Event()
        self._stopping = False
        self._calls: deque[_Call[Any]] = deque()
        self._has_ended = False
        self._arrivals: deque[QueuedRequest] = deque()
        self._queues: dict[Engine, list[QueuedRequest]] = {}  # in the order of the data
        self._spare_time = SpareTime()
        self._spoken_to: deque[QueuedRequest] = deque()  # requests that have something to tell
        self._open: set[QueuedRequest] = set()  # of the Trio thread
        self.step_under_way: tuple[Engine, float] | None = None
        """What is being stepped, and since when by `time.perf_counter`."""
        self.fault: str | None = None
        """Why nothing can be spoken now: an engine hangs, or the model thread has died."""

    # What the Trio thread calls.

    async def add(self, engine: Engine) -> None:
        """Load an engine off the model thread, then install it there; engines are added in
        the order of the data. Raises whatever the engine does."""
        engine.wake = self.wake
        await trio.to_thread.run_sync(engine.load, limiter=self._loader)
        await self._call(engine.install)
        self._queues = {**self._queues, engine: []}
        self.wake()

    @contextmanager
    def open(
        self, engine: Engine, segment: Segment, clock: PlaybackClock
    ) -> Iterator[QueuedRequest]:
        """Queue a request; it is dropped as the context is left. See `ModelThread.open`."""
        if engine not in self._queues:
            msg = f"the engine {engine.name} is not installed"
            raise ValueError(msg)
        request = QueuedRequest(self, engine, segment, clock)
        if self.fault is not None:
            request.give_up(EngineGone(self.fault))
        elif self._has_ended:  # and will be told in a moment
            request.give_up(EngineGone("the model thread has ended"))
        else:
            self._open.add(request)
            self._arrivals.append(request)
            self.wake()
        try:
            yield request
        finally:
            request.is_dead = True
            self._open.discard(request)
            self.wake()

    @property
    def open_requests(self) -> int:
        """Requests whose stage still waits for sound."""
        return len(self._open)

    @property
    def queued_requests(self) -> int:
        """Requests that an engine still knows; the dead ones leave after the current step."""
        return len(self._arrivals) + sum(len(queue) for queue in self._queues.values())

    def queue_lengths(self) -> dict[str, int]:
        """How many requests each engine has before it, by its name."""
        return {engine.name: len(queue) for engine, queue in self._queues.items()}

    def wake(self) -> None:
        """Tell the model thread to look again."""
        self._wake.set()

    async def _call(self, function: Callable[[], T]) -> T:
        """Run something on the model thread, between two steps."""
        call = _Call(function, self._trio_soon)
        self._calls.append(call)
        self.wake()
        if self._has_ended:  # looked at after the append, so that one of the two sees the call
            call.abandon()
        await call.done.wait()
        return call.result.unwrap()

    def _drain(self) -> None:
        while self._spoken_to:
            self._spoken_to.popleft().unpark()

    def _fail_all(self, fault: str) -> None:
        """Nothing more will come: tell everybody who waits, and everybody who will ask."""
        log.error("speech stops: %s", fault)
        self.fault = fault
        for request in self._open:
            request.give_up(EngineGone(fault))

    async def watch(self) -> None:
        """The watchdog. Calls that install an engine are exempt: warming up may take long."""
        while True:
            await trio.sleep(WATCH_EVERY_S)
            step = self.step_under_way
            if step is None:
                if self.fault is not None and not self._has_ended:
                    log.warning("speech goes on: the step that hung has come back")
                    self.fault = None
                continue
            engine, began = step
            if self.fault is None and time.perf_counter() - began > engine.hangs_after_s:
                self._fail_all(f"{engine.name} has not come back for {engine.hangs_after_s:g} s")

    # What the model thread calls.

    def tell(self, request: QueuedRequest) -> None:
        """Something was put into this request's outputs, or it has ended."""
        self._spoken_to.append(request)
        self._trio_soon(self._drain)

    def _trio_soon(self, function: Callable[[], None]) -> None:
        try:
            self._trio.run_sync_soon(function, idempotent=True)
        except trio.RunFinishedError:
            self._stopping = True  # nobody is left to listen

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._wake.clear()
                self._wake.wait(self._turn())
            for engine in self._queues:
                engine.close()
        except BaseException as error:
            self._has_ended = True  # before it is told, so that the watchdog does not forgive it
            log.exception("the model thread has died")
            fault = f"the model thread has died: {error!r}"
            self._trio_soon(partial(self._fail_all, fault))
        finally:
            self._has_ended = True
            while self._calls:
                self._calls.popleft().abandon()

    def _turn(self) -> float | None:
        """One turn: calls, newcomers, one step. Returns when to look again, in seconds; None:
        there was nothing to do."""
        while self._calls:
            self._calls.popleft().run()
        while self._arrivals:
            request = self._arrivals.popleft()
            self._queues[request.engine].append(request)
        self._drop_dead()
        picked = pick(self._queues.items())
        if picked is None:
            return None
        wait_s = self._spare_time.wait_s(picked[1], self._clock.current_time())
        if not wait_s:
            self._step(*picked)
        return wait_s

    def _step(self, engine: Engine, able: Sequence[QueuedRequest]) -> None:
        batch: Sequence[Request] = able
        now = self._clock.current_time()
        began = time.perf_counter()
        self.step_under_way = engine, began
        try:
            batch = engine.choose(able)
            for request in batch:
                if request.segment.timing.started is None:
                    request.segment.timing.started = now
            engine.step(batch)
        except Exception as error:  # contained: it is told to each listener of the batch
            log.exception("%s failed", engine.name, connections=_connections(batch))
            for request in batch:
                request.fail(as_synthesis_error(engine, error))
        finally:
            self.step_under_way = None
            took_s = time.perf_counter() - began
            for request in cast("Sequence[QueuedRequest]", batch):  # they come from `able`
                request.steps_s += took_s
            self._spare_time.stepped(able, now, took_s)
            self._metrics.stepped(engine.name, len(batch), took_s)

    def _drop_dead(self) -> None:
        for engine, queue in self._queues.items():
            gone = [request for request in queue if request.is_dead or request.has_ended]
            if gone:
                queue[:] = [r for r in queue if not (r.is_dead or r.has_ended)]
                for request in gone:
                    if request.has_ended:
                        sound_s = request.n_samples / engine.sample_rate
                        self._metrics.made(engine.name, request.steps_s, sound_s)
                    try:
                        engine.leave(request)
                    except Exception:  # contained: nobody waits for this request any more
                        log.exception(
                            "%s could not let go of a request",
                            engine.name,
                            connections=[request.connection],
                        )

    # Its life.

    def start(self) -> None:
        self._thread.start()

    async def stop(self) -> None:
        """Let the step under way finish, close the engines, end the thread. A thread that
        hangs is left behind: it is a daemon, so the process can exit."""
        self._stopping = True
        self.wake()
        await trio.to_thread.run_sync(self._thread.join, STOP_WITHIN_S)
        if self._thread.is_alive():
            log.warning("the model thread did not stop within %g s", STOP_WITHIN_S)


def _connections(batch: Sequence[Request]) -> list[object]:
    return [request.connection for request in cast("Sequence[QueuedRequest]", batch)]


@asynccontextmanager
async def open_executor(metrics: Metrics | None = None) -> AsyncIterator[Executor]:
    """Start the model thread and its watchdog; stop them as the context is left."""
    executor = Executor(metrics or Metrics())
    executor.start()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(executor.watch)
            yield executor
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await executor.stop()
