"""The model thread: one OS thread that owns every model and runs one step at a time.

    Trio thread                                 model thread
    open()   ── request, its voice loaded ────▶ the engine's queue
    push()   ── speech ───────────────────────▶ step()
    async for  ◀── run_sync_soon(unpark) ◀───── emit(), finish(), fail()
    leaving  ── is_dead ──────────────────────▶ dropped before the next step

Whatever crosses between the threads does so through a deque (append and popleft are atomic)
or a flag that is only ever set. Each side wakes the other after it has written, never
before, so no wake-up is lost.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog
import trio

from pipeline.metrics import Metrics
from pipeline.real_time import WorkMeter
from pipeline.request import QueuedRequest
from pipeline.scheduling import SpareTime, pick
from stages.errors import EngineGone, ServerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from stages.engine import Engine, Playback
    from stages.items import Segment

log = structlog.stdlib.get_logger(__name__)

WATCH_EVERY_S = 0.25
"""The watchdog's interval; small against the shortest limit that an engine sets."""

STOP_WITHIN_S = 2.0
"""The time that a step under way has at shutdown before its thread is left behind."""

HAS_ENDED = "the model thread has ended"

Tell: TypeAlias = "Callable[[str], None]"
"""Told what is under way, in words that people read: ``Soprano, 280 MB: reading``."""


def tell_nobody(_: str) -> None:
    """Nobody waits to be told."""


