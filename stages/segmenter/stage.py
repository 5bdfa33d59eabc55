"""The segmenter's stage: moves tokens in and segments out, and keeps its deadlines."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import trio

from stages.items import Flush, Segment, Token
from stages.resume import Resume

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from stages.items import Said, Segmented
    from stages.segmenter.segmenter import Segmenter

PIECE_CHARS = 256
"""4 ms of work at worst, for nothing but marks; 0.5 ms for prose. More than a segment has, so
that each piece sends one, and others get their turn on the loop."""


class Tokens(Protocol):
    """A channel of tokens and flushes; `trio.MemoryReceiveChannel` is one."""

    async def receive(self) -> Said:
        """The next item. Raises `trio.EndOfChannel` behind the last."""

    def receive_nowait(self) -> Said:
        """The next item. Raises `trio.WouldBlock` where there is none."""


async def segment_text(
    tokens: Tokens,
    segments: trio.MemorySendChannel[Segmented],
    segmenter: Segmenter,
    said: Callable[[Segment], Awaitable[Segment]],
) -> None:
    """Cut what comes in until the channel's end, which is the end of the text. `said` writes what
    is spoken of a segment as it is said."""
    with segments:
        while True:
            try:
                item = await _next_item(tokens, segmenter.deadline)
            except trio.EndOfChannel:
                break
            for out in _cut(item, segmenter):
                await segments.send(await said(out) if isinstance(out, Segment) else out)
        for segment in segmenter.flush(trio.current_time()):
            await segments.send(await said(segment))


def _cut(item: Said | None, segmenter: Segmenter) -> Iterator[Segmented]:
    """The segments and others that leave because of this item; None: because of the deadline.

    A long token is cut bit by bit, which makes no difference to its segments: what cannot be
    sent yet is not even looked at."""
    now = trio.current_time()
    match item:
        case Token(text=text):
            for start in range(0, len(text), PIECE_CHARS):
                piece = replace(item, text=text[start : start + PIECE_CHARS])
                yield from segmenter.push(piece, now)
        case Flush():
            yield from segmenter.flush(now)
            yield item
        case Resume():
            segmenter.resume(item)
            yield item
        case None:
            yield from segmenter.expire(now)


async def _next_item(tokens: Tokens, deadline: float | None) -> Said | None:
    """The next item; None: there was none until the deadline."""
    with trio.move_on_at(math.inf if deadline is None else deadline):
        return await tokens.receive()
    # Text beats the clock: a loop that was late must not cut where the client did not pause.
    try:
        return tokens.receive_nowait()
    except trio.WouldBlock:
        return None
