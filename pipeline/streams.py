"""The TCP stream under every protocol here: it can be read again, and its writes end."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from trio.socket import SocketType

SEND_BUFFER_BYTES = 64 * 1024
"""Asked of the kernel, which doubles it: two thirds of a second of 48 kHz float32. What lies
there is beyond barge-in and hides a client that does not read; the default hides 20 s."""

LINGER_S = 1.0
"""How long a client may take to notice that we are done."""

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""``struct linger``: on, for no time at all (socket(7))."""


class Stream(trio.abc.HalfCloseableStream):
    """A socket stream that first gives back what was read ahead of its protocol, and whose
    sends are given up after `write_stall_s`.

    A send that is given up has torn the stream, so the stream closes, and the send raises
    `trio.BrokenResourceError` like any other on a dead connection. The limit lies down here
    since neither trio-websocket nor Hypercorn, which shields its sends, has one."""

    def __init__(self, stream: trio.SocketStream, write_stall_s: float) -> None:
        self._stream = stream
        self._write_stall_s = write_stall_s
        self._read_ahead = b""
        self.is_sending = False
        """A send waits for the client to read."""
        self.ignores_input = False
        """What the client sends from now on is thrown away; only that it leaves is told."""
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    @property
    def socket(self) -> SocketType:
        """As Hypercorn looks for it, to learn the addresses."""
        return self._stream.socket

    def give_back(self, data: bytes) -> None:
        """Let this be read again, before anything else."""
        self._read_ahead = data + self._read_ahead

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See `trio.abc.ReceiveStream`."""
        if self._read_ahead:
            await trio.lowlevel.checkpoint()
            size = len(self._read_ahead) if max_bytes is None else max_bytes
            data, self._read_ahead = self._read_ahead[:size], self._read_ahead[size:]
            return data
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
            for start in range(0, len(view), SEND_BUFFER_BYTES):
                with trio.move_on_after(self._write_stall_s) as limit:
                    await self._stream.send_all(view[start : start + SEND_BUFFER_BYTES])
                if limit.cancelled_caught:
                    self.abort()
                    msg = f"the client has not read for {self._write_stall_s:g} s"
                    raise trio.BrokenResourceError(msg)
        finally:
            self.is_sending = False

    async def wait_send_all_might_not_block(self) -> None:
        """See `trio.abc.SendStream`."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """See `trio.abc.HalfCloseableStream`."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """See `trio.abc.AsyncResource`."""
        await self._stream.aclose()

    async def linger(self) -> None:
        """Close so that the client can still read what it was sent: a socket that is closed
        while unread bytes lie in it resets the connection, and the last answer is lost."""
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            with trio.move_on_after(LINGER_S):
                await self._stream.send_eof()
                while await self._stream.receive_some():
                    pass
        self.close()

    def close(self) -> None:
        """Close, and leave what the kernel still holds for the client to the kernel."""
        self._stream.socket.close()

    def abort(self) -> None:
        """Reset the connection: for a client that does not read, or is not there.

        Whoever sends or receives here is told. A close alone would leave its end behind what
        the client has not read; a client whose buffer is full then never sees it, and the kernel
        keeps both for minutes."""
        if self._stream.socket.fileno() != -1:
            self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._stream.socket.close()
