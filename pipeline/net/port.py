"""The one port: each request is read whole, then handed to the WebSocket or to the HTTP API.
Wyoming, which is no HTTP, has a port of its own with the same limits.

Reading first has two reasons: only the head says which of the two it is, and a request that
is read here, within a time and a size, cannot hang or flood the libraries behind.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, urlsplit

import structlog
import trio

from pipeline.dialects.dialect import Handshake
from pipeline.dialects.sockets import NATIVE_PATH, dialect_at
from pipeline.dialects.wyoming import Wyoming
from pipeline.net.access import KEY_PARAMETERS
from pipeline.net.pacing import (
    BURST_CONNECTIONS,
    CONNECTIONS_PER_S,
    UNUSED_COST,
    UNUSED_WITHIN_S,
    PacedListener,
    RateLimit,
)
from pipeline.net.request_head import Refused, RequestReader, check_upgrade, send_refusal
from pipeline.net.stream import ClientStream, PlainText, probe
from pipeline.net.websocket import serve_websocket
from pipeline.net.wyoming import refuse_wyoming, serve_wyoming
from pipeline.session import Session
from pipeline.voices import list_voices
from stages.errors import Overloaded, ProtocolError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from pipeline.close_code import CloseCode
    from pipeline.net.access import Access
    from pipeline.net.http_server import HttpServer
    from pipeline.net.request_head import HttpRequest
    from pipeline.service import Service

log = structlog.stdlib.get_logger(__name__)

TLS_WITHIN_S = 5.0
"""The limit for TLS's handshake, as for the request behind it: two round trips and arithmetic."""

MAX_ADVICE = 32
"""Lines in the log about names that were refused: a stranger may make up as many as it likes."""


class ServeSession(Protocol):
    """The serving of one session on a client's stream, which is then closed."""

    async def __call__(
        self, serve: Callable[[Any], Awaitable[CloseCode]], are_others: Callable[[], bool]
    ) -> None:
        """`serve` is `Session.run`, `are_others` is as for `PacedStream`."""


