"""A WebSocket as a session's wire. Only this file knows trio-websocket.

What that library leaves to its users is done here: messages are bounded in bytes, a client that has
vanished is noticed, one that breaks the protocol is told so, and closing ends in a limited time.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from functools import partial
from typing import TYPE_CHECKING

import structlog
import trio
from trio_websocket import ConnectionClosed, wrap_server_stream
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection
from wsproto.utilities import LocalProtocolError

from pipeline.close_code import CloseCode
from pipeline.dialects import native
from pipeline.net.access import subprotocol
from pipeline.net.pacing import FramePace, PacedStream
from pipeline.net.request_head import REQUEST_ID
from stages.errors import Disconnected

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio_websocket import CloseReason, WebSocketConnection

    from pipeline.dialects.dialect import Message
    from pipeline.net.hang_ups import HangUps
    from pipeline.net.stream import ClientStream

log = structlog.stdlib.get_logger(__name__)

HANDSHAKE_WITHIN_S = 5.0
"""The limit for an upgrade. Its request has been read by then, so only the answer takes time."""

CLOSE_WITHIN_S = 10.0
"""The limit for the client's answer to our close, after it has read what it was sent."""

PING_EVERY_TICKS = 20
TICK_S = 1.0
"""A client that sends nothing, not even a pong, for as many seconds as its dialect says has
vanished. Ticks in which our own send is blocked do not count, since a client that is not reading
does not see the ping either; nor do ticks in which no message is being received, since then the
pong is not seen."""

PING_BYTES = 6
"""Random payload of a ping. With the frame's header of 2 it is a multiple of four long, as all
frames are; see `native.render`."""

ABNORMAL_CLOSURE = 1006
"""The library's code for a connection that broke (RFC 6455, section 7.4.1)."""

MAX_PARTS = 64
"""Of a message that is being received: to join so many costs less than to receive them."""

BREACHES = frozenset({1002, 1007})
"""The library's codes for a client that broke the protocol, in its framing or in its UTF-8."""

CLOSE_FRAME = 0x88
"""The first byte of a close frame: FIN, and the opcode (RFC 6455, 5.2)."""


