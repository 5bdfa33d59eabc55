"""One port: reads each request whole, then hands it to the WebSocket or to the HTTP API.

Reading first has two reasons: only the head says which of the two it is, and a request that
is read here, within a time and a size, cannot hang or flood what comes behind.
"""

from __future__ import annotations

import http
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import h11
import trio

from pipeline import protocol
from pipeline.connection import hold_conversation
from pipeline.streams import Stream
from pipeline.websocket import serve_websocket
from stages.errors import Overloaded, ProtocolError
from stages.intake import Conversation

if TYPE_CHECKING:
    from pipeline.http_server import HttpServer
    from pipeline.service import Service

log = logging.getLogger(__name__)

WEBSOCKET_PATH = "/ws/stream"

REQUEST_WITHIN_S = 5.0
"""For a request, body and all. The largest is a few kilobytes."""

MAX_HEAD_BYTES = 16 * 1024
"""What nginx and Node allow too."""

MAX_BODY_BYTES = 64 * 1024
"""As much as a WebSocket message may have."""

MAX_REQUEST_BYTES = 512 * 1024
"""With everything around the body: one in chunks of a single byte has six times its size."""

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"content-length",
        b"expect",
        b"http2-settings",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""Headers that are for us and not for the app (RFC 9110, 7.6.1)."""


class Refused(Exception):
    """This request is answered with an HTTP status, and that is all."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """What decides a request's way, and the bytes to read it from again."""

    target: str
    is_upgrade: bool
    raw: bytes


