"""The queue before the segmenter: it merges, and it bounds what it cannot merge."""

from __future__ import annotations

import contextlib

import pytest
import trio
import trio.testing

from pipeline.token_queue import MAX_ITEMS, MERGED_CHARS, TokenQueue
from stages.items import Flush, Style, Token

STYLE, OTHER = Style("one"), Style("other")


def drain(queue: TokenQueue) -> list[Token | Flush]:
    items = []
    with contextlib.suppress(trio.WouldBlock):
        while True:
            items.append(queue.receive_nowait())
    return items


async def test_neighbours_of_one_style_are_merged() -> None:
    queue = TokenQueue()
    for item in (Token("a", STYLE), Token("b", STYLE), Token("c", OTHER), Flush(1)):
        await queue.send(item)
    await queue.send(Token("d", OTHER))
    assert drain(queue) == [
        Token("ab", STYLE), Token("c", OTHER), Flush(1), Token("d", OTHER),
    ]  # fmt: skip


async def test_text_that_comes_letter_by_letter_takes_little_room_and_never_waits() -> None:
    queue = TokenQueue()
    with trio.fail_after(5):
        for _ in range(3 * MAX_ITEMS):
            await queue.send(Token("x", STYLE))
    items = drain(queue)
    assert "".join(item.text for item in items if isinstance(item, Token)) == "x" * 3 * MAX_ITEMS
    assert len(items) == 3 * MAX_ITEMS // MERGED_CHARS


async def test_what_cannot_be_merged_waits_for_room() -> None:
    queue = TokenQueue()
    for number in range(MAX_ITEMS):
        await queue.send(Flush(number))
    with trio.move_on_after(0) as scope:
        await queue.send(Flush(MAX_ITEMS))
    assert scope.cancelled_caught
    await queue.receive()
    await queue.send(Flush(MAX_ITEMS))


async def test_a_receiver_waits_for_an_item_or_the_end() -> None:
    queue = TokenQueue()
    with pytest.raises(trio.WouldBlock):
        queue.receive_nowait()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(queue.send, Flush(1))
        assert await queue.receive() == Flush(1)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def close() -> None:
            await trio.testing.wait_all_tasks_blocked()
            queue.close()

        with pytest.raises(trio.EndOfChannel):
            await queue.receive()
