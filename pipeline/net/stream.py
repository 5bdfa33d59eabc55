"""The stream under every protocol here, TLS or not: it can be read again, and its writes end."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from trio.socket import SocketType

SEND_BUFFER_BYTES = 64 * 1024
"""Asked of the kernel, which doubles it: two thirds of a second of 48 kHz float32. What lies
there is beyond barge-in and hides a client that does not read; the default hides 20 s."""

LINGER_S = 1.0
"""How long a client may take to notice that we are done."""

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""``struct linger``: on, for no time at all (socket(7))."""

TLS_HANDSHAKE = b"\x16"
"""What a client that speaks TLS begins with (RFC 8446, 5.1: ContentType)."""


class PlainText(Exception):
    """The client does not speak TLS, and was to."""


class Stream(trio.abc.HalfCloseableStream):
    """A socket stream that first gives back what was read ahead of its protocol, and whose
    sends are given up after `write_stall_s`.

    A send that is given up has torn the stream, so the stream closes, and the send raises
    `trio.BrokenResourceError` like any other on a dead connection. The limit lies down here
    since neither trio-websocket nor Hypercorn, which shields its sends, has one."""

    def __init__(self, tcp: trio.SocketStream, write_stall_s: float) -> None:
        self._tcp = tcp
        self._tls: trio.SSLStream[_UnderTls] | None = None
        self._write_stall_s = write_stall_s
        self._read_ahead = b""
        self.is_sending = False
        """A send waits for the client to read."""
        self.ignores_input = False
        """What the client sends from now on is thrown away; only that it leaves is told."""
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS from here on, before anything was read. The caller sets a limit of time.

        Raises `PlainText` where the client does something else, which is then still to be
        read, and `trio.BrokenResourceError` where it cannot, or has gone."""
        try:
            first = await self._tcp.socket.recv(1, socket.MSG_PEEK)
        except OSError as error:
            raise trio.BrokenResourceError from error
        if not first:
            raise trio.BrokenResourceError("the client left without a word")
        if first != TLS_HANDSHAKE:
            raise PlainText
        tls = trio.SSLStream(_UnderTls(self._tcp), context, server_side=True)
        await tls.do_handshake()
        self._tls = tls

    @property
    def _stream(self) -> trio.SSLStream[_UnderTls] | trio.SocketStream:
        """What our bytes go through."""
        return self._tcp if self._tls is None else self._tls

    @property
    def socket(self) -> SocketType:
        """As Hypercorn looks for it, to learn the addresses."""
        return self._tcp.socket

    def give_back(self, data: bytes) -> None:
        """Let this be read again, before anything else."""
        self._read_ahead = data + self._read_ahead

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See `trio.abc.ReceiveStream`."""
        if self._read_ahead:
            await trio.lowlevel.checkpoint()
            size = len(self._read_ahead) if max_bytes is None else max_bytes
            given, self._read_ahead = self._read_ahead[:size], self._read_ahead[size:]
            return given
        data = await self._stream.receive_some(max_bytes)
        while data and self.ignores_input:
            data = await self._stream.receive_some(max_bytes)
        return bytes(data)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See `trio.abc.SendStream`.

        In pieces, each with the whole limit: an HTTP answer comes as one block of megabytes,
        and a client that reads it steadily has not stalled."""
        view = memoryview(data)
        self.is_sending = True
        try:
            for start in range(0, max(1, len(view)), SEND_BUFFER_BYTES):
                with self._stall_limit():
                    await self._stream.send_all(view[start : start + SEND_BUFFER_BYTES])
        finally:
            self.is_sending = False

    @contextlib.contextmanager
    def _stall_limit(self) -> Iterator[None]:
        with trio.move_on_after(self._write_stall_s) as limit:
            yield
        if limit.cancelled_caught:
            self.abort()
            msg = f"the client has not read for {self._write_stall_s:g} s"
            raise trio.BrokenResourceError(msg)

    async def wait_send_all_might_not_block(self) -> None:
        """See `trio.abc.SendStream`."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """See `trio.abc.HalfCloseableStream`. With TLS its own good-bye goes first, without
        which a client cannot tell the end from a cut."""
        if self._tls is None:
            await self._tcp.send_eof()
        else:
            with self._stall_limit():
                await self._tls.aclose()

    async def aclose(self) -> None:
        """See `trio.abc.AsyncResource`."""
        if self._tls is not None:
            with trio.move_on_after(LINGER_S):
                await self._tls.aclose()
        await self._tcp.aclose()

    async def linger(self) -> None:
        """Close so that the client can still read what it was sent: a socket that is closed
        while unread bytes lie in it resets the connection, and the last answer is lost."""
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            with trio.move_on_after(LINGER_S):
                await self.send_eof()
                while await self._tcp.receive_some():
                    pass
        self.close()

    def close(self) -> None:
        """Close, and leave what the kernel still holds for the client to the kernel."""
        self._tcp.socket.close()

    def abort(self) -> None:
        """Reset the connection: for a client that does not read, or is not there.

        Whoever sends or receives here is told. A close alone would leave its end behind what
        the client has not read; a client whose buffer is full then never sees it, and the kernel
        keeps both for minutes."""
        if self._tcp.socket.fileno() != -1:
            self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._tcp.socket.close()


class _UnderTls(trio.abc.Stream):
    """The TCP stream as TLS sees it: closing TLS ends our side of it alone, so that `linger` can
    wait for the client's."""

    def __init__(self, tcp: trio.SocketStream) -> None:
        self._tcp = tcp

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._tcp.receive_some(max_bytes)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._tcp.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._tcp.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        # Broken or closed: there is nobody to tell. Busy: somebody sends, and is to be cut off.
        with contextlib.suppress(
            trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError
        ):
            await self._tcp.send_eof()
