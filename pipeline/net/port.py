"""The one port: each request is read whole and let in, then handed to whoever answers it. Wyoming,
which is no HTTP, has a port of its own with the same limits.

Reading first has two reasons: only the head says whether it asks for a WebSocket, and a request
that is read here, within a time and a size, cannot hang or flood the libraries behind.

The port is bound before those are imported, so this file imports none of them.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog
import trio

from pipeline.holdings import Account
from pipeline.net.pacing import BURST_CONNECTIONS, CONNECTIONS_PER_S, PacedListener, RateLimit
from pipeline.net.request_head import Refused, RequestReader, send_answer, send_refusal
from pipeline.net.stream import ClientStream, PlainText, probe
from pipeline.net.upload_rules import upload_target

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from pipeline.net.access import Access
    from pipeline.net.request_head import HttpRequest
    from pipeline.tenants import Tenant

log = structlog.stdlib.get_logger(__name__)

TLS_WITHIN_S = 5.0
"""The limit for TLS's handshake, as for the request behind it: two round trips and arithmetic."""

MAX_ADVICE = 32
"""Lines in the log about names that were refused: a stranger may make up as many as it likes."""


class Answers(Protocol):
    """What answers those whom a port lets in."""

    async def answer(
        self,
        stream: ClientStream,
        request: HttpRequest,
        reader: RequestReader,
        tenant: Tenant | None,
    ) -> None:
        """Answer a request, which this reader has read from the stream, but for the body of an
        upload. `tenant` is whose key it has, if it has one. Raises `Refused`."""

    def has_listeners(self) -> bool:
        """Whether anybody has asked for speech. A client that has only connected does not count,
        since it waits for nothing."""

    def count_refused(self, code: str) -> None:
        """A request was refused, with this code."""


class Port:
    """The server's end of every connection that is made to its ports."""

    def __init__(
        self,
        answers: Answers,
        access: Access,
        *,
        tls: ssl.SSLContext | None,
        write_stall_s: float,
        account: Account | None = None,
    ) -> None:
        self.account = account or Account()
        """Of what waits in the process for all clients."""
        self.answers = answers
        """May be changed at any time: others answer whoever comes from then on."""
        self.limit = RateLimit(CONNECTIONS_PER_S, BURST_CONNECTIONS)
        """The limit of new connections, while others listen."""
        self._access = access
        self._tls = tls
        self._write_stall_s = write_stall_s
        self._streams: set[ClientStream] = set()
        self._numbers = itertools.count(1)
        self._advice: set[str] = set()

    async def serve(
        self,
        listeners: list[trio.SocketListener],
        *,
        task_status: trio.TaskStatus[list[PacedListener]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept until cancelled."""
        await self.accept(listeners, self._route, task_status=task_status)

    async def accept(
        self,
        listeners: list[trio.SocketListener],
        serve: Callable[[ClientStream], Awaitable[None]],
        *,
        task_status: trio.TaskStatus[list[PacedListener]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept clients of another protocol, each of which is served by this, until cancelled."""

        def are_others() -> bool:
            return self.answers.has_listeners()

        paced = [PacedListener(each, self.limit, are_others) for each in listeners]
        serve_client = partial(self._serve_client, serve)
        await trio.serve_listeners(serve_client, paced, task_status=task_status)

    def abort(self) -> None:
        """Cut all clients off. Cancelling would not: sends are shielded from it."""
        for stream in self._streams:
            stream.abort()

    async def _serve_client(
        self, serve: Callable[[ClientStream], Awaitable[None]], tcp: trio.SocketStream
    ) -> None:
        """Serve one connection. A failure in it ends nobody else's."""
        probe(tcp)
        stream = ClientStream(tcp, self._write_stall_s, self.account)
        self._streams.add(stream)
        structlog.contextvars.bind_contextvars(connection=next(self._numbers))  # of this task
        try:
            await serve(stream)
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            log.debug("a client went away")
        except* Exception:
            log.exception("a connection failed")
        finally:
            self._streams.discard(stream)
            stream.close()

    async def _route(self, stream: ClientStream) -> None:
        reader = RequestReader(stream, lambda request: upload_target(request) is not None)
        try:
            if self._tls is not None:
                await _start_tls(stream, self._tls)
            request = await reader.read()
            if request is None:
                return
            method, path, is_upgrade = request.method, request.path, request.is_upgrade
            log.debug("asked", method=method, path=path, upgrade=is_upgrade)
            tenant = self._access.check(request)
            if tenant is not None:
                stream.who = f"key {tenant.name}"
            if method == "OPTIONS" and path == "*":  # about the server, a ping (RFC 9110, 9.3.7)
                await send_answer(stream, 200, b"")
                return
            await self.answers.answer(stream, request, reader, tenant)
        except Refused as refusal:
            log.debug("refused", status=refusal.status, code=refusal.code)
            self._advise(refusal.advice)
            self.answers.count_refused(refusal.code)
            await send_refusal(stream, refusal, reader.path)

    def _advise(self, advice: str | None) -> None:
        """Tell whoever runs the server, once, which option would have let somebody in."""
        if advice is None or advice in self._advice:
            return
        if len(self._advice) < MAX_ADVICE:
            self._advice.add(advice)
            log.warning("a client was refused", reason=advice)


async def _start_tls(stream: ClientStream, tls: ssl.SSLContext) -> None:
    """Shake hands within a time. Raises `Refused` for a client that speaks HTTP without TLS."""
    try:
        with trio.fail_after(TLS_WITHIN_S):
            await stream.start_tls(tls)
    except PlainText:
        raise Refused(400, "tls_needed", "this port speaks TLS: ask it by https or wss") from None
    except trio.TooSlowError:
        raise trio.BrokenResourceError("the client was too slow with its handshake") from None
