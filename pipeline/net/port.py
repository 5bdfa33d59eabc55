"""One port: reads each request whole, then hands it to the WebSocket or to the HTTP API.

Reading first has two reasons: only the head says which of the two it is, and a request that
is read here, within a time and a size, cannot hang or flood what comes behind.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import parse_qsl, urlsplit

import structlog
import trio

from pipeline.connection import hold_conversation
from pipeline.dialects import native
from pipeline.net.access import KEY_PARAMETER
from pipeline.net.pacing import (
    BURST_CONNECTIONS,
    CONNECTIONS_PER_S,
    IN_VAIN_COST,
    IN_VAIN_S,
    Pace,
    PacedListener,
)
from pipeline.net.request_head import Refused, answer, check_upgrade, read_request
from pipeline.net.stream import PlainText, Stream
from pipeline.net.websocket import serve_websocket
from stages.errors import Overloaded, ProtocolError
from stages.intake.conversation import Conversation

if TYPE_CHECKING:
    import ssl

    from pipeline.net.access import Access
    from pipeline.net.http_server import HttpServer
    from pipeline.net.request_head import Request
    from pipeline.service import Service

log = structlog.stdlib.get_logger(__name__)

WEBSOCKET_PATH = "/ws/stream"

TLS_WITHIN_S = 5.0
"""For TLS's handshake, as for the request behind it: two round trips, and some arithmetic."""


class Listener:
    """Answers every connection that is made to the port."""

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
        self._streams: set[Stream] = set()
        self._conversations: set[Conversation] = set()
        self._pace = Pace(CONNECTIONS_PER_S, BURST_CONNECTIONS)
        self._numbers = itertools.count(1)

    async def serve(
        self,
        listeners: list[trio.SocketListener],
        *,
        task_status: trio.TaskStatus[list[PacedListener]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept until cancelled."""
        doors = [PacedListener(listener, self._pace, self._is_heard) for listener in listeners]
        await trio.serve_listeners(self._answer, doors, task_status=task_status)

    def _is_heard(self, but: Conversation | None = None) -> bool:
        """Somebody uses the server, not counting this one: who has only connected waits for
        nothing."""
        return any(other.has_begun for other in self._conversations if other is not but)

    def abort(self) -> None:
        """Cut everybody off. A cancel alone would not: sends are shielded from it."""
        for stream in self._streams:
            stream.abort()

    async def _answer(self, tcp: trio.SocketStream) -> None:
        """Whatever goes wrong with one client stays with that client."""
        stream = Stream(tcp, self._write_stall_s)
        self._streams.add(stream)
        structlog.contextvars.bind_contextvars(connection=next(self._numbers))  # of this task
        try:
            await self._route(stream)
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            log.debug("a client went away")
        except* Exception:
            log.exception("a connection failed")
        finally:
            self._streams.discard(stream)
            stream.close()

    async def _route(self, stream: Stream) -> None:
        try:
            if self._tls is not None:
                await _shake_hands(stream, self._tls)
            request = await read_request(stream)
            if request is None:
                return
            path = request.target.partition("?")[0]  # behind it may be a key
            log.debug("asked", method=request.method, path=path, upgrade=request.is_upgrade)
            self._access.check(request)
            if path == WEBSOCKET_PATH and request.method == "GET" and not request.is_upgrade:
                _ask_for_upgrade()
            stream.give_back(request.raw)
            with self._service.serving():
                if request.is_upgrade:
                    await self._speak(stream, request)
                else:
                    stream.ignores_input = True  # Hypercorn would close, in mid-answer
                    await self._http.serve(stream)
        except Refused as refusal:
            log.debug("refused", status=refusal.status, code=refusal.code)
            if refusal.code != Overloaded.code:  # which says for itself why
                self._service.metrics.refused(refusal.code)
            await answer(stream, refusal)

    async def _speak(self, stream: Stream, request: Request) -> None:
        check_upgrade(request.head)
        try:
            url = urlsplit(request.target)
        except ValueError as error:
            raise Refused(400, "bad_request", f"the target is no URL: {error}") from None
        if url.path != WEBSOCKET_PATH:
            raise Refused(404, "not_found", f"WebSockets are served at {WEBSOCKET_PATH} alone")
        conversation = Conversation(self._service.voices, self._service.style)
        try:
            query = parse_qsl(url.query, keep_blank_values=True)
            config = native.parse_query(pair for pair in query if pair[0] != KEY_PARAMETER)
            conversation.configure(config)
            with self._service.admit():
                await self._converse(stream, conversation)
        except ProtocolError as error:
            raise Refused(400, error.code, str(error)) from None
        except Overloaded as error:
            later = ("retry-after", str(error.retry_after_s))
            raise Refused(503, error.code, str(error), headers=(later,)) from None

    async def _converse(self, stream: Stream, conversation: Conversation) -> None:
        came_at = trio.current_time()
        self._conversations.add(conversation)
        try:
            await serve_websocket(
                stream,
                lambda peer: hold_conversation(peer, self._service, conversation),
                are_others=lambda: self._is_heard(but=conversation),
            )
        finally:
            self._conversations.discard(conversation)
            now = trio.current_time()
            in_vain = not conversation.has_begun and now < came_at + IN_VAIN_S
            if in_vain and self._is_heard():
                self._pace.charge(IN_VAIN_COST, now)


def _ask_for_upgrade() -> NoReturn:
    """As RFC 9110 (7.8, 15.5.22) has it. Who gets this has mostly opened the path in a browser."""
    msg = f"{WEBSOCKET_PATH} is a WebSocket: open it by ws:// or wss://"
    upgrade = ("upgrade", "websocket"), ("connection", "upgrade")
    raise Refused(426, "upgrade_required", msg, headers=upgrade)


async def _shake_hands(stream: Stream, tls: ssl.SSLContext) -> None:
    """Start TLS, in time. Raises `Refused` for a client that speaks HTTP without it."""
    try:
        with trio.fail_after(TLS_WITHIN_S):
            await stream.start_tls(tls)
    except PlainText:
        msg = "this port speaks TLS: ask it by https or wss"
        raise Refused(400, "tls_needed", msg) from None
    except trio.TooSlowError:
        raise trio.BrokenResourceError("the client was too slow with its handshake") from None
