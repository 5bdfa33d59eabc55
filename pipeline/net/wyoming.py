"""A TCP connection that speaks Wyoming, as a session's wire: events within a size and a time."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

import structlog
import trio

from pipeline.dialects.wyoming import error_event
from pipeline.dialects.wyoming_events import EventReader, type_of
from stages.errors import Disconnected, Overloaded, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pipeline.close_code import CloseCode
    from pipeline.dialects.dialect import Message
    from pipeline.net.hang_ups import HangUps
    from pipeline.net.pacing import FramePace
    from pipeline.net.stream import ClientStream
    from stages.errors import ServerError

log = structlog.stdlib.get_logger(__name__)

EVENT_WITHIN_S = 5.0
"""The limit for a client's first event, and for each that has begun: that of an HTTP request."""

READ_BYTES = 16 * 1024


class WyomingWire:
    """One client, as `pipeline.session.Wire`. Its messages are whole events."""

    def __init__(
        self,
        stream: ClientStream,
        pacer: FramePace,
        refresh: Callable[[], Awaitable[object]],
        asked: Callable[[], None],
    ) -> None:
        """`pacer` is the client's; `refresh` brings the list of voices up to date; `asked` is told
        of the first event, and raises `Overloaded` where it cannot be answered."""
        self._stream = stream
        self._pacer = pacer
        self.charge = pacer.charge
        self._asked = asked
        self._refresh = refresh
        self._reader = EventReader()
        self._n_taken = 0
        self.refused_with: ServerError | None = None
        """What was wrong with an event behind which no other can be found; or why even the first
        cannot be answered."""

    async def receive(self) -> Message:
        await trio.lowlevel.checkpoint()
        if self._n_taken:
            await self._pacer.wait(1)
        try:
            event = await self._next_event()
            self._pacer.came()
            if not self._n_taken:
                self._asked()
            self._n_taken += 1
            if type_of(event) == "describe":
                await self._refresh()
        except (ProtocolError, Overloaded) as error:
            self.refused_with = error
            raise Disconnected from None
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise Disconnected from None
        return event

    async def _next_event(self) -> bytes:
        with trio.CancelScope() as limit:
            while (event := self._reader.next_event()) is None:
                if limit.deadline == math.inf and (self._reader.has_begun or not self._n_taken):
                    limit.deadline = trio.current_time() + EVENT_WITHIN_S
                data = await self._stream.receive_some(READ_BYTES)
                if not data:
                    raise Disconnected
                self._reader.feed(data)
            return event
        raise ProtocolError(f"an event did not arrive within {EVENT_WITHIN_S:g} s")

    async def send(self, message: Message) -> None:
        data = message.encode() if isinstance(message, str) else message
        try:
            # A torn event would spoil the connection. The stream ends a send that takes too long.
            with trio.CancelScope(shield=True):
                await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise Disconnected from None


async def serve_wyoming(
    stream: ClientStream,
    serve: Callable[[WyomingWire], Awaitable[CloseCode]],
    pacer: FramePace,
    *,
    refresh: Callable[[], Awaitable[object]],
    asked: Callable[[], None],
    hang_ups: HangUps,
) -> None:
    """Serve the session on the stream, and close; see `WyomingWire`."""
    wire = WyomingWire(stream, pacer, refresh, asked)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.abort_when_hung_up, hang_ups, _say_nothing, nursery.cancel_scope)
        await serve(wire)
        nursery.cancel_scope.cancel()
    if wire.refused_with is not None:
        await refuse_wyoming(stream, wire.refused_with)
    else:
        await stream.linger()


def _say_nothing() -> None:
    """The protocol has no sign of life."""


async def refuse_wyoming(stream: ClientStream, error: ServerError) -> None:
    """Tell a client why it is not served any further, and close."""
    log.debug("refused", code=error.code, reason=str(error))
    with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await stream.send_all(error_event(error))
    await stream.linger()
