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

ABORT_AFTER_S = 0.7
"""Once cancelled: a little longer than a WebSocket's close is tried for then."""

RETRY_AFTER_S = 2
"""What a client is told that finds the server full: about the length of a sentence."""


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
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._abort_when_cancelled)
            await trio.serve_listeners(self._answer, listeners, task_status=task_status)

    async def _abort_when_cancelled(self) -> None:
        """Cut off those that do not go by themselves: Hypercorn shields its sends."""
        try:
            await trio.sleep_forever()
        finally:
            if self._streams:
                with trio.CancelScope(shield=True):
                    await trio.sleep(ABORT_AFTER_S)
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
            stream.abort()

    async def _route(self, stream: Stream) -> None:
        try:
            request = await read_request(stream)
            if request is None:
                return
            stream.give_back(request.raw)
            if request.is_upgrade:
                await self._speak(stream, request)
            else:
                await self._http.serve(stream)
        except Refused as refusal:
            await answer(stream, refusal)

    async def _speak(self, stream: Stream, request: Request) -> None:
        url = urlsplit(request.target)
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
    raw = bytearray()
    with trio.move_on_after(REQUEST_WITHIN_S):
        return await _read_request(stream, raw)
    if not raw:
        return None
    raise Refused(408, "too_slow", f"the request did not arrive within {REQUEST_WITHIN_S:g} s")


async def _read_request(stream: Stream, raw: bytearray) -> Request | None:
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
    head: h11.Request | None = None
    n_body = 0
    try:
        while True:
            match parser.next_event():
                case h11.NEED_DATA:
                    if parser.they_are_waiting_for_100_continue:
                        go_on = h11.InformationalResponse(status_code=100, headers=[])
                        await stream.send_all(parser.send(go_on) or b"")
                    data = await stream.receive_some()
                    raw += data
                    if not data and head is None:
                        return None
                    parser.receive_data(data)
                case h11.Request() as head:
                    pass
                case h11.Data() as part:
                    n_body += len(part.data)
                    if n_body > MAX_BODY_BYTES:
                        msg = f"the body is over {MAX_BODY_BYTES} bytes"
                        raise Refused(413, "too_large", msg)
                case h11.EndOfMessage() if head is not None:
                    return _request(head, bytes(raw))
    except h11.RemoteProtocolError as error:
        raise Refused(error.error_status_hint, "bad_request", str(error)) from None


def _request(head: h11.Request, raw: bytes) -> Request:
    headers = {name: value.lower() for name, value in head.headers}
    return Request(
        target=head.target.decode("ascii"),
        is_upgrade=headers.get(b"upgrade") == b"websocket",
        raw=raw,
    )


async def answer(stream: Stream, refusal: Refused) -> None:
    """Send a refusal, and make sure that the client can read it."""
    body = json.dumps({"error": str(refusal), "code": refusal.code}).encode()
    headers = [
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
        ("connection", "close"),
    ]
    if refusal.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append(("retry-after", str(RETRY_AFTER_S)))
    writer = h11.Connection(h11.SERVER)
    parts = (
        h11.Response(status_code=refusal.status, headers=headers),
        h11.Data(data=body),
        h11.EndOfMessage(),
    )
    await stream.send_all(b"".join(writer.send(part) or b"" for part in parts))
    await stream.linger()
