"""A peer's messages to one conversation, and what ends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from stages.intake.stage import Messages
    from stages.items import ClientMessage


class Inbox:
    """The peer's messages, and what ends them: too long a silence, a shutdown."""

    def __init__(
        self, peer: Messages, idle_timeout_s: float, idle_since: Callable[[], float]
    ) -> None:
        self._peer = peer
        self._idle_timeout_s = idle_timeout_s
        self._idle_since = idle_since
        self._put_back: ClientMessage | None = None
        self._has_ended = False
        self._waiting = trio.CancelScope()

    def put_back(self, message: ClientMessage) -> None:
        """Let this message be received next."""
        self._put_back = message

    def end(self) -> None:
        """Take nothing more from the peer."""
        self._has_ended = True
        self._waiting.cancel()

    async def receive(self) -> ClientMessage | None:
        """See `stages.intake.stage.Messages`."""
        await trio.lowlevel.checkpoint()
        if self._put_back is not None:
            message, self._put_back = self._put_back, None
            return message
        idle_since = trio.current_time()
        while not self._has_ended:
            with trio.CancelScope(deadline=idle_since + self._idle_timeout_s) as self._waiting:
                return await self._peer.receive()
            idle_since = max(idle_since, self._idle_since())
            self._has_ended |= trio.current_time() >= idle_since + self._idle_timeout_s
        return None