class Port:
    """The server's end of every connection that is made to its ports."""

    def __init__(
        self,
        service: Service,
        http: HttpServer,
        access: Access,
        *,
        tls: ssl.SSLContext | None,
        write_stall_s: float,
    ) -> None:
        self._service = service
        self._http = http
        self._access = access
        self._tls = tls
        self._write_stall_s = write_stall_s
        self._streams: set[ClientStream] = set()
        self._sessions: set[Session] = set()
        self._n_wyoming = 0
        self._limit = RateLimit(CONNECTIONS_PER_S, BURST_CONNECTIONS)
        self._numbers = itertools.count(1)
        self._advice: set[str] = set()

    async def serve(
        self,
        listeners: list[trio.SocketListener],
        *,
        task_status: trio.TaskStatus[list[PacedListener]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept until cancelled."""
        await self._accept(listeners, self._route, task_status)

    async def serve_wyoming(
        self,
        listeners: list[trio.SocketListener],
        *,
        task_status: trio.TaskStatus[list[PacedListener]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept clients that speak Wyoming, until cancelled."""
        await self._accept(listeners, self._serve_wyoming, task_status)

    async def _accept(
        self,
        listeners: list[trio.SocketListener],
        serve: Callable[[ClientStream], Awaitable[None]],
        task_status: trio.TaskStatus[list[PacedListener]],
    ) -> None:
        paced = [PacedListener(each, self._limit, self._has_listeners) for each in listeners]
        serve_client = partial(self._serve_client, serve)
        await trio.serve_listeners(serve_client, paced, task_status=task_status)

    def abort(self) -> None:
        """Cut all clients off. Cancelling would not: sends are shielded from it."""
        for stream in self._streams:
            stream.abort()

    def _has_listeners(self, but: Session | None = None) -> bool:
        """Whether anybody else has asked for speech. A client that has only connected does not
        count, since it waits for nothing."""
        return any(other.has_begun for other in self._sessions if other is not but)

    async def _serve_client(
        self, serve: Callable[[ClientStream], Awaitable[None]], tcp: trio.SocketStream
    ) -> None:
        """Serve one connection. A failure in it ends nobody else's."""
        probe(tcp)
        stream = ClientStream(tcp, self._write_stall_s)
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
        reader = RequestReader(stream)
        try:
            if self._tls is not None:
                await _start_tls(stream, self._tls)
            request = await reader.read()
            if request is None:
                return
            method, path, is_upgrade = request.method, request.path, request.is_upgrade
            log.debug("asked", method=method, path=path, upgrade=is_upgrade)
            self._access.check(request)
            stream.give_back(request.raw)
            with self._service.serving():
                if is_upgrade or (method == "GET" and dialect_at(path) is not None):
                    await self._serve_websocket(stream, request)
                else:
                    stream.ignores_input = True  # Hypercorn would close, in mid-answer
                    await self._http.serve(stream)
        except Refused as refusal:
            log.debug("refused", status=refusal.status, code=refusal.code)
            self._advise(refusal.advice)
            if refusal.code != Overloaded.code:  # the service has counted that, with its reason
                self._service.metrics.refused.labels(refusal.code).inc()
            await send_refusal(stream, refusal, reader.path)

    def _advise(self, advice: str | None) -> None:
        """Tell whoever runs the server, once, which option would have let somebody in."""
        if advice is None or advice in self._advice:
            return
        if len(self._advice) < MAX_ADVICE:
            self._advice.add(advice)
            log.warning("a client was refused", reason=advice)

    async def _serve_websocket(self, stream: ClientStream, request: HttpRequest) -> None:
        if not request.is_upgrade:  # mostly opened in a browser (RFC 9110, 7.8, 15.5.22)
            msg = f"{request.path} is a WebSocket: open it by ws:// or wss://"
            upgrade = ("upgrade", "websocket"), ("connection", "upgrade")
            raise Refused(426, "upgrade_required", msg, headers=upgrade)
        check_upgrade(request)
        try:
            url = urlsplit(request.target)
        except ValueError as error:
            raise Refused(400, "bad_request", f"the target is no URL: {error}") from None
        dialect = dialect_at(url.path)
        if dialect is None:
            raise Refused(404, "not_found", f"no WebSocket is served here; {NATIVE_PATH} is one")
        query = parse_qsl(url.query, keep_blank_values=True)
        shown = [pair for pair in query if pair[0] not in KEY_PARAMETERS]
        handshake = Handshake(url.path, shown)
        # Twice as many as may listen: some wait in a client's pool, without a conversation.
        most = 2 * self._service.max_listeners
        if len(self._sessions) >= most:
            self._service.metrics.refused.labels("full").inc()
            full = Overloaded(f"{most} connections are open, the most")
            later = ("retry-after", str(full.retry_after_s))
            raise Refused(503, full.code, str(full), headers=(later,))
        try:
            session = Session(dialect(handshake, self._service.voice_names), self._service)
            with session.begin():
                serve = partial(serve_websocket, stream, silent_s=session.silent_s)
                await self._serve_session(session, serve)
        except ProtocolError as error:
            raise Refused(400, error.code, str(error)) from None
        except Overloaded as error:
            later = ("retry-after", str(error.retry_after_s))
            raise Refused(503, error.code, str(error), headers=(later,)) from None

    async def _serve_wyoming(self, stream: ClientStream) -> None:
        # Twice as many as may listen: Home Assistant asks for the voices at any time.
        most = 2 * self._service.max_listeners
        with self._service.serving():
            if self._n_wyoming >= most:
                self._service.metrics.refused.labels("full").inc()
                await refuse_wyoming(stream, Overloaded(f"{most} connections are open, the most"))
                return
            self._n_wyoming += 1
            try:
                session = Session(Wyoming(self._service.voice_names), self._service)
                refresh = partial(list_voices, self._service.voices)
                with session.begin(looks=False):
                    serve = partial(serve_wyoming, stream, refresh=refresh)
                    await self._serve_session(session, serve)
            finally:
                self._n_wyoming -= 1

    async def _serve_session(self, session: Session, serve: ServeSession) -> None:
        began_at = trio.current_time()
        self._sessions.add(session)
        try:
            await serve(session.run, are_others=lambda: self._has_listeners(but=session))
        finally:
            self._sessions.discard(session)
            now = trio.current_time()
            was_unused = not session.has_begun and now < began_at + UNUSED_WITHIN_S
            if was_unused and self._has_listeners():
                self._limit.charge(UNUSED_COST, now)


async def _start_tls(stream: ClientStream, tls: ssl.SSLContext) -> None:
    """Shake hands within a time. Raises `Refused` for a client that speaks HTTP without TLS."""
    try:
        with trio.fail_after(TLS_WITHIN_S):
            await stream.start_tls(tls)
    except PlainText:
        raise Refused(400, "tls_needed", "this port speaks TLS: ask it by https or wss") from None
    except trio.TooSlowError:
        raise trio.BrokenResourceError("the client was too slow with its handshake") from None
