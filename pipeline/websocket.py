"""A WebSocket as a connection's peer. Nothing but this file knows trio-websocket.

What it leaves to its users is done here: messages are bounded in bytes, a client that has
vanished is noticed, and closing ends in time.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from typing import TYPE_CHECKING

import structlog
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream
from wsproto.utilities import LocalProtocolError

from pipeline import protocol
from pipeline.connection import CloseCode
from pipeline.turns import FairStream
from stages.errors import Disconnected, ProtocolError
from stages.items import PcmFrame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pipeline.streams import Stream
    from stages.items import Answer, ClientMessage, Outgoing

log = structlog.stdlib.get_logger(__name__)

HANDSHAKE_WITHIN_S = 5.0
"""For the upgrade. Its request has been read by then, so only our answer is under way."""

CLOSE_WITHIN_S = 10.0
"""For the client's answer to our close, which it gives after it has read what it was sent."""

PING_EVERY_TICKS = 20
SILENT_TICKS = 40
TICK_S = 1.0
"""Without a pong, or anything else, for 40 s a client has vanished. Ticks in which our own
send is blocked do not count, since a client that is not reading does not see the ping either;
nor do those in which we take no messages, since then we do not see the pong."""

PING_BYTES = 6
"""With the frame's header of 2 that makes a multiple of four; see `protocol.render`."""

ABNORMAL_CLOSURE = 1006
"""What the library calls a connection that broke (RFC 6455, section 7.4.1)."""


class WebSocketPeer:
    """One client on a WebSocket, as `pipeline.connection.Peer`."""

    def __init__(self, socket: WebSocketConnection, stream: Stream) -> None:
        self._socket = socket
        self._stream = stream
        self._silent_ticks = 0
        self._is_listening = False
        self.refused_with: CloseCode | None = None
        """How to close on a client that broke the bounds."""

    async def receive(self) -> ClientMessage:
        """See `stages.intake.Messages`."""
        self._is_listening = True
        try:
            text = await self._socket.get_message()
        except ConnectionClosed as error:
            if error.reason is not None and error.reason.code == ABNORMAL_CLOSURE:
                self._stream.abort()  # let no send wait for somebody who is not there
            raise Disconnected from None
        finally:
            self._is_listening = False
        self._silent_ticks = 0
        if isinstance(text, bytes):
            msg = "message: a client sends JSON text, this one was binary"
            raise ProtocolError(msg)
        if len(text.encode()) > protocol.MAX_MESSAGE_BYTES:  # the library counts characters
            self.refused_with = CloseCode.MESSAGE_TOO_BIG
            raise Disconnected
        return protocol.parse(text)

    async def send(self, item: Outgoing | Answer) -> None:
        """See `pipeline.connection.Peer`."""
        message = item.data if isinstance(item, PcmFrame) else protocol.render(item)
        try:
            # A frame that is torn cannot be mended. The stream ends a send that takes too long.
            with trio.CancelScope(shield=True):
                await self._socket.send_message(message)
        except ConnectionClosed:
            raise Disconnected from None

    async def close(self, code: CloseCode) -> None:
        """Send a close and wait for the client's, but not for ever."""
        with trio.move_on_after(CLOSE_WITHIN_S):
            await self._socket.aclose(code)

    async def cut_when_vanished(self) -> None:
        """Ping now and then, and close the stream of a client that has fallen silent."""
        async with trio.open_nursery() as nursery:
            for tick in itertools.count(1):
                await trio.sleep(TICK_S)
                self._silent_ticks += self._is_listening and not self._stream.is_sending
                if self._silent_ticks >= SILENT_TICKS:
                    self._stream.abort()
                if tick % PING_EVERY_TICKS == 0 and not nursery.child_tasks:
                    nursery.start_soon(self._ping)  # one at a time: some never answer any

    async def _ping(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self._socket.ping(os.urandom(PING_BYTES))
            self._silent_ticks = 0


async def serve_websocket(
    stream: Stream,
    converse: Callable[[WebSocketPeer], Awaitable[CloseCode]],
    are_others: Callable[[], bool],
) -> None:
    """Answer an upgrade whose request lies in the stream, hold the conversation, and close.

    `are_others` tells whether anybody would wait for a client that sends too much."""
    try:
        async with trio.open_nursery() as nursery:
            peer = await _accept(nursery, stream, are_others)
            nursery.start_soon(peer.cut_when_vanished)
            try:
                code = await converse(peer)
            except Exception:
                await peer.close(CloseCode.INTERNAL_ERROR)
                raise
            await peer.close(peer.refused_with or code)
            nursery.cancel_scope.cancel()
    except* (ConnectionClosed, LocalProtocolError, trio.TooSlowError):
        # The client left during the handshake, or did not take our answer to it; or it sent a
        # ping behind our close, which the library would answer, and may not.
        log.debug("a WebSocket ended out of order")
    await stream.linger()


async def _accept(
    nursery: trio.Nursery, stream: Stream, are_others: Callable[[], bool]
) -> WebSocketPeer:
    fair = FairStream(stream, are_others)
    with trio.fail_after(HANDSHAKE_WITHIN_S):
        request = await wrap_server_stream(
            nursery, fair, max_message_size=protocol.MAX_MESSAGE_BYTES
        )
        return WebSocketPeer(await request.accept(), stream)
