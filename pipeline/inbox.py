"""What a listener says, and what ends it: too long a silence, or that all has been spoken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from stages.intake.stage import Messages
    from stages.items import ClientMessage


class Inbox:
    """A peer's messages, up to their end."""

    def __init__(
        self, peer: Messages, idle_timeout_s: float, idle_since: Callable[[], float]
    ) -> None:
        """`idle_since` tells from when on there has been nothing to hear, nor to say."""
        self._peer = peer
        self._idle_timeout_s = idle_timeout_s
        self._idle_since = idle_since
        self._put_back: ClientMessage | None = None
        self._has_ended = False
        self.was_idle = False
        """It ended by too long a silence."""
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
            if trio.current_time() >= idle_since + self._idle_timeout_s:
                self._has_ended = self.was_idle = True
        return None
