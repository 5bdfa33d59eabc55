"""A conversation without a socket: text in, sound out. The HTTP API and the command line speak
through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from pipeline.close_code import CloseCode
from pipeline.connection import hold_conversation
from pipeline.usage import NOBODY
from stages.errors import Disconnected, GoneAway, Overloaded, ServerError
from stages.items import (
    ClientMessage,
    Flushed,
    PcmFrame,
    SegmentEnded,
    SegmentFailed,
    SegmentStarted,
    WordTimes,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from typing import Any

    from pipeline.holdings import Holder
    from pipeline.service import Service
    from pipeline.usage import Caller
    from stages.items import Answer, Outgoing

CHARS_AHEAD = 10_000
"""The text that is said before it has been spoken: ten minutes. It is far below the bound on
pending text, above which text is refused."""


class _LocalPeer:
    """A peer that sends the texts of an iterator, no faster than they are spoken. The first error
    ends the conversation."""

    def __init__(
        self, texts: AsyncIterator[str], hear: Callable[[Outgoing], Awaitable[None]]
    ) -> None:
        self.error: ServerError | None = None
        self._texts = texts
        self._hear = hear
        self._n_taken = self._n_spoken = 0  # characters
        self._spoken = trio.lowlevel.ParkingLot()

    async def receive(self) -> ClientMessage | None:
        await trio.lowlevel.checkpoint()
        while self._n_taken - self._n_spoken > CHARS_AHEAD:
            await self._spoken.park()
        async for text in self._texts:
            self._n_taken += len(text)
            return ClientMessage(token=text)
        return None

    async def send(self, item: Outgoing | Answer) -> None:
        await trio.lowlevel.checkpoint()
        match item:
            case GoneAway():
                pass  # told at the end: what was taken in before is spoken
            case SegmentFailed(error=error) | (ServerError() as error):
                self._give_up(error)
            case PcmFrame() | SegmentStarted() | WordTimes() | SegmentEnded() | Flushed():
                try:
                    await self._hear(item)
                except ServerError as error:
                    self._give_up(error)
        if isinstance(item, SegmentEnded):
            self._n_spoken += len(item.segment.source)
            self._spoken.unpark_all()

    @property
    def has_heard_all(self) -> bool:
        """Whether there was text, and all of it has been spoken."""
        return 0 < self._n_taken == self._n_spoken

    def _give_up(self, error: ServerError) -> None:
        self.error = error
        raise Disconnected


async def speak_text(
    service: Service,
    text: str | AsyncIterator[str],
    hear: Callable[[Outgoing], Awaitable[None]],
    config: Mapping[str, Any],
    caller: Caller = NOBODY,
    *,
    holder: Holder | None = None,
) -> None:
    """Speak a text, which may still be arriving, and give `hear` its sound and its events. That may
    end it all by raising a `ServerError`.

    `config` has the keys of the WebSocket's config message; `holder` is the connection's, if there
    is one. Raises `ServerError` where the config cannot be applied, where a segment fails, where
    all places are taken, where a limit of the caller's key is reached, and where a shutdown cuts
    it off."""
    conversation = service.new_conversation("auto", caller.tenant)
    conversation.configure({**config, "events": True})  # to know what has been spoken
    peer = _LocalPeer(_whole(text) if isinstance(text, str) else text, hear)
    with service.admit(conversation.style, caller) as usage:
        code = await hold_conversation(peer, service, conversation, usage, holder)
        if peer.error is not None:
            usage.ended = "failed"
    if peer.error is not None:
        raise peer.error
    if code is CloseCode.GOING_AWAY and not peer.has_heard_all:
        raise Overloaded("the server was shut down before all was spoken")


async def _whole(text: str) -> AsyncIterator[str]:
    await trio.lowlevel.checkpoint()
    yield text
