"""The model thread: one OS thread that owns every model and runs one step at a time.

A step may leave a device at work. Then the next ones are picked and launched meanwhile, and while
there are only such steps, the thread looks again and again whether one of them is done.

    Trio thread                                 model thread
    open()   ── request, its voice loaded ────▶ the engine's queue
    push()   ── speech ───────────────────────▶ step()
    async for  ◀── run_sync_soon(unpark) ◀───── emit(), finish(), fail()
                                             launched step ─▶ finish(), once it is done
    leaving  ── is_dead ──────────────────────▶ dropped before the next step

Whatever crosses between the threads does so through a deque (append and popleft are atomic)
or a flag that is only ever set. Each side wakes the other after it has written, never
before, so no wake-up is lost.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog
import trio

from pipeline.engine_queue import EngineQueue, fail
from pipeline.metrics import Metrics
from pipeline.real_time import DevicesTime, WorkMeter
from pipeline.request import QueuedRequest
from pipeline.scheduling import SpareTime, pick
from stages.errors import EngineGone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from stages.engine import Engine, Playback
    from stages.items import Segment

log = structlog.stdlib.get_logger(__name__)

WATCH_EVERY_S = 0.25
"""The watchdog's interval; small against the shortest limit that an engine sets."""

POLL_S = 0.0002
"""The interval of looking whether a launched step is done: it adds half of that to a first sound.
Such a wait takes 0.3 ms with the kernel's own slack, and 0.03 ms of a processor: a tenth of a
core, while a device is at work and nothing else is to be done."""

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
        self._dropped: deque[QueuedRequest] = deque()  # those that have ended or died
        self._soon: deque[Callable[[], None]] = deque()  # to be called on the Trio thread
        self._is_trio_woken = False
        self._queues: dict[Engine, EngineQueue] = {}  # in the order of the data
        self._spare_time = SpareTime()
        self._devices_time = DevicesTime()
        self._open: set[QueuedRequest] = set()  # of the Trio thread
        self.meters: dict[Engine, WorkMeter] = {}
        """How fast each engine is, by its steps."""
        self.fault: str | None = None
        """The reason why nothing can be spoken: an engine hangs, or the model thread has died."""

    # Called on the Trio thread.

    async def add(self, engine: Engine, tell: Tell = tell_nobody) -> None:
        """Load an engine off the model thread, then install it there; engines are added in
        the order of the data. Raises whatever the engine does. Cancelled, it leaves the engine
        loading behind: nothing can stop it."""
        engine.wake = self.wake
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
            engine,
            segment,
            playback,
            wake=self.wake,
            drop=self._dropped.append,
            trio_soon=self._trio_soon,
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
            self._dropped.append(request)
            self._open.discard(request)
            engine.release_voice(request)
            self.wake()

    def _arrive(self, request: QueuedRequest, voice: Future[Any]) -> None:
        """Its voice is loaded, or cannot be. On whatever thread loaded it."""
        try:
            request.voice = voice.result()
        except Exception as error:  # noqa: BLE001 - contained: it is told to its listener
            fail(request.engine, [request], error)
        else:
            self._arrivals.append(request)
            self.wake()

    def n_queued(self, engine: Engine) -> int:
        """The requests that an engine has before it, those under way included."""
        return sum(own.engine is engine and not own.has_ended for own in self._open)

    def _call_soon(self) -> None:
        """Call what the model thread wanted to be called."""
        self._is_trio_woken = False  # before the look: what comes after it wakes Trio again
        while self._soon:
            self._soon.popleft()()

    def wake(self) -> None:
        """Tell the model thread to look again."""
        self._wake.set()

    def _fail_all(self) -> None:
        """End all open requests, since nothing more will come. New ones find `fault`."""
        log.error("speech stops: %s", self.fault)
        for request in self._open:
            request.give_up(EngineGone(self.fault))

    def under_way(self) -> dict[Engine, float]:
        """The engines that are being stepped, or whose devices are, and since when by
        `time.perf_counter`."""
        since = {engine: queue.under_way for engine, queue in self._queues.items()}
        return {engine: at for engine, at in since.items() if at is not None}

    async def watch(self) -> None:
        """The watchdog. Calls that install an engine are exempt: warming up may take long."""
        while True:
            await trio.sleep(WATCH_EVERY_S)
            now = time.perf_counter()
            hanging = [
                engine
                for engine, since in self.under_way().items()
                if now - since > engine.hangs_after_s
            ]
            if self.fault is None and hanging:
                [engine, *_] = hanging
                self.fault = f"{engine.name} has not come back for {engine.hangs_after_s:g} s"
                self._fail_all()
            elif self.fault is not None and not hanging and not self._has_ended:
                log.warning("speech goes on: the step that hung has come back")
                self.fault = None

    # Called on the model thread.

    def _trio_soon(self, function: Callable[[], None]) -> None:
        """Have this called on the Trio thread, in order. A step has sound for hundreds, and to wake
        Trio for each of them took longer than to launch the next step."""
        self._soon.append(function)
        if self._is_trio_woken:
            return
        self._is_trio_woken = True
        try:
            self._trio.run_sync_soon(self._call_soon)
        except trio.RunFinishedError:
            self._stopping = True  # there is no listener any more

    def _run(self) -> None:
        try:
            while True:
                self._wake.clear()
                if self._stopping:  # looked at after that, or its wake-up could be lost
                    break
                self._rest(self._turn())
            for queue in self._queues.values():
                queue.close()
        except BaseException as error:
            self._has_ended = True  # before there is a fault, so that `watch` does not forgive it
            log.exception("the model thread has died")
            why = str(error) if isinstance(error, EngineGone) else type(error).__name__
            self.fault = f"the model thread has died: {why}"
            self._trio_soon(self._fail_all)
        finally:
            self._has_ended = True
            while self._loaded:
                _, installed = self._loaded.popleft()
                installed.set_exception(EngineGone(HAS_ENDED))

    def _turn(self) -> float | None:
        """Install what was loaded, finish what is done, take in newcomers, take one step. Returns
        when to look again, in seconds; None: there was nothing to do."""
        while self._loaded:
            self._install(*self._loaded.popleft())
        for queue in self._queues.values():
            queue.finish_done()
        while self._arrivals:
            request = self._arrivals.popleft()
            self._queues[request.engine].take(request)
        while self._dropped:
            request = self._dropped.popleft()
            self._queues[request.engine].drop(request)
        picked = pick([(engine, queue.able()) for engine, queue in self._queues.items()])
        if picked is None:
            return None
        engine, able = picked
        wait_s = self._spare_time.wait_s(able, self._clock.current_time())
        if not wait_s:
            self._queues[engine].step(able)
        return wait_s

    def _rest(self, wait_s: float | None) -> None:
        """Wait so long, or until there is something new; None: without end."""
        polled = [queue for queue in self._queues.values() if queue.has_launched]
        if not polled:
            self._wake.wait(wait_s)
            return
        until = math.inf if wait_s is None else time.perf_counter() + wait_s
        while not any(queue.has_done for queue in polled):
            if (left_s := until - time.perf_counter()) <= 0 or self._wake.wait(min(left_s, POLL_S)):
                return

    def _install(self, engine: Engine, installed: Future[None]) -> None:
        try:
            engine.install()
            self.meters[engine].told(engine.batch_costs())
        except BaseException as error:  # noqa: BLE001 - contained: it is told to who added it
            installed.set_exception(error)
        else:
            queue = EngineQueue(
                engine,
                self.meters[engine],
                metrics=self._metrics,
                spare_time=self._spare_time,
                devices_time=self._devices_time,
                clock=self._clock.current_time,
            )
            self._queues = {**self._queues, engine: queue}  # Trio's thread may be looking at it
            installed.set_result(None)

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
