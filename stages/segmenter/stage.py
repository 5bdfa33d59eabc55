"""The segmenter's stage: moves tokens in and segments out, and keeps its deadlines."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from stages.items import Flush, Token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.token_queue import TokenQueue
    from stages.items import Segment
    from stages.segmenter.segmenter import Segmenter

PIECE_CHARS = 256
"""4 ms of work at worst, for nothing but marks; 0.3 ms for prose."""


async def segment_text(
    items: TokenQueue,
    segments: trio.MemorySendChannel[Segment | Flush],
    segmenter: Segmenter,
) -> None:
    """Cut what comes in until the queue is closed, which is the end of the text."""
    with segments:
        while True:
            try:
                item = await _next_item(items, segmenter.deadline)
            except trio.EndOfChannel:
                break
            now = trio.current_time()
            match item:
                case Token():
                    for piece in _pieces(item):
                        await _send_all(segments, segmenter.push(piece, now))
                case Flush():
                    await _send_all(segments, segmenter.flush(now))
                    await segments.send(item)
                case None:
                    await _send_all(segments, segmenter.expire(now))
        await _send_all(segments, segmenter.flush(trio.current_time()))


async def _send_all(
    segments: trio.MemorySendChannel[Segment | Flush], ready: list[Segment]
) -> None:
    for segment in ready:
        await segments.send(segment)


def _pieces(token: Token) -> Iterator[Token]:
    """A long token bit by bit, which makes no difference to its segments: others get their
    turn on the loop in between, and what cannot be spoken yet is not even looked at."""
    for start in range(0, len(token.text), PIECE_CHARS):
        yield replace(token, text=token.text[start : start + PIECE_CHARS])


async def _next_item(items: TokenQueue, deadline: float | None) -> Token | Flush | None:
    """The next item; None: there was none until the deadline."""
    with trio.move_on_at(math.inf if deadline is None else deadline):
        return await items.receive()
    # Text beats the clock: a loop that was late must not cut where the client did not pause.
    try:
        return items.receive_nowait()
    except trio.WouldBlock:
        return None
