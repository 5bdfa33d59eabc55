"""A WebSocket as a connection's peer. Nothing but this file knows trio-websocket.

What it leaves to its users is done here: messages are bounded in bytes, a client that has
vanished is noticed, and closing ends in time.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from typing import TYPE_CHECKING

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from pipeline import protocol
from pipeline.connection import CloseCode
from stages.errors import Disconnected, ProtocolError
from stages.items import PcmFrame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pipeline.streams import Stream
    from stages.items import Answer, ClientMessage, Outgoing

HANDSHAKE_WITHIN_S = 5.0
"""For the upgrade. Its request has been read by then, so only our answer is under way."""

CLOSE_WITHIN_S = 10.0
"""For the client's answer to our close, which it gives after it has read what it was sent."""

CANCELLED_CLOSE_WITHIN_S = 0.5
"""The same, once the server's own grace is over."""

PING_EVERY_TICKS = 20
SILENT_TICKS = 40
TICK_S = 1.0
"""Without a pong, or anything else, for 40 s a client has vanished. Ticks in which our own
send is blocked do not count: a client that is not reading does not see the ping either."""

PING_BYTES = 6
"""With the frame's header of 2 that makes a multiple of four; see `protocol.render`."""

MESSAGE_TOO_BIG = 1009
"""RFC 6455, section 7.4.1."""


class WebSocketPeer:
    """One client on a WebSocket, as `pipeline.connection.Peer`."""

    def __init__(self, socket: WebSocketConnection, stream: Stream) -> None:
        self._socket = socket
        self._stream = stream
        self._silent_ticks = 0

    async def receive(self) -> ClientMessage:
        """See `stages.intake.Messages`."""
        try:
            text = await self._socket.get_message()
        except ConnectionClosed:
            raise Disconnected from None
        self._silent_ticks = 0
        if isinstance(text, bytes):
            msg = "message: a client sends JSON text, this one was binary"
            raise ProtocolError(msg)
        if len(text.encode()) > protocol.MAX_MESSAGE_BYTES:  # the library counts characters
            await self.close(MESSAGE_TOO_BIG)
            raise Disconnected
        return protocol.parse(text)

    async def send(self, item: Outgoing | Answer) -> None:
        """See `pipeline.connection.Peer`."""
        message = item.data if isinstance(item, PcmFrame) else protocol.render(item)
        try:
            await self._socket.send_message(message)
        except ConnectionClosed:
            raise Disconnected from None

    async def close(self, code: int, within_s: float = CLOSE_WITHIN_S) -> None:
        """Send a close and wait for the client's, but not for ever."""
        with trio.move_on_after(within_s, shield=True):
            await self._socket.aclose(code)

    async def cut_when_vanished(self) -> None:
        """Ping now and then, and close the stream of a client that has fallen silent."""
        async with trio.open_nursery() as nursery:
            for tick in itertools.count(1):
                await trio.sleep(TICK_S)
                self._silent_ticks += not self._stream.is_sending
                if self._silent_ticks >= SILENT_TICKS:
                    self._stream.abort()
                if tick % PING_EVERY_TICKS == 0:
                    nursery.start_soon(self._ping)

    async def _ping(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self._socket.ping(os.urandom(PING_BYTES))
            self._silent_ticks = 0


async def serve_websocket(
    stream: Stream, converse: Callable[[WebSocketPeer], Awaitable[CloseCode]]
) -> None:
    """Answer an upgrade whose request lies in the stream, hold the conversation, and close."""
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(HANDSHAKE_WITHIN_S) as handshake:
            request = await wrap_server_stream(
                nursery, stream, max_message_size=protocol.MAX_MESSAGE_BYTES
            )
            socket = await request.accept()
        if not handshake.cancelled_caught:
            peer = WebSocketPeer(socket, stream)
            nursery.start_soon(peer.cut_when_vanished)
            try:
                code = await converse(peer)
            except trio.Cancelled:
                await peer.close(CloseCode.GOING_AWAY, CANCELLED_CLOSE_WITHIN_S)
                raise
            except Exception:
                await peer.close(CloseCode.INTERNAL_ERROR)
                raise
            await peer.close(code)
        nursery.cancel_scope.cancel()
    await stream.linger()