class WebSocketWire:
    """One client on a WebSocket, as `pipeline.session.Wire`."""

    def __init__(
        self,
        socket: WebSocketConnection,
        stream: ClientStream,
        pacer: FramePace,
        silent_s: float,
    ) -> None:
        """`pacer` is the client's, `silent_s` as `pipeline.dialects.dialect.Dialect` has it."""
        self._socket = socket
        self.charge = pacer.charge
        self._max_silent_ticks = silent_s / TICK_S
        self._stream = stream
        self._silent_ticks = 0
        self._is_listening = False
        self.refused_with: CloseCode | None = None
        """The close code for a client that sent too large a message."""

    async def receive(self) -> Message:
        self._is_listening = True
        try:
            message: Message = await self._socket.get_message()
        except ConnectionClosed as error:
            if error.reason is not None and error.reason.code == ABNORMAL_CLOSURE:
                self._stream.abort()  # so that no send waits for a client that has gone
            raise Disconnected from None
        finally:
            self._is_listening = False
        self._silent_ticks = 0
        data = message.encode() if isinstance(message, str) else message
        if len(data) > native.MAX_MESSAGE_BYTES:  # the library counts characters
            self.refused_with = CloseCode.MESSAGE_TOO_BIG
            raise Disconnected
        return message

    async def send(self, message: Message) -> None:
        try:
            # A torn frame would spoil the connection. The stream ends a send that takes too long.
            with trio.CancelScope(shield=True):
                await self._socket.send_message(message)
        except ConnectionClosed:
            raise Disconnected from None

    async def close(self, code: CloseCode) -> None:
        """Send a close and wait a limited time for the client's."""
        with trio.move_on_after(CLOSE_WITHIN_S):
            await self._socket.aclose(code)

    async def cut_when_vanished(self) -> None:
        """Ping now and then, and cut off a client that has been silent for too long."""
        async with trio.open_nursery() as nursery:
            for tick in itertools.count(1):
                await trio.sleep(TICK_S)
                self._silent_ticks += self._is_listening and not self._stream.is_sending
                if self._silent_ticks >= self._max_silent_ticks:
                    self._stream.abort()
                if tick % PING_EVERY_TICKS == 0 and not nursery.child_tasks:
                    nursery.start_soon(self._ping)  # one at a time: some never answer any

    def show_life(self, nursery: trio.Nursery) -> None:
        """Send a pong that answers no ping, which is a heartbeat (RFC 6455, 5.5.3), unless
        something else is being sent, which does as well."""
        if not self._stream.is_sending:
            nursery.start_soon(self._pong)

    async def _pong(self) -> None:
        with contextlib.suppress(ConnectionClosed, LocalProtocolError):
            await self._socket.pong(os.urandom(PING_BYTES))

    async def _ping(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self._socket.ping(os.urandom(PING_BYTES))
            self._silent_ticks = 0


class _Transport(PacedStream):
    """The stream under the library. Where a client broke the protocol the library closes it before
    it has sent a close frame; then the client's stream stays open, so that one can be sent."""

    def __init__(self, stream: ClientStream, pacer: FramePace, n_head: int) -> None:
        """`n_head` is the length of the upgrade's head in bytes."""
        super().__init__(stream, pacer)
        self._n_head_left = n_head
        self._accepted = trio.Event()
        self._partial = stream.holder.share()
        self.socket: WebSocketConnection | None = None
        self._is_closed = False
        self._has_sent_close = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See `trio.abc.ReceiveStream`. The head comes alone, and what is behind it once the
        upgrade was accepted: else the library would not look at it before more comes."""
        self._check_open()
        if self._n_head_left:
            head = await super().receive_some(min(self._n_head_left, max_bytes or sys.maxsize))
            self._n_head_left -= len(head)
            return head
        await self._accepted.wait()
        n_partial = self._joined_parts()
        self._partial.set(n_partial)
        data = await super().receive_some(max_bytes)
        self._partial.set(n_partial + 4 * len(data))  # a character takes up to four
        return data

    def accepted(self, socket: WebSocketConnection) -> None:
        """The upgrade was accepted: go on with what the client sends."""
        self.socket = socket
        self._accepted.set()

    def _joined_parts(self) -> int:
        """The size of the message that is being received, whose parts are joined now and then: the
        library keeps a text for each read and each fragment, of a character or of none."""
        if self.socket is None:
            return 0
        parts = self.socket._message_parts  # noqa: SLF001 - it has no way to bound their number
        if len(parts) > MAX_PARTS:
            parts[:] = [parts[0][:0].join(parts)]  # type: ignore[arg-type]  # they are of one kind
        return sum(map(sys.getsizeof, parts))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._check_open()
        self._has_sent_close |= data[0] == CLOSE_FRAME  # the library sends frame by frame
        await super().send_all(data)

    async def aclose(self) -> None:
        self._is_closed = True
        await trio.lowlevel.checkpoint()
        if self._has_sent_close:
            await super().aclose()

    async def tell_breach(self, breach: CloseReason | None) -> None:
        """Send the close frame for a client that broke the protocol (RFC 6455, 7.1.7), once the
        library sends no more."""
        await trio.lowlevel.checkpoint()
        if breach is None or breach.code not in BREACHES or self._has_sent_close:
            return
        log.debug("a client broke the protocol", code=breach.code, reason=breach.reason)
        close = CloseConnection(code=breach.code, reason=breach.reason)
        with (
            trio.move_on_after(CLOSE_WITHIN_S),
            contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError),
        ):
            await super().send_all(Connection(ConnectionType.SERVER).send(close))

    def _check_open(self) -> None:
        if self._is_closed:
            raise trio.ClosedResourceError


async def serve_websocket(
    stream: ClientStream,
    serve: Callable[[WebSocketWire], Awaitable[CloseCode]],
    pacer: FramePace,
    *,
    silent_s: float,
    n_head: int,
    hang_ups: HangUps,
) -> None:
    """Answer the upgrade request in the stream, serve the socket, and close.

    `pacer` is the client's, `silent_s` is as for `WebSocketWire`; the request's head is
    the first `n_head` bytes."""
    transport = _Transport(stream, pacer, n_head)
    socket: WebSocketConnection | None = None
    try:
        async with trio.open_nursery() as nursery:
            with trio.fail_after(HANDSHAKE_WITHIN_S):
                request = await wrap_server_stream(
                    nursery,
                    transport,
                    message_queue_size=0,  # what is not taken waits where it is counted
                    max_message_size=native.MAX_MESSAGE_BYTES,
                )
                chosen = subprotocol(request.proposed_subprotocols)
                named = REQUEST_ID.encode(), stream.request_id.encode()
                socket = await request.accept(subprotocol=chosen, extra_headers=[named])
            transport.accepted(socket)
            wire = WebSocketWire(socket, stream, pacer, silent_s)
            nursery.start_soon(wire.cut_when_vanished)
            show_life = partial(wire.show_life, nursery)
            serving = nursery.cancel_scope
            nursery.start_soon(stream.abort_when_hung_up, hang_ups, show_life, serving)
            try:
                code = await serve(wire)
            except Exception:
                await wire.close(CloseCode.INTERNAL_ERROR)
                raise
            await wire.close(wire.refused_with or code)
            nursery.cancel_scope.cancel()
    except* (ConnectionClosed, LocalProtocolError, trio.TooSlowError):
        # The client left during the handshake, or did not read the answer to it; or it sent a
        # ping behind our close, which the library tries to answer and must not.
        log.debug("a WebSocket ended out of order")
    if socket is not None:
        await transport.tell_breach(socket.closed)
    await stream.linger()
