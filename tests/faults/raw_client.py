"""A client that speaks bytes: HTTP and WebSocket frames made by hand, right or wrong."""

from __future__ import annotations

import json
import socket
import struct
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h11
import trio

from tests.faults.raw_frames import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    frame,
    is_event,
    take_frame,
)
from tests.server_process import HOST, PATIENCE_S

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable

FREE_WITHIN_S = 30.0
"""A place is free again a second after its client left, later where the machine is busy. Less
than the 40 s after which pings would notice it, whatever else did not."""

UPGRADE = (
    b"Host: localhost\r\n"
    b"Connection: Upgrade\r\n"
    b"Upgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
"""The header fields of a right WebSocket upgrade."""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes
    n_informational: int = 0
    """Answers like 100 before it."""
    rest: bytes = b""
    """What came behind it."""

    def json(self) -> Any:  # noqa: ANN401 - JSON is anything
        return json.loads(self.body)


class Closed(Exception):
    """The server has closed the TCP connection."""


class Connection:
    """A TCP connection to the server, with or without TLS on it."""

    def __init__(
        self, stream: trio.SocketStream, tls: trio.SSLStream[trio.SocketStream] | None = None
    ) -> None:
        self.stream = stream
        self.tls = tls
        self.buffer = bytearray()
        self._sending = trio.Lock()

    async def send(self, data: bytes) -> None:
        """Send these bytes."""
        with trio.fail_after(PATIENCE_S):
            async with self._sending:
                await (self.tls or self.stream).send_all(data)

    async def read_more(self) -> None:
        """Wait for more in the buffer. Raises `Closed` at the end, however that came."""
        try:
            with trio.fail_after(PATIENCE_S):
                data = await (self.tls or self.stream).receive_some(64 * 1024)
        except trio.BrokenResourceError:
            data = b""
        if not data:
            raise Closed
        self.buffer += data

    async def read_head(self) -> None:
        """Wait for a whole head in the buffer: up to the first empty line."""
        while b"\r\n\r\n" not in self.buffer:
            await self.read_more()

    async def read_to_end(self) -> bytes:
        """All that comes until the server closes."""
        try:
            while True:
                await self.read_more()
        except Closed:
            return bytes(self.buffer)

    def reset(self) -> None:
        """Close as a crashed client's kernel does: RST instead of FIN."""
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.socket.close()

    def half_close(self) -> None:
        """Send a FIN, and still be able to read."""
        self.stream.socket.shutdown(socket.SHUT_WR)


@asynccontextmanager
async def connected(
    port: int,
    *,
    receive_buffer: int | None = None,
    tls: ssl.SSLContext | None = None,
    source: str | None = None,
) -> AsyncIterator[Connection]:
    """Connect, from another address of loopback where one is the `source`; a small receive buffer
    makes a client that does not read show at once."""
    with socket.socket() as plain:
        if receive_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.setblocking(False)
        if source is not None:
            plain.bind((source, 0))
        tcp = trio.socket.from_stdlib_socket(plain)
        await tcp.connect((HOST, port))
        stream = trio.SocketStream(tcp)
        try:
            secured = None
            if tls is not None:
                secured = trio.SSLStream(stream, tls, server_hostname="localhost")
                await secured.do_handshake()
            yield Connection(stream, secured)
        finally:
            tcp.close()


def parse_response(data: bytes, *, method: str = "GET") -> Response:
    """Take an HTTP answer apart. Raises what h11 does if it is none, or is cut short."""
    parser = h11.Connection(h11.CLIENT)
    parser.send(h11.Request(method=method, target="/", headers=[("host", "localhost")]))
    parser.send(h11.EndOfMessage())
    parser.receive_data(data)
    parser.receive_data(b"")
    head: h11.Response | None = None
    body = bytearray()
    n_informational = 0
    while True:
        match parser.next_event():
            case h11.InformationalResponse():
                n_informational += 1
            case h11.Response() as head:
                pass
            case h11.Data() as part:
                body += part.data
            case h11.EndOfMessage() if head is not None:
                break
    headers = {name.decode(): value.decode() for name, value in head.headers}
    return Response(
        head.status_code, headers, bytes(body), n_informational, parser.trailing_data[0]
    )


async def ask(
    port: int, request: bytes, *, tls: ssl.SSLContext | None = None, source: str | None = None
) -> Response:
    """Send the bytes of a request, and read the answer until the server closes."""
    async with connected(port, tls=tls, source=source) as connection:
        await connection.send(request)
        return parse_response(await connection.read_to_end())


def get(target: str) -> bytes:
    """The bytes of a plain GET."""
    return f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post(target: str, body: object, *headers: str) -> bytes:
    """The bytes of a POST, of JSON unless the body is bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"POST {target} HTTP/1.1", "Host: localhost", f"Content-Length: {len(data)}"]
    lines += ["Content-Type: application/json", *headers, "", ""]
    return "\r\n".join(lines).encode() + data


class RawWebSocket(Connection):
    """A WebSocket whose frames are made here. Of what comes, pings alone are answered for its
    user."""

    async def upgrade(self, target: str = "/ws/stream") -> None:
        """Ask for the upgrade. Raises `Refused` where the server says no."""
        await self.send(b"GET " + target.encode() + b" HTTP/1.1\r\n" + UPGRADE + b"\r\n")
        await self.read_upgrade()

    async def read_upgrade(self) -> None:
        """Read the answer to an upgrade."""
        await self.read_head()
        if not self.buffer.startswith(b"HTTP/1.1 101 "):
            raise Refused(parse_response(await self.read_to_end()))
        del self.buffer[: self.buffer.index(b"\r\n\r\n") + 4]

    async def send_frame(
        self, opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0
    ) -> None:
        """Send one frame."""
        await self.send(frame(opcode, payload, fin=fin, rsv=rsv))

    async def say(self, message: object = None, **fields: object) -> None:
        """Send a message: JSON, unless it is a text or bytes already."""
        match message:
            case None:
                message = json.dumps(fields).encode()
            case str():
                message = message.encode()
            case bytes():
                pass
            case _:
                message = json.dumps(message).encode()
        await self.send_frame(TEXT, message)

    async def speak(self, text: str, **fields: object) -> None:
        """Send a token, and what else is to be in its message."""
        await self.say({"token": text} | fields)

    async def next_frame(self) -> Frame:
        """The next frame that is no ping. Raises `Closed` at the end.

        Where something takes longer than 20 s the server sends a ping, and cuts off who then says
        nothing for 20 s more. Who is just sending something need not answer: that will do."""
        while True:
            while (found := take_frame(self.buffer)) is None:
                await self.read_more()
            if found.opcode != PING:
                return found
            if not self._sending.locked():
                await self.send_frame(PONG, found.payload)

    async def frames_until(self, is_last: Callable[[Frame], bool]) -> list[Frame]:
        """All frames up to the first that is the last one, with it."""
        frames = [await self.next_frame()]
        while not is_last(frames[-1]):
            frames.append(await self.next_frame())
        return frames

    async def frames_until_event(self, name: str) -> list[Frame]:
        """All frames up to the first event of this name."""
        return await self.frames_until(is_event(name))

    async def next_event(self, name: str) -> dict[str, Any]:
        """The first event of this name; what comes before it is skipped."""
        event: dict[str, Any] = (await self.frames_until_event(name))[-1].json()
        return event

    async def next_text(self) -> dict[str, Any]:
        """The first text message; sound is skipped."""
        frames = await self.frames_until(lambda frame: frame.opcode == TEXT)
        message: dict[str, Any] = frames[-1].json()
        return message

    async def next_close(self) -> int | None:
        """The code of the close; what comes before it is skipped."""
        frames = await self.frames_until(lambda frame: frame.opcode == CLOSE)
        return frames[-1].close_code

    async def close(self, code: int = 1000) -> None:
        """Close as it should be, and see the server do the same."""
        await self.send_frame(CLOSE, code.to_bytes(2, "big"))
        assert await self.next_close() == code
        await self.read_to_end()


class Refused(Exception):
    """The server answered an upgrade with this."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"{response.status} {response.body!r}")
        self.response = response


@asynccontextmanager
async def websocket(
    port: int,
    query: str = "",
    *,
    receive_buffer: int | None = None,
    tls: ssl.SSLContext | None = None,
    source: str | None = None,
) -> AsyncIterator[RawWebSocket]:
    """Open a WebSocket; at the end it is dropped without a word."""
    connecting = connected(port, receive_buffer=receive_buffer, tls=tls, source=source)
    async with connecting as connection:
        socket = RawWebSocket(connection.stream, connection.tls)
        await socket.upgrade("/ws/stream" + ("?" + query if query else ""))
        yield socket


@asynccontextmanager
async def only_websocket(
    port: int,
    query: str = "",
    *,
    receive_buffer: int | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[RawWebSocket]:
    """The same where there is one place: open a WebSocket once that is free, which has to be
    soon."""
    async with AsyncExitStack() as stack:

        async def enter() -> RawWebSocket | None:
            opening = websocket(port, query, receive_buffer=receive_buffer, tls=tls)
            try:
                return await stack.enter_async_context(opening)
            except Refused as refusal:
                if refusal.response.status != 503:
                    raise
                return None

        with trio.fail_after(FREE_WITHIN_S):
            while (client := await enter()) is None:
                await trio.sleep(0.02)
        yield client


async def wait_for_place(port: int, *, tls: ssl.SSLContext | None = None) -> None:
    """Until a newcomer is admitted, who leaves at once."""
    async with only_websocket(port, tls=tls) as newcomer:
        await newcomer.close()
