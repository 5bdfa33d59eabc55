"""Faults 4 and 9: clients that do not read what they asked for, and floods of text."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from tests.faults.figures import wait_for_descriptors
from tests.faults.raw_client import (
    Closed,
    connected,
    only_websocket,
    parse_response,
    post,
    wait_for_place,
    websocket,
)
from tests.faults.raw_frames import BINARY, PING, PONG, TEXT, events, sound
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.faults.raw_client import RawWebSocket
    from tests.server_process import ServerProcess

MiB = 1024 * 1024

SMALL = 4096
"""Receive buffer of a client that is to be seen not reading."""

STALL_S = 1.0
"""The narrow server's patience."""

LONG_TEXT = "".join(f"This is sentence number {i} of a long speech. " for i in range(200))
"""Ten minutes of speech, a hundred MB of it."""


async def cut_off(client: RawWebSocket) -> None:
    """Until the server has cut this client off, which does not read and so cannot see it other
    than by sending."""

    async def pong() -> None:  # that nobody asked for, which is no message
        await client.send_frame(PONG)
        await trio.sleep(0.05)

    await flooded(pong)


async def flooded(send: Callable[[], Awaitable[None]]) -> None:
    """Send until the server has cut the connection."""
    with trio.fail_after(PATIENCE_S), contextlib.suppress(trio.BrokenResourceError):
        while True:
            await send()


def kernel_knows(port: int, of_client: int) -> bool:
    """Whether the server's end of a connection is there, be it only to finish sending."""
    pair = f":{port:04X} 0100007F:{of_client:04X} "
    return pair in Path("/proc/net/tcp").read_text(encoding="ascii")


async def test_a_client_that_stops_reading_is_cut_off_and_its_place_is_free(
    narrow_server: ServerProcess,
) -> None:
    async with only_websocket(narrow_server.port, receive_buffer=SMALL) as client:
        rss_before = narrow_server.rss_bytes()
        await client.speak(LONG_TEXT, flush=True)
        await client.next_frame()
        await cut_off(client)
        await wait_for_place(narrow_server.port)
        assert narrow_server.rss_bytes() - rss_before < 20 * MiB


async def test_the_kernel_keeps_nothing_of_a_client_that_was_cut_off(
    narrow_server: ServerProcess,
) -> None:
    """A close is queued behind what the client does not read: one flood in fifteen filled both
    ends so that neither told the other any more, and went on for minutes."""
    async with only_websocket(narrow_server.port, receive_buffer=SMALL) as client:
        await client.speak(LONG_TEXT, flush=True)
        await client.next_frame()
        await wait_for_place(narrow_server.port)
        assert not kernel_knows(narrow_server.port, client.stream.socket.getsockname()[1])


async def test_a_client_that_never_read_is_cut_off_too(narrow_server: ServerProcess) -> None:
    async with only_websocket(narrow_server.port, receive_buffer=SMALL) as client:
        await client.speak(LONG_TEXT, flush=True)
        await cut_off(client)
        await wait_for_place(narrow_server.port)


async def test_work_for_a_client_that_was_cut_off_stops(narrow_server: ServerProcess) -> None:
    async with only_websocket(narrow_server.port, receive_buffer=SMALL) as client:
        for _ in range(20):
            await client.speak(LONG_TEXT)
        await client.next_frame()
        await cut_off(client)
        await wait_for_place(narrow_server.port)
        used = narrow_server.cpu_s()
        await trio.sleep(0.5)
        assert narrow_server.cpu_s() - used < 0.25


async def test_a_slow_reader_is_no_stalled_one(narrow_server: ServerProcess) -> None:
    """It takes longer than the stall's limit to hear all, but it reads all the time."""
    text = LONG_TEXT[:300]
    async with only_websocket(narrow_server.port, "events=true") as client:
        await client.speak(text, flush=True)
        expected = sound(await client.frames_until_event("flushed"))
        await client.close()

    async with only_websocket(narrow_server.port, "events=true", receive_buffer=SMALL) as client:
        await client.speak(text, flush=True)
        began = trio.current_time()
        frames = [await client.next_frame()]
        while not frames[-1].payload.startswith(b'{"event":"flushed"'):
            await trio.sleep(0.03)
            frames.append(await client.next_frame())
        assert trio.current_time() - began > 2 * STALL_S
        assert sound(frames) == expected
        await client.close()


async def test_a_slow_reader_of_an_http_answer_is_no_stalled_one(
    narrow_server: ServerProcess,
) -> None:
    """The answer is handed over in one piece: the limit was for all of it, however much a
    client had read meanwhile."""
    await wait_for_place(narrow_server.port)
    async with connected(narrow_server.port, receive_buffer=64 * 1024) as connection:
        await connection.send(post("/api/speak", {"text": LONG_TEXT[:1500]}))
        await connection.read_more()
        began = trio.current_time()
        with contextlib.suppress(Closed):
            while True:
                await connection.read_more()
                await trio.sleep(0.03)
        took = trio.current_time() - began
        assert len(parse_response(bytes(connection.buffer)).body) > 6 * MiB
        assert took > 1.5 * STALL_S, "too quick to show anything"


async def test_an_http_client_that_stops_reading_is_cut_off(narrow_server: ServerProcess) -> None:
    await wait_for_place(narrow_server.port)
    n_fds = narrow_server.n_fds()
    async with connected(narrow_server.port, receive_buffer=SMALL) as connection:
        await connection.send(post("/api/speak", {"text": LONG_TEXT[:2500]}))
        await connection.read_more()
        await wait_for_descriptors(narrow_server, n_fds)
    await wait_for_place(narrow_server.port)


