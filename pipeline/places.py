"""The places for listeners: as many as the server has, of which a tenant may have some; and an
account of what each of them uses."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import trio

from pipeline.capacity import Turnover
from pipeline.tenants import SOCKETS_PER_LISTENER
from pipeline.usage import Caller, Usage
from stages.errors import Draining, LimitReached, Overloaded, UnknownVoice

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from pipeline.leaving import Leaving
    from pipeline.metrics import Metrics
    from pipeline.pace import ServerPace
    from pipeline.tenants import Tenant
    from pipeline.traces import Traces
    from stages.items import Style


def _keep_nothing(_: Usage) -> None:
    """There is no usage log."""


class Socket(Protocol):
    """A socket that may hold conversations, each of which takes a place."""

    @property
    def is_pooled(self) -> bool:
        """Whether it holds none: it waits in a client's pool."""


class Places:
    """The places of one server."""

    def __init__(
        self,
        most: int,
        *,
        leaving: Leaving,
        pace: ServerPace,
        metrics: Metrics,
    ) -> None:
        """`most` may be taken, and none by newcomers once all are asked to leave; `pace` says
        whether somebody who begins in a style can be spoken to beside all others."""
        self.most = most
        self.n_taken = 0
        self.sockets: set[Socket] = set()
        """All that are open."""
        self.wall_clock: Callable[[], float] = time.time
        """The time as POSIX has it, by which a tenant's days turn."""
        self.keep_usage: Callable[[Usage], None] = _keep_nothing
        """Called with each listener's account, once it has left its place."""
        self.traces: Traces | None = None
        """Those of the conversations that begin from now on; None: nobody asked for any."""
        self._leaving = leaving
        self._pace = pace
        self._turnover = Turnover()
        self._metrics = metrics

    @property
    def n_pooled(self) -> int:
        """Sockets that are open and have no place."""
        return sum(socket.is_pooled for socket in self.sockets)

    @property
    def are_taken(self) -> bool:
        """There is none left."""
        return self.n_taken >= self.most

    def check_socket(self, tenant: Tenant | None, open_for: Collection[Tenant | None]) -> None:
        """Raises `Overloaded` where there are as many WebSockets as may be, and `LimitReached`
        where this tenant has as many as it may. `open_for` has whose each is that there is."""
        most = SOCKETS_PER_LISTENER * self.most
        if len(open_for) >= most:
            self._metrics.refused.labels("full").inc()
            raise Overloaded(f"{most} connections are open, the most")
        if tenant is not None:
            self._refuse(tenant, tenant.refuses_socket(sum(own is tenant for own in open_for)))

    def check_stays(self, *, is_here: bool = False) -> None:
        """Raises `Overloaded` where the server closes, and `Draining` for a newcomer where it
        drains: for everybody who is not here, in another conversation on the same socket."""
        refused = self._metrics.refused
        if self._leaving.closing.is_set():
            refused.labels("closing").inc()
            raise Overloaded("the server is shutting down")
        if self._leaving.is_draining and not is_here:
            refused.labels("draining").inc()
            raise Draining("the server is being drained: connect to another")

    def check(self, style: Style, tenant: Tenant | None, *, is_here: bool = False) -> None:
        """Raises as `check_stays`, `Overloaded` where there is no place for one more listener, or
        where those who are being spoken to would starve, and `LimitReached` where this tenant has
        all its places."""
        refused = self._metrics.refused
        self.check_stays(is_here=is_here)
        if tenant is not None:
            self._refuse(tenant, tenant.refuses_place())
        if self.are_taken:
            refused.labels("full").inc()
            told = f"all {self.most} places are taken"
            raise Overloaded(told, free_in_s=self._turnover.free_in_s(self.n_taken))
        if not self._pace.has_room(style):
            refused.labels("busy").inc()
            told = "the machine can speak to no more listeners now"
            raise Overloaded(told, free_in_s=self._pace.room_in_s())

    def _refuse(self, tenant: Tenant, over: LimitReached | None) -> None:
        if over is not None:
            self._metrics.refused.labels(over.code).inc()
            self._metrics.key_refused.labels(tenant.name, over.limit).inc()
            raise over

    @contextmanager
    def take(self, style: Style, caller: Caller, *, is_here: bool = False) -> Iterator[Usage]:
        """A place for one listener, and its account. Raises as `check`, and `UnknownVoice` where
        its key may not speak with the style's voice."""
        tenant = caller.tenant
        if tenant is not None and not tenant.allows(style.voice):
            raise UnknownVoice("voice: this key may speak with none of the voices here")
        self.check(style, tenant, is_here=is_here)
        self._metrics.admitted.inc()
        self.n_taken += 1
        if tenant is not None:
            tenant.enter()
            self._metrics.key_conversations.labels(tenant.name).inc()
        usage = Usage(caller, self._metrics, self.wall_clock)
        taken_at = trio.current_time()
        try:
            if self.traces is not None:
                usage.trace = self.traces.begin(caller.trace_context)
            yield usage
        finally:
            self.n_taken -= 1
            self._turnover.gave_back(trio.current_time() - taken_at)
            if tenant is not None:
                tenant.leave()
            self.keep_usage(usage)
            if usage.trace is not None:
                usage.trace.end(usage.line())
