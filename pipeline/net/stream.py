"""A client's stream under every protocol, TLS or not: bytes can be given back to it, and its sends
end in a limited time."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog
import trio

from pipeline.holdings import Account
from pipeline.net.addresses import subscriber

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from trio.socket import SocketType

    from pipeline.net.hang_ups import HangUps

log = structlog.stdlib.get_logger(__name__)

SEND_BUFFER_BYTES = 64 * 1024
"""Asked of the kernel, which doubles it: two thirds of a second of 48 kHz float32. A barge-in
cannot drop what lies there, and it hides a client that does not read; the default hides 20 s."""

KEEPALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""Seconds, and a number of probes, by which the kernel finds that a client's machine has gone,
where the kernel can be told (tcp(7)). Pings are answered by programs, and some of them do not read
while they have nothing to wait for."""

SEND_COPIES = 2
"""How often what is being sent is in memory: as it was made, and as it goes out."""

LINGER_S = 1.0
"""The time a client has to notice that the server is done."""

HUNG_UP_S = 0.25
"""How long what a client sent is worked off after it has closed its side: a thousand frames."""

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""``struct linger``: on, for no time at all (socket(7))."""

TLS_HANDSHAKE = b"\x16"
"""The first byte from a client that speaks TLS (RFC 8446, 5.1: ContentType)."""


def probe(tcp: trio.SocketStream) -> None:
    """Let the kernel look whether the client's machine is there, for as long as it is silent."""
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, True)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            tcp.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class PlainText(Exception):
    """The client does not speak TLS, as this port requires."""


