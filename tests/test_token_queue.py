"""The queue before the segmenter: it merges what waits in it."""

from __future__ import annotations

import contextlib

import pytest
import trio
from trio.testing import assert_checkpoints, wait_all_tasks_blocked

from pipeline.token_queue import MERGED_CHARS, TokenQueue
from stages.items import Flush, Said, Style, Token

STYLE, OTHER = Style("one"), Style("other")


def drain(queue: TokenQueue) -> list[Said]:
    items = []
    with contextlib.suppress(trio.WouldBlock):
        while True:
            items.append(queue.receive_nowait())
    return items


async def test_neighbours_of_one_style_are_merged() -> None:
    queue = TokenQueue()
    for item in (Token("a", STYLE), Token("b", STYLE), Token("c", OTHER), Flush(1)):
        queue.push(item)
    queue.push(Token("d", OTHER))
    assert drain(queue) == [
        Token("ab", STYLE), Token("c", OTHER), Flush(1), Token("d", OTHER),
    ]  # fmt: skip


async def test_text_that_comes_letter_by_letter_takes_little_room() -> None:
    queue = TokenQueue()
    for _ in range(100 * MERGED_CHARS):
        queue.push(Token("x", STYLE))
    assert drain(queue) == [Token("x" * MERGED_CHARS, STYLE)] * 100


async def test_a_receiver_waits_for_an_item_or_the_end() -> None:
    queue = TokenQueue()
    with pytest.raises(trio.WouldBlock):
        queue.receive_nowait()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def say() -> None:
            await wait_all_tasks_blocked()
            queue.push(Flush(1))
            await wait_all_tasks_blocked()
            queue.close()

        assert await queue.receive() == Flush(1)
        with pytest.raises(trio.EndOfChannel):
            await queue.receive()


async def test_receiving_is_a_checkpoint_that_loses_nothing_when_cancelled() -> None:
    queue = TokenQueue()
    queue.push(Flush(1))
    with trio.CancelScope() as scope:
        scope.cancel()
        await queue.receive()
    with assert_checkpoints():
        assert await queue.receive() == Flush(1)
    queue.close()
    with assert_checkpoints(), pytest.raises(trio.EndOfChannel):
        await queue.receive()
