"""One engine on the model thread: the requests before it, and the steps that it takes for them."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from stages.errors import EngineGone, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.metrics import Metrics
    from pipeline.real_time import DevicesTime, WorkMeter
    from pipeline.request import QueuedRequest
    from pipeline.scheduling import SpareTime
    from stages.engine import Engine, Launched

log = structlog.stdlib.get_logger(__name__)

MOST_LAUNCHED = 2
"""The steps of an engine that a device may have before it: the one it works on, and the next, so
that it need not wait for us. More would only keep requests from being put together anew."""


def fail(engine: Engine, requests: Sequence[QueuedRequest], error: Exception) -> None:
    """Fail these requests by what the engine raised."""
    if not isinstance(error, ServerError):  # a bug, then
        names = {
            "connections": [request.connection for request in requests],
            "requests": [request.client_request for request in requests],
        }
        log.error("%s failed", engine.name, **names, exc_info=error)
    for request in requests:
        request.fail(error)


@dataclass(eq=False)
class _Step:
    """A step that has begun."""

    batch: Sequence[QueuedRequest]
    n_before: Sequence[int]
    """The samples that each of them had before."""
    now: float
    """When it began, on Trio's clock."""
    began: float
    """The same by `time.perf_counter`."""
    is_spare: bool
    """It is for listeners that are far ahead."""
    n_together: int
    """Its requests, and those of the steps that were launched before it and not finished."""


