"""HTTP requests, read whole within a time and a size; and answers without an app behind them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import h11
import structlog
import trio

from pipeline.dialects.error_shapes import HttpError, error_answer
from pipeline.web.security_headers import SECURITY_HEADERS
from stages.error_text import reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.net.stream import ClientStream

REQUEST_WITHIN_S = 5.0
"""The limit for a request, body included. The largest is a few kilobytes."""

MAX_HEAD_BYTES = 16 * 1024
"""The limit of nginx and Node, too."""

MAX_BODY_BYTES = 64 * 1024
"""The limit of a WebSocket message, too."""

MAX_REQUEST_BYTES = 512 * 1024
"""The limit with chunk headers, which make a body of single bytes six times as long."""

COPIES = 2
"""How often a request is in memory: as it is put together, and as it is handed on."""

REQUEST_ID = "x-request-id"
"""The header with the name that a request goes by."""

HOP_BY_HOP = frozenset(
    b"connection content-length expect http2-settings transfer-encoding upgrade".split()
)
"""Headers that are for this connection and not for the app (RFC 9110, 7.6.1)."""

_REQUEST_ID = re.compile(r"[!-~]{1,128}")
"""An ``X-Request-ID`` that is taken: so it breaks no line and no header, and fits into both."""

_ABSOLUTE = re.compile(rb"https?://([^/?#]*)([^#]*)", re.IGNORECASE)
"""A target in absolute form (RFC 9112, 3.2.2), as clients send it that take us for a proxy."""
_OTHER_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://")


class Refused(Exception):
    """A request that is answered with an HTTP status and nothing else."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        advice: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers
        """Further headers of the answer."""
        self.advice = advice
        """What whoever runs the server should know about it."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request's head, and the bytes from which the server behind us reads it again."""

    head: h11.Request
    raw: bytes = b""
    n_to_come: int = 0
    """Bytes of the body that are still to be read from the stream: it is an upload."""

    @property
    def method(self) -> str:
        """The method in upper case, as clients send it."""
        return self.head.method.decode("ascii")

    @property
    def target(self) -> str:
        """The path and the query as they came, nothing decoded."""
        return self.head.target.decode("ascii")

    @property
    def path(self) -> str:
        """The target without its query, which may hold a key."""
        return self.target.partition("?")[0]

    @property
    def is_upgrade(self) -> bool:
        """Whether it asks for a WebSocket."""
        return self.words(b"upgrade") == ["websocket"]

    def values(self, name: bytes) -> list[str]:
        """The values of all headers of this name, which is given in lower case."""
        return [value.decode("latin-1") for key, value in self.head.headers if key == name]

    @property
    def request_id(self) -> str | None:
        """The name that the request has been given, if it is one: of several the last, which is of
        the proxy that is nearest."""
        *_, given = "", *self.values(REQUEST_ID.encode())
        return given if _REQUEST_ID.fullmatch(given) else None

    def listed(self, name: bytes) -> list[str]:
        """The comma-separated words of a header."""
        values = self.values(name)
        return [word.strip() for word in ",".join(values).split(",")] if values else []

    def words(self, name: bytes) -> list[str]:
        """The same, in lower case."""
        return [word.lower() for word in self.listed(name)]


def _never(_: HttpRequest) -> bool:
    return False


class RequestReader:
    """The reader of the one request in a stream."""

    def __init__(
        self, stream: ClientStream, is_upload: Callable[[HttpRequest], bool] = _never
    ) -> None:
        """Of an upload only the head is read, and what came with it."""
        self.path = ""
        """What is asked for, as soon as it is known; a refusal has the shape that goes with it."""
        self._n_received = 0
        self._waiting = stream.holder.share()
        self._stream = stream
        self._is_upload = is_upload
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)

    async def read(self) -> HttpRequest | None:
        """Read the request, body and all unless it is an upload; None: the client left without
        sending anything.

        Raises `Refused` for one that is malformed, too large or too slow."""
        with trio.move_on_after(REQUEST_WITHIN_S):
            return await self._read()
        if not self._n_received:
            return None
        raise Refused(408, "too_slow", f"the request did not arrive within {REQUEST_WITHIN_S:g} s")

    async def _read(self) -> HttpRequest | None:
        head: h11.Request | None = None
        body = bytearray()
        try:
            while True:
                match self._parser.next_event():
                    case h11.NEED_DATA:
                        if not await self._receive() and head is None:
                            return None
                    case h11.Request() as head:
                        self._take_name(HttpRequest(head).request_id)
                        head = _in_origin_form(head)
                        self.path = HttpRequest(head).path
                        # h11 applies its limit to heads that are incomplete, not to whole ones.
                        behind, _ = self._parser.trailing_data
                        if self._n_received - len(behind) > MAX_HEAD_BYTES:
                            msg = f"the head is over {MAX_HEAD_BYTES} bytes"
                            raise Refused(431, "too_large", msg)
                        if head.http_version not in {b"1.0", b"1.1"}:
                            raise Refused(400, "bad_request", "only HTTP/1.1 is spoken here")
                        if self._is_upload(HttpRequest(head)):
                            return self._begun(head, behind)
                    case h11.Data() as part:
                        body += part.data
                        if len(body) > MAX_BODY_BYTES:
                            msg = f"the body is over {MAX_BODY_BYTES} bytes"
                            raise Refused(413, "too_large", msg)
                    case h11.EndOfMessage() if head is not None:
                        return self._whole(head, bytes(body))
        except h11.RemoteProtocolError as error:
            # The library quotes what it complains of, be it as long as the head.
            raise Refused(error.error_status_hint, "bad_request", reason(error)) from None

    def _take_name(self, request_id: str | None) -> None:
        """Let the request go by this name, in all that the connection's tasks log, too."""
        if request_id is not None:
            self._stream.request_id = request_id
            structlog.contextvars.bind_contextvars(request=request_id)

    async def ask_for_body(self) -> None:
        """Tell a client that waits to be told so that its body is wanted."""
        if self._parser.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            await self._stream.send_all(self._parser.send(go_on) or b"")

    async def _receive(self) -> bool:
        """Read on; False: the client has closed its side."""
        await self.ask_for_body()
        data = await self._stream.receive_some()
        self._n_received += len(data)
        if self._n_received > MAX_REQUEST_BYTES:
            raise Refused(413, "too_large", f"the request is over {MAX_REQUEST_BYTES} bytes")
        if not self._waiting.ask(COPIES * min(self._n_received, MAX_HEAD_BYTES + MAX_BODY_BYTES)):
            msg = "there is no room for the request beside what waits for all clients"
            raise Refused(503, "overloaded", msg, headers=(("retry-after", "2"),))
        self._parser.receive_data(data)
        return bool(data)

    def _whole(self, head: h11.Request, body: bytes) -> HttpRequest:
        if HttpRequest(head).is_upgrade:
            behind, _ = self._parser.trailing_data
            return HttpRequest(head, _written(head, list(head.headers)) + behind)
        return HttpRequest(head, _written_anew(head, len(body)) + body)

    def _begun(self, head: h11.Request, behind: bytes) -> HttpRequest:
        """An upload: its head, and the beginning of its body. Whoever checks it sees to it that
        its length is told."""
        lengths = HttpRequest(head).values(b"content-length")
        length = int(lengths[0]) if lengths else 0
        body = behind[:length]
        return HttpRequest(head, _written_anew(head, length) + body, length - len(body))