class ClientStream(trio.abc.HalfCloseableStream):
    """A socket stream that takes back bytes which were read too early, and whose sends are given
    up after `write_stall_s`.

    A send that is given up leaves the stream torn, so the stream closes, and the send raises
    `trio.BrokenResourceError` like any other on a dead connection. The limit is here because
    neither trio-websocket nor Hypercorn, which shields its sends, has one."""

    def __init__(
        self,
        tcp: trio.SocketStream,
        write_stall_s: float,
        account: Account | None = None,
        peer: str = "",
    ) -> None:
        self.holder = (account or Account()).open(self._cut_off)
        """What waits in memory for this client."""
        self._unsent = self.holder.share()
        self._tcp = tcp
        self.peer = peer
        """The client's address: the socket's, or what a trusted proxy says."""
        self.who = subscriber(peer)
        self.request_id = str(uuid4())
        """What the client's request goes by in the log, in answers and in the usage log: this, or
        what the client or a proxy before it has named it."""
        self._tls: trio.SSLStream[_UnderTls] | None = None
        self._write_stall_s = write_stall_s
        self._read_ahead = b""
        self.is_sending = False
        """Whether a send waits for the client to read."""
        self.input_left = sys.maxsize
        """Bytes from the client that are still handed on; what it sends beyond them is thrown away.
        Its leaving is still reported."""
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    @property
    def who(self) -> str:
        """Whose budget the client draws on: that of its key, once it is known, or its address."""
        return self.holder.who

    @who.setter
    def who(self, who: str) -> None:
        self.holder.who = who

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS from here on, with what was given back as its first bytes. The caller sets a
        time limit.

        Raises `PlainText` where the client speaks something else, which can then still be read,
        and `trio.BrokenResourceError` where the handshake fails or the client has gone."""
        if not self._read_ahead:
            self._read_ahead = bytes(await self._tcp.receive_some())
        if not self._read_ahead:
            raise trio.BrokenResourceError("the client left without sending anything")
        if not self._read_ahead.startswith(TLS_HANDSHAKE):
            raise PlainText
        begin, self._read_ahead = self._read_ahead, b""
        tls = trio.SSLStream(_UnderTls(self._tcp, begin), context, server_side=True)
        await tls.do_handshake()
        self._tls = tls

    @property
    def _stream(self) -> trio.SSLStream[_UnderTls] | trio.SocketStream:
        """The stream that carries the plain bytes."""
        return self._tcp if self._tls is None else self._tls

    @property
    def socket(self) -> _Addresses:
        """The socket as Hypercorn looks at it: its addresses."""
        return _Addresses(self.peer, self._tcp.socket)

    def give_back(self, data: bytes) -> None:
        """Let these bytes be read again, before all others."""
        self._read_ahead = data + self._read_ahead

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._read_ahead:
            await trio.lowlevel.checkpoint()
            size = len(self._read_ahead) if max_bytes is None else max_bytes
            given, self._read_ahead = self._read_ahead[:size], self._read_ahead[size:]
            return given
        while data := await self._stream.receive_some(max_bytes):
            taken = bytes(data[: self.input_left])
            self.input_left -= len(taken)
            if taken:
                return taken
        return b""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See `trio.abc.SendStream`.

        In pieces, each with the whole limit: an HTTP answer comes as one block of megabytes,
        and a client that reads it steadily has not stalled."""
        view = memoryview(data)
        self.is_sending = True
        self._unsent.set(SEND_COPIES * len(view))
        try:
            for start in range(0, max(1, len(view)), SEND_BUFFER_BYTES):
                with self._stall_limit():
                    await self._stream.send_all(view[start : start + SEND_BUFFER_BYTES])
                self.holder.moved()
        finally:
            self.is_sending = False
            self._unsent.set(0)

    @contextlib.contextmanager
    def _stall_limit(self) -> Iterator[None]:
        with trio.move_on_after(self._write_stall_s) as limit:
            yield
        if limit.cancelled_caught:
            self.abort()
            raise trio.BrokenResourceError(f"the client has not read for {self._write_stall_s:g} s")

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """See `trio.abc.HalfCloseableStream`. With TLS its close_notify goes first, without which a
        client cannot tell the end from a truncation."""
        if self._tls is None:
            await self._tcp.send_eof()
        else:
            with self._stall_limit():
                await self._tls.aclose()

    async def aclose(self) -> None:
        if self._tls is not None:
            with trio.move_on_after(LINGER_S):
                await self._tls.aclose()
        await self._tcp.aclose()

    async def abort_when_hung_up(
        self, hang_ups: HangUps, show_life: Callable[[], None], serving: trio.CancelScope
    ) -> None:
        """Cut off a client that has closed its side, if it has not gone `HUNG_UP_S` later: what it
        sent before is worked off for so long, since a goodbye may be the last of it. Whoever serves
        it is cancelled."""
        await hang_ups.wait(self._tcp.socket, show_life)
        await trio.sleep(HUNG_UP_S)
        log.debug("a client hung up")
        self.abort()
        serving.cancel()

    async def linger(self) -> None:
        """Close so that the client can still read what it was sent: closing a socket that has
        unread bytes in it resets the connection, and the last answer is lost."""
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            with trio.move_on_after(LINGER_S):
                await self.send_eof()
                while await self._tcp.receive_some():
                    pass
        self.close()

    @property
    def is_closed(self) -> bool:
        """Whether it was closed or reset, while its tasks may still be on their way out."""
        return self._tcp.socket.fileno() == -1

    def close(self) -> None:
        """Close; the kernel still delivers what it holds for the client."""
        self.holder.close()
        self._tcp.socket.close()

    def _cut_off(self) -> None:
        # Noticed in the task of another.
        named = {"peer": self.peer, "request": self.request_id}
        log.info("a client was cut off: too much waited for it", **named)
        self.abort()

    def abort(self) -> None:
        """Reset the connection: for a client that does not read, or has vanished.

        Tasks that send or receive here get an error. A close alone would queue its end behind what
        the client has not read; a client whose buffer is full would never see it, and the kernel
        would keep both for minutes."""
        if not self.is_closed:
            self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._tcp.socket.close()


class _Addresses:
    """The addresses of a connection, in the form of a socket's."""

    def __init__(self, peer: str, tcp: SocketType) -> None:
        self.family = tcp.family
        self._peer = peer
        self._tcp = tcp

    def getpeername(self) -> tuple[str, int]:
        """The client's. Nobody asks for its port, which a proxy need not tell."""
        return self._peer, 0

    def getsockname(self) -> tuple[str, int]:
        """The server's."""
        host, port, *_ = self._tcp.getsockname()
        return host, port


class _UnderTls(trio.abc.Stream):
    """The TCP stream under TLS, whose first bytes were read before. Closing it ends the server's
    side alone, so that `linger` can wait for the client's."""

    def __init__(self, tcp: trio.SocketStream, begin: bytes) -> None:
        self._tcp = tcp
        self._begin = begin

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self._begin:
            await trio.lowlevel.checkpoint()
            begin, self._begin = self._begin, b""
            return begin
        return await self._tcp.receive_some(max_bytes)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._tcp.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._tcp.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        # Broken or closed: the client has gone. Busy: a send is under way, and will be cut off.
        with contextlib.suppress(
            trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError
        ):
            await self._tcp.send_eof()