class EngineQueue:
    """All that the model thread does with one engine. On that thread, but for `under_way`."""

    def __init__(
        self,
        engine: Engine,
        meter: WorkMeter,
        *,
        metrics: Metrics,
        spare_time: SpareTime,
        devices_time: DevicesTime,
        clock: Callable[[], float],
    ) -> None:
        """`devices_time` is that of all engines, `clock` is Trio's."""
        self.engine = engine
        self._meter = meter
        self._metrics = metrics
        self._spare_time = spare_time
        self._clock = clock
        self._waiting: dict[QueuedRequest, None] = {}  # all but those of launched steps, in order
        self._launched: deque[tuple[_Step, Launched]] = deque()
        self._device_done_at = 0.0  # with the last of its launched steps
        self._devices_time = devices_time
        self._called_at: float | None = None
        self._works_since: float | None = None

    @property
    def under_way(self) -> float | None:
        """Since when the engine is being called, or its device is at work on the same step, by
        `time.perf_counter`; None: neither. For any thread."""
        called_at, works_since = self._called_at, self._works_since
        return called_at if works_since is None else works_since

    # Its requests.

    def take(self, request: QueuedRequest) -> None:
        """Take in a newcomer."""
        self._waiting[request] = None
        if request.is_dead:  # it was not here when it left
            self.drop(request)

    def drop(self, request: QueuedRequest) -> None:
        """Let go of a request that has ended or died; if it is in a launched step, after that."""
        if request in self._waiting:
            del self._waiting[request]
            self._leave(request)

    def _leave(self, request: QueuedRequest) -> None:
        if request.has_ended:
            sound_s = request.n_samples / self.engine.sample_rate
            self._metrics.made(self.engine.name, request.steps_s, sound_s)
        try:
            self.engine.leave(request)
        except Exception:  # contained: its listener has all it gets
            log.exception(
                "%s could not let go of a request",
                self.engine.name,
                connections=[request.connection],
                requests=[request.client_request],
            )

    def able(self) -> list[QueuedRequest]:
        """The requests that it can step now."""
        able: list[QueuedRequest] = []
        if len(self._launched) >= MOST_LAUNCHED:
            return able
        failed: list[tuple[QueuedRequest, Exception]] = []
        for request in self._waiting:
            try:
                if request.has_room and self.engine.can_step(request):
                    able.append(request)
            except Exception as error:  # noqa: BLE001 - contained: it is told to its listener
                failed.append((request, error))
        for request, reason in failed:
            fail(self.engine, [request], reason)
        return able

    # Its steps.

    def step(self, able: Sequence[QueuedRequest]) -> None:
        """Take a step for some of these, the most urgent first, or launch it."""
        now = self._clock()
        began = self._called_at = time.perf_counter()
        try:
            batch = self._chosen(able)
        except Exception as error:  # noqa: BLE001 - contained: it is told to their listeners
            self._called_at = None
            fail(self.engine, able, error)
            return
        for request in batch:
            if request.segment.timing.started is None:
                request.segment.timing.started = now
        n_before = [request.n_samples for request in batch]
        n_together = sum(len(own.batch) for own, _ in self._launched) + len(batch)
        is_spare = self._spare_time.begin(batch, now)
        step = _Step(batch, n_before, now, began, is_spare, n_together)
        launched = None
        try:
            launched = self.engine.step(batch)
        except Exception as error:  # noqa: BLE001 - contained: it is told to their listeners
            self._fail_step(batch, error)
        finally:
            self._called_at = None
        if launched is None:
            took_s = time.perf_counter() - began
            self._account(step, took_s, took_s)
            return
        for request in batch:
            del self._waiting[request]
        self._launched.append((step, launched))
        if len(self._launched) == 1:
            self._works_since = began
            self._devices_time.begin(self, began)

    def _chosen(self, able: Sequence[QueuedRequest]) -> list[QueuedRequest]:
        chosen = set(self.engine.choose(able))
        if chosen.isdisjoint(able):  # they would be asked about again, and again, for ever
            raise RuntimeError("nobody was chosen for a step")
        return [request for request in able if request in chosen]

    def _fail_step(self, batch: Sequence[QueuedRequest], error: Exception) -> None:
        """Fail the batch of a step; and all there is, if nothing can be computed any more."""
        fail(self.engine, batch, error)
        if self.engine.is_lost:
            raise EngineGone(f"the device of {self.engine.name} does nothing more") from error

    @property
    def has_launched(self) -> bool:
        """There is a launched step that is not finished."""
        return bool(self._launched)

    @property
    def has_done(self) -> bool:
        """The device has done a step that is not finished."""
        if not self._launched:
            return False
        _, launched = self._launched[0]
        try:
            return launched.is_done
        except Exception:  # noqa: BLE001 - `finish` says what is wrong, and is told to listeners
            return True

    def finish_done(self) -> None:
        """Finish the steps that the device has done, in the order in which they were launched."""
        while self.has_done:
            self.finish_first()

    def finish_first(self) -> None:
        """Finish the first launched step, also if it must be waited for."""
        step, launched = self._launched[0]
        self._called_at = seen_done_at = time.perf_counter()
        try:
            launched.finish()
        except Exception as error:  # noqa: BLE001 - contained: it is told to their listeners
            self._fail_step(step.batch, error)
        finally:
            self._launched.popleft()
            self._works_since = seen_done_at if self._launched else None
            self._called_at = None
        took_s = seen_done_at - max(step.began, self._device_done_at)
        self._device_done_at = seen_done_at
        goes_on = bool(self._launched)
        used_s = self._devices_time.end(self, seen_done_at, goes_on=goes_on)
        self._account(step, took_s, used_s)
        for request in step.batch:
            self._waiting[request] = None
            if request.is_dead or request.has_ended:
                self.drop(request)

    def _account(self, step: _Step, took_s: float, used_s: float) -> None:
        begun_s: list[float] = []
        more_s: list[float] = []
        for request, n_before in zip(step.batch, step.n_before, strict=True):
            pieces_s = more_s if n_before else begun_s
            pieces_s.append((request.n_samples - n_before) / self.engine.sample_rate)
            request.steps_s += took_s
            request.segment.timing.worked_s += took_s
        self._meter.stepped(took_s, begun_s, more_s, used_s=used_s, n_together=step.n_together)
        if step.is_spare:
            self._spare_time.end(step.now, took_s)
        self._metrics.stepped(self.engine.name, len(step.batch), took_s)

    def close(self) -> None:
        """Close the engine, once its device has come to rest."""
        while self._launched:
            self.finish_first()
        self.engine.close()
