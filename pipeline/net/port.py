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
from pipeline.net.access import MONITORED
from pipeline.net.door import URGENT, Door
from pipeline.net.proxy_protocol import Malformed, ProxyHeader, read_proxy_header
from pipeline.net.request_head import Refused, RequestReader, send_answer, send_refusal
from pipeline.net.stream import ClientStream, PlainText, probe
from pipeline.net.upload_rules import upload_target
from stages.errors import Overloaded

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Awaitable, Callable

    from pipeline.net.access import Access
    from pipeline.net.crowd import Crowd
    from pipeline.net.request_head import HttpRequest
    from pipeline.tenants import Tenant

log = structlog.stdlib.get_logger(__name__)

TLS_WITHIN_S = 5.0
"""The limit for TLS's handshake, as for the request behind it: two round trips and arithmetic."""

PROXY_HEADER_WITHIN_S = 5.0
"""The limit for what a trusted proxy sends first: the specification asks for at least 3 s."""

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
        crowd: Crowd,
        *,
        tls: ssl.SSLContext | None,
        write_stall_s: float,
        account: Account | None = None,
    ) -> None:
        self.account = account or Account()
        """Of what waits in the process for all clients."""
        self.answers = answers
        """May be changed at any time: others answer whoever comes from then on."""
        self.crowd = crowd
        self._access = access
        self._tls = tls
        self._write_stall_s = write_stall_s
        self._door = Door(crowd, self._has_listeners)
        self._numbers = itertools.count(1)
        self._advice: set[str] = set()

    async def serve(
        self,
        listeners: list[trio.SocketListener],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._door.watch)
            await self.accept(listeners, self._route, task_status=task_status)

    async def accept(
        self,
        listeners: list[trio.SocketListener],
        serve: Callable[[ClientStream], Awaitable[None]],
        *,
        is_for_proxies: bool = False,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept clients of another protocol, each of which is served by this, until cancelled.
        A port that `is_for_proxies` themselves waits for no word of theirs about a client."""
        serve_client = partial(self._serve_client, serve, is_for_proxies)
        async with trio.open_nursery() as nursery:
            for listener in listeners:
                await nursery.start(self._door.accept, listener, serve_client)
            task_status.started()

    async def _serve_client(
        self,
        serve: Callable[[ClientStream], Awaitable[None]],
        is_for_proxies: bool,
        socket: socket.socket,
        address: str,
        wait_s: float,
    ) -> None:
        """Serve one connection, after so many seconds. A failure in it ends nobody else's."""
        tcp = trio.SocketStream(trio.socket.from_stdlib_socket(socket))
        probe(tcp)
        stream = ClientStream(tcp, self._write_stall_s, self.account, address)
        names = {"connection": next(self._numbers), "request": stream.request_id}
        structlog.contextvars.bind_contextvars(**names)  # of this task and those that it starts
        try:
            with self.crowd.visit(stream):
                await trio.sleep(wait_s)
                if address in self.crowd.trusted and not is_for_proxies:
                    await self._hear_proxy(stream)
                await serve(stream)
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            log.debug("a client went away")
        except* Exception:
            log.exception("a connection failed")
        finally:
            stream.close()

    async def _hear_proxy(self, stream: ClientStream) -> None:
        """Take in whom a trusted proxy says it passes on, if it speaks HAProxy's protocol, and let
        its client wait for its turn."""
        header = await self._read_proxy_header(stream)
        if header.client is None:
            return
        self.crowd.told(stream, header.client)
        first = b""
        with trio.move_on_after(PROXY_HEADER_WITHIN_S):
            first = await stream.receive_some()
            stream.give_back(first)
        try:
            await self._wait_turn(stream, is_urgent=first.startswith(URGENT))
        except Overloaded as error:
            stream.abort()
            raise trio.BrokenResourceError from error

    async def _read_proxy_header(self, stream: ClientStream) -> ProxyHeader:
        data = b""
        with trio.move_on_after(PROXY_HEADER_WITHIN_S):
            try:
                while (header := read_proxy_header(data)) is None:
                    more = await stream.receive_some()
                    if not more:
                        raise trio.BrokenResourceError("the proxy left in its header")
                    data += more
            except Malformed as error:
                log.debug("refused", code="bad_proxy_header", reason=str(error))
                self.answers.count_refused("bad_proxy_header")
                raise trio.BrokenResourceError from error
            stream.give_back(data[header.n_bytes :])
            return header
        raise trio.BrokenResourceError("the proxy was too slow with its header")

    async def _wait_turn(self, stream: ClientStream, *, is_urgent: bool) -> None:
        """Wait until the client of a proxy may be served. Raises `Overloaded` where it may not."""
        cost, now = self._door.cost(), trio.current_time()
        if self.crowd.charge(stream.peer, cost, now):
            return
        wait_s = self.crowd.turn(stream.peer, cost, now, is_urgent=is_urgent)
        if wait_s is None:
            raise Overloaded("too many connections come from this address")
        await trio.sleep(wait_s)

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
            await self._come_in(stream, request)
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

    async def _come_in(self, stream: ClientStream, request: HttpRequest) -> None:
        """Count a client whose request has been read. Raises `Refused`."""
        is_urgent = request.path in MONITORED
        try:
            if stream.peer in self.crowd.trusted:
                forwarded = request.listed(b"x-forwarded-for")
                client = self.crowd.trusted.client(stream.peer, forwarded)
                if client is None:
                    self._advise("X-Forwarded-For of a trusted proxy holds no addresses")
                elif client != stream.peer:
                    self.crowd.told(stream, client)
                    await self._wait_turn(stream, is_urgent=is_urgent)
            self.crowd.asked(stream, is_urgent=is_urgent)
        except Overloaded as error:
            later = ("retry-after", str(error.retry_after_s))
            raise Refused(503, error.code, str(error), headers=(later,)) from None

    def _has_listeners(self) -> bool:
        return self.answers.has_listeners()

    def abort(self) -> None:
        """Cut all clients off. Cancelling would not: sends are shielded from it."""
        self.crowd.abort()

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