def _in_origin_form(head: h11.Request) -> h11.Request:
    """A head whose target is a path, so that all who look at it see the same: a server has to take
    a whole URL as well, and to go by the host in it instead of the header's (RFC 9112, 3.2.2)."""
    url = _ABSOLUTE.fullmatch(head.target)
    if url is None:
        if _OTHER_SCHEME.match(head.target):
            raise Refused(400, "bad_request", "the target is a URL, but neither http nor https")
        return head
    host, path = url[1], url[2]
    if not host or b"@" in host:  # RFC 9110, 4.2.1 and 4.2.4
        raise Refused(400, "bad_request", "the target is a URL without a host, or with a user")
    if not path.startswith(b"/"):
        path = b"*" if head.method == b"OPTIONS" and not path else b"/" + path
    headers = [(name, value) for name, value in head.headers if name != b"host"]
    return h11.Request(
        method=head.method,
        target=path,
        headers=[(b"host", host), *headers],
        http_version=head.http_version,
    )


def check_upgrade(request: HttpRequest) -> None:
    """Raises `Refused` for an upgrade that is not as RFC 6455 (4.2.1) asks: the WebSocket
    library answers such a one by itself, and does not tell."""
    if request.words(b"sec-websocket-version") != ["13"]:
        raise Refused(
            426,
            "bad_request",
            "Sec-WebSocket-Version: only 13 is spoken here",
            headers=(("sec-websocket-version", "13"),),
        )
    if (
        request.method != "GET"
        or request.head.http_version != b"1.1"
        or "upgrade" not in request.words(b"connection")
        or len(request.words(b"sec-websocket-key")) != 1
    ):
        raise Refused(400, "bad_request", "this is no WebSocket upgrade as RFC 6455 has it")


def _written_anew(head: h11.Request, n_bytes: int) -> bytes:
    """A head for a body of so many bytes, without what concerns this connection alone, since
    Hypercorn would follow an upgrade to HTTP/2. What comes behind the body it would answer: that
    is not handed on."""
    headers = [(name, value) for name, value in head.headers if name not in HOP_BY_HOP]
    if not any(name == b"host" for name, _ in headers):
        headers.append((b"host", b""))  # HTTP/1.0 has none
    headers.append((b"content-length", b"%d" % n_bytes))
    return _written(head, headers)


def _written(head: h11.Request, headers: list[tuple[bytes, bytes]]) -> bytes:
    request = h11.Request(method=head.method, target=head.target, headers=headers)
    return h11.Connection(h11.CLIENT).send(request) or b""


async def send_refusal(stream: ClientStream, refusal: Refused, path: str) -> None:
    """Send the refusal of a request for this path."""
    error = HttpError(refusal.status, refusal.code, str(refusal), stream.request_id)
    status, answer = error_answer(path, error)
    body = json.dumps(answer).encode()
    await send_answer(stream, status, body, ("content-type", "application/json"), *refusal.headers)


async def send_answer(
    stream: ClientStream, status: int, body: bytes, *headers: tuple[str, str]
) -> None:
    """Send a whole answer, the last on this stream, and make sure that the client can read it."""
    about = ("content-length", str(len(body))), ("connection", "close")
    headers = *about, (REQUEST_ID, stream.request_id), *headers
    names = {name for name, _ in headers}
    guards = [field for field in SECURITY_HEADERS.items() if field[0] not in names]
    writer = h11.Connection(h11.SERVER)
    parts = (
        h11.Response(
            status_code=status, headers=[*headers, *guards], reason=HTTPStatus(status).phrase
        ),
        h11.Data(data=body),
        h11.EndOfMessage(),
    )
    await stream.send_all(b"".join(writer.send(part) or b"" for part in parts))
    await stream.linger()
