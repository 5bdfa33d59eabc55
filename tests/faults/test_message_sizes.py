"""Fault 7: the limit of 64 KiB, in bytes, on each message from the client."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
import trio

from tests.faults.raw_client import Closed, only_websocket, wait_for_place, websocket
from tests.faults.raw_frames import CONTINUATION, PING, PONG, TEXT, frame, frame_head

if TYPE_CHECKING:
    from tests.faults.raw_client import RawWebSocket
    from tests.server_process import ServerProcess

LIMIT = 64 * 1024
TOO_BIG = 1009

FILLERS = {"ASCII": " ", "two bytes": "\u00a0", "emoji": "🎈"}


def message(size: int, filler: str) -> bytes:
    """A token message of exactly this many bytes, with nothing in it that is spoken."""
    around = len(b'{"token":""}')
    n_fillers, n_spaces = divmod(size - around, len(filler.encode()))
    text = b'{"token":"' + (filler * n_fillers + " " * n_spaces).encode() + b'"}'
    assert len(text) == size
    return text


async def send_in_pieces(client: RawWebSocket, text: bytes, n_pieces: int) -> None:
    """As fragments, cut at any byte, also inside a character."""
    size = -(-len(text) // n_pieces)
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    for i, piece in enumerate(pieces):
        opcode = CONTINUATION if i else TEXT
        await client.send_frame(opcode, piece, fin=i == len(pieces) - 1)


@pytest.mark.parametrize("n_pieces", [1, 2, 1000])
@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT])
@pytest.mark.parametrize("filler", FILLERS.values(), ids=FILLERS)
async def test_a_message_up_to_the_limit_is_taken(
    server: ServerProcess, filler: str, size: int, n_pieces: int
) -> None:
    async with websocket(server.port, "events=true") as client:
        await send_in_pieces(client, message(size, filler), n_pieces)
        await client.say(flush=True)
        frames = await client.frames_until_event("flushed")
        await client.close()
    assert not [frame for frame in frames if b'"error"' in frame.payload]


@pytest.mark.parametrize("n_pieces", [1, 2, 1000])
@pytest.mark.parametrize("filler", FILLERS.values(), ids=FILLERS)
async def test_one_byte_more_closes_with_1009(
    narrow_server: ServerProcess, filler: str, n_pieces: int
) -> None:
    async with only_websocket(narrow_server.port) as client:
        await send_in_pieces(client, message(LIMIT + 1, filler), n_pieces)
        assert await client.next_close() == TOO_BIG
        await client.send_frame(0x8, TOO_BIG.to_bytes(2, "big"))
        await client.read_to_end()
    await wait_for_place(narrow_server.port)


@pytest.mark.parametrize("filler", FILLERS.values(), ids=FILLERS)
async def test_the_close_can_be_read_by_a_client_that_was_speaking_and_listening(
    server: ServerProcess, filler: str
) -> None:
    async with websocket(server.port) as client:
        await client.speak("This is a sentence that is being spoken. " * 20)
        await client.next_frame()
        await client.say(message(LIMIT + 1, filler))
        assert await client.next_close() == TOO_BIG


async def test_the_close_can_be_read_by_a_client_that_is_still_sending(
    server: ServerProcess,
) -> None:
    """Closing a socket in which unread bytes lie resets it, and takes the close along."""
    async with websocket(server.port) as client, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _send() -> None:
            try:
                await client.say(message(8 * LIMIT, " "))
                await client.say(message(8 * LIMIT, " "))
            except trio.BrokenResourceError:
                pass

        assert await client.next_close() == TOO_BIG
        nursery.cancel_scope.cancel()


async def test_a_frame_that_claims_to_be_endless_is_cut_off_at_the_limit(
    server: ServerProcess,
) -> None:
    rss_before = server.rss_bytes()
    async with websocket(server.port) as client, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _send() -> None:
            try:
                await client.send(frame_head(TEXT, (1 << 63) - 1, mask=bytes(4)))
                while True:
                    await client.send(b" " * LIMIT)
            except trio.BrokenResourceError:
                pass

        assert await client.next_close() == TOO_BIG
        nursery.cancel_scope.cancel()
    assert server.rss_bytes() - rss_before < 20 * 1024 * 1024


@pytest.mark.parametrize("filler", FILLERS.values(), ids=FILLERS)
async def test_a_ping_behind_a_message_that_was_too_big_does_no_harm(
    narrow_server: ServerProcess, filler: str
) -> None:
    """The library wants to answer it, and raises: after a close there are no more pongs."""
    async with only_websocket(narrow_server.port) as client:
        await client.say(message(LIMIT + 1, filler))
        await client.send_frame(PING, b"ping")
        assert await client.next_close() == TOO_BIG
        await client.send_frame(PING, b"ping")
        await client.send_frame(0x8, TOO_BIG.to_bytes(2, "big"))
        with pytest.raises(Closed):
            await client.next_frame()
    await wait_for_place(narrow_server.port)


async def test_a_large_message_that_is_not_json_is_an_error_and_no_more(
    server: ServerProcess,
) -> None:
    async with websocket(server.port) as client:
        await client.say(b"x" * LIMIT)
        answer = await client.next_text()
        assert answer["code"] == "bad_message"
        await client.close()


async def test_a_message_in_tiny_fragments_takes_no_more_memory_than_a_whole_one(
    server: ServerProcess,
) -> None:
    """The library keeps a text for each fragment: sixty thousand of a letter each were 6 MB, for a
    message of 120 KB, and nothing bounded their sum."""
    fragments = frame(TEXT, b"", fin=False) + frame(CONTINUATION, "ж".encode(), fin=False) * 60_000
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(websocket(server.port)) for _ in range(4)]
        before = server.rss_bytes()
        for client in clients:
            await client.send(fragments)
            await client.send_frame(PING, b"done")
            await client.frames_until(lambda got: (got.opcode, got.payload) == (PONG, b"done"))
        assert server.rss_bytes() - before < 12_000_000