class Executor:
    """The model thread, which runs the steps of all engines. Made by `open_executor`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._trio = trio.lowlevel.current_trio_token()
        self._clock = trio.lowlevel.current_clock()
        self._thread = threading.Thread(target=self._run, name="models", daemon=True)
        self._wake = threading.Event()
        self._stopping = False
        self._has_ended = False
        self._loaded: deque[tuple[Engine, Future[None]]] = deque()  # waiting to be installed
        self._arrivals: deque[QueuedRequest] = deque()
        self._queues: dict[Engine, list[QueuedRequest]] = {}  # in the order of the data
        self._spare_time = SpareTime()
        self._open: set[QueuedRequest] = set()  # of the Trio thread
        self.meters: dict[Engine, WorkMeter] = {}
        """How fast each engine is, by its steps."""
        self.step_under_way: tuple[Engine, float] | None = None
        """The engine that is being stepped, and since when by `time.perf_counter`."""
        self.fault: str | None = None
        """The reason why nothing can be spoken: an engine hangs, or the model thread has died."""

    # Called on the Trio thread.

    async def add(self, engine: Engine, tell: Tell = tell_nobody) -> None:
        """Load an engine off the model thread, then install it there; engines are added in
        the order of the data. Raises whatever the engine does. Cancelled, it leaves the engine
        loading behind: nothing can stop it."""
        if engine.reads:
            tell(f"{engine.reads}: reading")
        await trio.to_thread.run_sync(engine.load, abandon_on_cancel=True)
        if engine.reads:
            tell(f"{engine.reads}: warming up")
        installed = Future[None]()
        self.meters[engine] = WorkMeter()
        self._loaded.append((engine, installed))
        self.wake()
        if self._has_ended:  # looked at after the append, so that one of the two sees the engine
            raise EngineGone(HAS_ENDED)
        await trio.to_thread.run_sync(installed.result, abandon_on_cancel=True)

    @contextmanager
    def open(self, engine: Engine, segment: Segment, playback: Playback) -> Iterator[QueuedRequest]:
        """Queue a request as soon as its voice is loaded; see `stages.engine.ModelThread`."""
        if engine not in self._queues:
            raise ValueError(f"the engine {engine.name} is not installed")
        request = QueuedRequest(
            engine, segment, playback, wake=self.wake, trio_soon=self._trio_soon
        )
        try:
            if self.fault is not None:
                request.give_up(EngineGone(self.fault))
            else:
                self._open.add(request)
                voice = request.loading = engine.load_voice(request, segment.style)
                voice.add_done_callback(partial(self._arrive, request))
            yield request
        finally:
            request.is_dead = True
            self._open.discard(request)
            engine.release_voice(request)
            self.wake()

    def _arrive(self, request: QueuedRequest, voice: Future[Any]) -> None:
        """Its voice is loaded, or cannot be. On whatever thread loaded it."""
        try:
            request.voice = voice.result()
        except Exception as error:  # noqa: BLE001 - contained: it is told to its listener
            self._fail(request.engine, [request], error)
        else:
            self._arrivals.append(request)
            self.wake()

    def n_queued(self, engine: Engine) -> int:
        """The requests that an engine has before it, those under way included."""
        return sum(own.engine is engine and not own.has_ended for own in self._open)

    def wake(self) -> None:
        """Tell the model thread to look again."""
        self._wake.set()

    def _fail_all(self) -> None:
        """End all open requests, since nothing more will come. New ones find `fault`."""
        log.error("speech stops: %s", self.fault)
        for request in self._open:
            request.give_up(EngineGone(self.fault))

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
                self.fault = f"{engine.name} has not come back for {engine.hangs_after_s:g} s"
                self._fail_all()

    # Called on the model thread.

    def _trio_soon(self, function: Callable[[], None]) -> None:
        try:
            self._trio.run_sync_soon(function, idempotent=True)
        except trio.RunFinishedError:
            self._stopping = True  # there is no listener any more

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._wake.clear()
                self._wake.wait(self._turn())
            for engine in self._queues:
                engine.close()
        except BaseException as error:
            self._has_ended = True  # before there is a fault, so that `watch` does not forgive it
            log.exception("the model thread has died")
            self.fault = f"the model thread has died: {type(error).__name__}"
            self._trio_soon(self._fail_all)
        finally:
            self._has_ended = True
            while self._loaded:
                _, installed = self._loaded.popleft()
                installed.set_exception(EngineGone(HAS_ENDED))

    def _turn(self) -> float | None:
        """Install what was loaded, take in newcomers, take one step. Returns when to look again,
        in seconds; None: there was nothing to do."""
        while self._loaded:
            self._install(*self._loaded.popleft())
        while self._arrivals:
            request = self._arrivals.popleft()
            self._queues[request.engine].append(request)
        self._drop_dead()
        picked = pick([(engine, self._able(engine)) for engine in self._queues])
        if picked is None:
            return None
        wait_s = self._spare_time.wait_s(picked[1], self._clock.current_time())
        if not wait_s:
            self._step(*picked)
        return wait_s

    def _install(self, engine: Engine, installed: Future[None]) -> None:
        try:
            engine.install()
        except BaseException as error:  # noqa: BLE001 - contained: it is told to who added it
            installed.set_exception(error)
        else:
            self._queues = {**self._queues, engine: []}  # the Trio thread may be looking at it
            installed.set_result(None)

    def _able(self, engine: Engine) -> list[QueuedRequest]:
        """The requests that the engine can step now."""
        able = []
        for request in self._queues[engine]:
            try:
                if request.has_room and engine.can_step(request):
                    able.append(request)
            except Exception as error:  # noqa: BLE001 - contained: it is told to its listener
                self._fail(engine, [request], error)
        return able

    def _step(self, engine: Engine, able: Sequence[QueuedRequest]) -> None:
        batch = able
        n_before = {request: request.n_samples for request in able}
        now = self._clock.current_time()
        began = time.perf_counter()
        self.step_under_way = engine, began
        try:
            chosen = set(engine.choose(able))
            batch = [request for request in able if request in chosen]
            for request in batch:
                if request.segment.timing.started is None:
                    request.segment.timing.started = now
            engine.step(batch)
        except Exception as error:  # noqa: BLE001 - contained: it is told to their listeners
            self._fail(engine, batch, error)
        finally:
            self.step_under_way = None
            took_s = time.perf_counter() - began
            begun_s: list[float] = []
            more_s: list[float] = []
            for request in batch:
                n_made = request.n_samples - n_before[request]
                pieces_s = more_s if n_before[request] else begun_s
                pieces_s.append(n_made / engine.sample_rate)
                request.steps_s += took_s
            self.meters[engine].stepped(took_s, begun_s, more_s)
            self._spare_time.stepped(able, now, took_s)
            self._metrics.stepped(engine.name, len(batch), took_s)

    def _fail(self, engine: Engine, requests: Sequence[QueuedRequest], error: Exception) -> None:
        if not isinstance(error, ServerError):  # a bug, then
            connections = [request.connection for request in requests]
            log.error("%s failed", engine.name, connections=connections, exc_info=error)
        for request in requests:
            request.fail(error)

    def _drop_dead(self) -> None:
        for engine, queue in self._queues.items():
            gone = [request for request in queue if request.is_dead or request.has_ended]
            for request in gone:
                queue.remove(request)
                if request.has_ended:
                    sound_s = request.n_samples / engine.sample_rate
                    self._metrics.made(engine.name, request.steps_s, sound_s)
                try:
                    engine.leave(request)
                except Exception:  # contained: its listener has all it gets
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