class Listener:
    """Answers every connection that is made to the port."""

    def __init__(self, service: Service, http: HttpServer, *, write_stall_s: float) -> None:
        self._service = service
        self._http = http
        self._write_stall_s = write_stall_s
        self._streams: set[Stream] = set()

    async def serve(
        self,
        listeners: list[trio.SocketListener],
        *,
        task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept until cancelled."""
        await trio.serve_listeners(self._answer, listeners, task_status=task_status)

    def abort(self) -> None:
        """Cut everybody off. A cancel alone would not: sends are shielded from it."""
        for stream in self._streams:
            stream.abort()

    async def _answer(self, tcp: trio.SocketStream) -> None:
        """Whatever goes wrong with one client stays with that client."""
        stream = Stream(tcp, self._write_stall_s)
        self._streams.add(stream)
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
            request = await read_request(stream)
            if request is None:
                return
            stream.give_back(request.raw)
            with self._service.serving():
                if request.is_upgrade:
                    await self._speak(stream, request)
                else:
                    stream.ignores_input = True  # Hypercorn would close, in mid-answer
                    await self._http.serve(stream)
        except Refused as refusal:
            await answer(stream, refusal)

    async def _speak(self, stream: Stream, request: Request) -> None:
        try:
            url = urlsplit(request.target)
        except ValueError as error:
            raise Refused(400, "bad_request", f"the target is no URL: {error}") from None
        if url.path != WEBSOCKET_PATH:
            raise Refused(404, "not_found", f"WebSockets are served at {WEBSOCKET_PATH} alone")
        conversation = Conversation(self._service.voices, self._service.style)
        try:
            query = parse_qsl(url.query, keep_blank_values=True)
            conversation.configure(protocol.parse_query(query))
            with self._service.admit():
                await serve_websocket(
                    stream, lambda peer: hold_conversation(peer, self._service, conversation)
                )
        except ProtocolError as error:
            raise Refused(400, error.code, str(error)) from None
        except Overloaded as error:
            raise Refused(503, error.code, str(error)) from None


async def read_request(stream: Stream) -> Request | None:
    """Read one request, body and all; None: the client left without a word.

    Raises `Refused` for one that is malformed, too large or too slow."""
    reader = _RequestReader(stream)
    with trio.move_on_after(REQUEST_WITHIN_S):
        return await reader.read()
    if not reader.n_received:
        return None
    raise Refused(408, "too_slow", f"the request did not arrive within {REQUEST_WITHIN_S:g} s")


class _RequestReader:
    def __init__(self, stream: Stream) -> None:
        self.n_received = 0
        self._stream = stream
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)

    async def read(self) -> Request | None:
        head: h11.Request | None = None
        body = bytearray()
        try:
            while True:
                match self._parser.next_event():
                    case h11.NEED_DATA:
                        if not await self._receive() and head is None:
                            return None
                    case h11.Request() as head:
                        behind, _ = self._parser.trailing_data
                        if self.n_received - len(behind) > MAX_HEAD_BYTES:  # h11 minds only
                            msg = f"the head is over {MAX_HEAD_BYTES} bytes"  # what is missing
                            raise Refused(431, "too_large", msg)
                        if head.http_version not in {b"1.0", b"1.1"}:
                            raise Refused(400, "bad_request", "only HTTP/1.1 is spoken here")
                    case h11.Data() as part:
                        body += part.data
                        if len(body) > MAX_BODY_BYTES:
                            raise _too_large(f"the body is over {MAX_BODY_BYTES} bytes")
                    case h11.EndOfMessage() if head is not None:
                        return self._whole(head, bytes(body))
        except h11.RemoteProtocolError as error:
            raise Refused(error.error_status_hint, "bad_request", str(error)) from None

    async def _receive(self) -> bool:
        """Read on; False: the client has nothing more to say."""
        if self._parser.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            await self._stream.send_all(self._parser.send(go_on) or b"")
        data = await self._stream.receive_some()
        self.n_received += len(data)
        if self.n_received > MAX_REQUEST_BYTES:
            raise _too_large(f"the request is over {MAX_REQUEST_BYTES} bytes")
        self._parser.receive_data(data)
        return bool(data)

    def _whole(self, head: h11.Request, body: bytes) -> Request:
        target = head.target.decode("ascii")
        if _tokens(head, b"upgrade") == [b"websocket"]:
            check_upgrade(head)
            behind, _ = self._parser.trailing_data
            return Request(target, is_upgrade=True, raw=_written(head, list(head.headers)) + behind)
        # Written anew: without what concerns this connection alone, since Hypercorn would
        # follow an upgrade to HTTP/2, and without what comes behind, which it would answer.
        headers = [(name, value) for name, value in head.headers if name not in HOP_BY_HOP]
        if not any(name == b"host" for name, _ in headers):
            headers.append((b"host", b""))  # HTTP/1.0 has none
        headers.append((b"content-length", b"%d" % len(body)))
        return Request(target, is_upgrade=False, raw=_written(head, headers) + body)


def check_upgrade(head: h11.Request) -> None:
    """Raises `Refused` for an upgrade that is not as RFC 6455 (4.2.1) asks: the WebSocket
    library answers such a one by itself, and does not tell. And for one from a page of another
    host: a browser sends those too, and leaves it to the server to mind (RFC 6455, 10.2)."""
    if _tokens(head, b"sec-websocket-version") != [b"13"]:
        raise Refused(426, "bad_request", "Sec-WebSocket-Version: only 13 is spoken here")
    origins = [value.decode("latin-1") for key, value in head.headers if key == b"origin"]
    hosts = [value.decode("latin-1") for key, value in head.headers if key == b"host"]
    if origins and [origin.partition("://")[2] for origin in origins] != hosts:
        raise Refused(
            403, "foreign_origin", "a page of another host may not speak through this one"
        )
    if (
        head.method != b"GET"
        or head.http_version != b"1.1"
        or b"upgrade" not in _tokens(head, b"connection")
        or len(_tokens(head, b"sec-websocket-key")) != 1
    ):
        raise Refused(400, "bad_request", "this is no WebSocket upgrade as RFC 6455 has it")


def _tokens(head: h11.Request, name: bytes) -> list[bytes]:
    """The comma-separated words of a header, in lower case."""
    values = b",".join(value for key, value in head.headers if key == name)
    return [word.strip().lower() for word in values.split(b",")] if values else []


def _written(head: h11.Request, headers: list[tuple[bytes, bytes]]) -> bytes:
    request = h11.Request(method=head.method, target=head.target, headers=headers)
    return h11.Connection(h11.CLIENT).send(request) or b""


def _too_large(message: str) -> Refused:
    return Refused(413, "too_large", message)


async def answer(stream: Stream, refusal: Refused) -> None:
    """Send a refusal, and make sure that the client can read it."""
    body = json.dumps({"error": str(refusal), "code": refusal.code}).encode()
    headers = [
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
        ("connection", "close"),
    ]
    if refusal.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append(("retry-after", str(Overloaded.retry_after_s)))
    if refusal.status == http.HTTPStatus.UPGRADE_REQUIRED:
        headers.append(("sec-websocket-version", "13"))
    writer = h11.Connection(h11.SERVER)
    parts = (
        h11.Response(status_code=refusal.status, headers=headers),
        h11.Data(data=body),
        h11.EndOfMessage(),
    )
    await stream.send_all(b"".join(writer.send(part) or b"" for part in parts))
    await stream.linger()