async def test_others_hear_the_same_beside_a_client_that_stalls(server: ServerProcess) -> None:
    async def listen() -> bytes:
        async with websocket(server.port, "events=true") as client:
            await client.speak(LONG_TEXT[:400], flush=True)
            heard = sound(await client.frames_until_event("flushed"))
            await client.close()
            return heard

    alone = await listen()
    async with (
        websocket(server.port, receive_buffer=SMALL) as first,
        websocket(server.port, receive_buffer=SMALL) as second,
    ):
        await first.speak(LONG_TEXT, flush=True)
        await second.speak(LONG_TEXT, pitch_shift=5, flush=True)
        await first.next_frame()
        await second.next_frame()
        for _ in range(3):
            assert await listen() == alone


async def pings(client: RawWebSocket) -> None:
    await client.send_frame(PING, bytes(100))


async def bad_messages(client: RawWebSocket) -> None:
    await client.say('{"token": 1, "config": 2, "flush": 3}')


async def flushes(client: RawWebSocket) -> None:
    await client.say(flush=True)


async def configs(client: RawWebSocket) -> None:
    await client.say(config={"pitch_shift": 1})


async def cancels(client: RawWebSocket) -> None:
    await client.say(cancel=True)


async def tokens(client: RawWebSocket) -> None:
    await client.speak("word ")


@pytest.mark.parametrize("message", [pings, bad_messages, flushes, configs, cancels, tokens])
async def test_a_flood_from_a_client_that_does_not_read_ends(
    narrow_server: ServerProcess, message: Callable[[RawWebSocket], Awaitable[None]]
) -> None:
    """Each of these is answered, or too much to be taken in, so the answers fill the socket; and
    after the stall's time the client is cut off."""
    port = narrow_server.port
    async with only_websocket(port, "events=true", receive_buffer=SMALL) as client:
        rss_before = narrow_server.rss_bytes()
        await flooded(partial(message, client))
        assert narrow_server.rss_bytes() - rss_before < 20 * MiB
        await wait_for_place(port)


def flood_token(number: int) -> str:
    """Two kilobytes of which little is spoken: what is to be tested is not the synthesizer."""
    return f"{number}, " + " " * 2000


async def test_a_flood_of_text_is_refused_above_the_bound_and_spoken_below_it(
    server: ServerProcess,
) -> None:
    """It was left in the socket, and with it whatever came behind it: a cancel, too."""
    async with websocket(
        server.port, "events=true&sample_rate=8000", receive_buffer=SMALL
    ) as client:
        rss_before = server.rss_bytes()
        client.stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_SNDBUF, SMALL)
        with trio.fail_after(PATIENCE_S):  # it is taken in, though nothing is read
            for number in range(300):
                await client.speak(flood_token(number))
        await client.say(flush=True)
        assert server.rss_bytes() - rss_before < 20 * MiB

        errors: list[dict[str, object]] = []
        heard = bytearray()
        said = ""
        flushed: int | None = None
        with trio.fail_after(PATIENCE_S):
            while flushed is None:
                frame = await client.next_frame()
                if frame.opcode == BINARY:
                    heard += frame.payload
                    continue
                if frame.opcode != TEXT:
                    continue  # a ping: is there still somebody?
                match frame.json():
                    case {"event": "segment_start", "text": text, "sample_offset": offset}:
                        assert offset == len(heard) // 4
                        said += text
                    case {"event": "flushed", "samples": flushed}:
                        assert flushed == len(heard) // 4
                    case {"error": _} as error:
                        errors.append(error)
        assert [error["code"] for error in errors] == ["too_much_text"]
        assert 256 * 1024 <= len(said) < 2 * 256 * 1024
        assert "".join(map(flood_token, range(300))).startswith(said)
        assert server.rss_bytes() - rss_before < 40 * MiB

        await client.speak("Still here", flush=True)
        frames = await client.frames_until_event("flushed")
        assert [e["text"] for e in events(frames, "segment_start")] == ["Still here"]
        await client.close()


async def test_a_cancel_is_seen_behind_a_flood_of_text(server: ServerProcess) -> None:
    async with websocket(server.port, "events=true", receive_buffer=SMALL) as client:
        for _ in range(300):
            await client.speak(LONG_TEXT[:2000])
        await client.say(cancel=True)
        await client.speak("Something new.", flush=True)
        with trio.fail_after(PATIENCE_S):
            await client.frames_until_event("cancelled")
            frames = await client.frames_until_event("flushed")
        assert [e["text"] for e in events(frames, "segment_start")] == ["Something new."]
        await client.close()


async def test_a_flood_of_single_characters_is_spoken_in_order(server: ServerProcess) -> None:
    text = "This goes on, and on. " * 20 + " " * 10_000 + "The end."
    async with (
        websocket(server.port, "events=true&sample_rate=8000") as client,
        trio.open_nursery() as nursery,
    ):
        rss_before = server.rss_bytes()

        @nursery.start_soon
        async def _send() -> None:
            for character in text:
                await client.speak(character)
            await client.say(flush=True)

        frames = await client.frames_until_event("flushed")
        await client.close()
    assert "".join(event["text"] for event in events(frames, "segment_start")) == text
    assert events(frames, "flushed")[-1]["samples"] == len(sound(frames)) // 4
    assert server.rss_bytes() - rss_before < 40 * MiB
