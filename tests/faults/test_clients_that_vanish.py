"""Faults 5 and 6: clients that go without a word, and the pings that they are sent before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from tests.faults.figures import wait_for_listeners
from tests.faults.raw_client import (
    FREE_WITHIN_S,
    RawWebSocket,
    connected,
    only_websocket,
    post,
    wait_for_place,
    websocket,
)
from tests.faults.raw_frames import CLOSE, PING, PONG, TEXT, frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.server_process import ServerProcess

LONG_TEXT = "".join(f"This is sentence number {i} of a long speech. " for i in range(200))


def reset(client: RawWebSocket) -> None:
    client.reset()


def finish(client: RawWebSocket) -> None:
    client.stream.socket.close()


def half_close(client: RawWebSocket) -> None:
    client.half_close()


WAYS_TO_GO = [reset, finish, half_close]


async def assert_idle(server: ServerProcess) -> None:
    """Nobody is spoken to: next to no processor time is used."""
    used = server.cpu_s()
    await trio.sleep(0.4)
    assert server.cpu_s() - used < 0.2


@pytest.mark.parametrize("go", WAYS_TO_GO)
async def test_work_stops_when_a_listener_goes(
    narrow_server: ServerProcess, go: Callable[[RawWebSocket], None]
) -> None:
    async with only_websocket(narrow_server.port) as client:
        for _ in range(20):  # minutes of work
            await client.speak(LONG_TEXT)
        for _ in range(3):
            await client.next_frame()
        go(client)
        await wait_for_place(narrow_server.port)
        await assert_idle(narrow_server)


@pytest.mark.parametrize("go", WAYS_TO_GO)
async def test_a_listener_that_went_while_it_was_not_reading_is_noticed(
    narrow_server: ServerProcess, go: Callable[[RawWebSocket], None]
) -> None:
    async with only_websocket(narrow_server.port, receive_buffer=4096) as client:
        await client.speak(LONG_TEXT)
        await client.next_frame()
        await trio.sleep(0.2)  # by now the server's send waits
        go(client)
        await wait_for_place(narrow_server.port)


@pytest.mark.parametrize("go", WAYS_TO_GO)
async def test_a_listener_that_went_while_more_was_pending_than_is_read_is_noticed(
    server: ServerProcess, narrow_server: ServerProcess, go: Callable[[RawWebSocket], None]
) -> None:
    """Above the bound the server reads no more, so it is the sends that tell."""
    async with only_websocket(narrow_server.port) as client:
        with trio.move_on_after(0.5):
            while True:
                await client.speak(LONG_TEXT)
        await client.next_frame()
        go(client)
        await wait_for_place(narrow_server.port)


@pytest.mark.parametrize("go", WAYS_TO_GO)
async def test_an_idle_listener_that_goes_is_noticed(
    narrow_server: ServerProcess, go: Callable[[RawWebSocket], None]
) -> None:
    async with only_websocket(narrow_server.port) as client:
        go(client)
        await wait_for_place(narrow_server.port)


async def test_a_close_in_mid_synthesis_is_answered_and_work_stops(
    narrow_server: ServerProcess,
) -> None:
    async with only_websocket(narrow_server.port) as client:
        for _ in range(20):
            await client.speak(LONG_TEXT)
        await client.next_frame()
        await client.close()
        await wait_for_place(narrow_server.port)
        await assert_idle(narrow_server)


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe9going", b"\x0f\xa0mine"])
async def test_a_close_is_answered_with_its_code(server: ServerProcess, payload: bytes) -> None:
    async with websocket(server.port) as client:
        await client.send_frame(CLOSE, payload)
        close = await client.next_frame()
        assert close.opcode == CLOSE
        assert close.payload[:2] == payload[:2]
        await client.read_to_end()


@pytest.mark.parametrize("go", [RawWebSocket.reset, RawWebSocket.half_close])
async def test_work_stops_when_an_http_client_goes(
    narrow_server: ServerProcess, go: Callable[[RawWebSocket], None]
) -> None:
    await wait_for_place(narrow_server.port)
    async with connected(narrow_server.port) as connection:
        client = RawWebSocket(connection.stream)
        await client.send(post("/api/speak", {"text": (LONG_TEXT * 2)[:9_900]}))
        await wait_for_listeners(narrow_server, 1)  # no probe: that would take the only place
        go(client)
        await wait_for_place(narrow_server.port)
        await assert_idle(narrow_server)


async def test_a_ping_is_answered_during_a_long_synthesis(
    server: ServerProcess,
) -> None:
    async with websocket(server.port) as client:
        for _ in range(10):
            await client.speak(LONG_TEXT)
        await client.next_frame()
        for number in range(5):
            payload = bytes([number]) * 6
            await client.send_frame(PING, payload)
            frames = await client.frames_until(lambda frame: frame.opcode == PONG)
            assert frames[-1].payload == payload
            assert len(frames) < 50
    await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("payload", [b"", b"p", bytes(125)])
async def test_a_ping_is_answered_with_its_payload(server: ServerProcess, payload: bytes) -> None:
    async with websocket(server.port) as client:
        await client.send_frame(PING, payload)
        pong = await client.next_frame()
        assert (pong.opcode, pong.payload) == (PONG, payload)
        await client.close()


async def test_a_ping_between_the_pieces_of_a_message_is_answered(server: ServerProcess) -> None:
    async with websocket(server.port, "events=true") as client:
        await client.next_event("ready")
        await client.send_frame(0x1, b'{"flu', fin=False)
        await client.send_frame(PING, b"ab")
        assert (await client.next_frame()).opcode == PONG
        await client.send_frame(0x0, b'sh": true}')
        await client.next_event("flushed")
        await client.close()


CANCELS = frame(TEXT, b'{"cancel":true}') * 300_000
"""More than both kernels take: at the pace for those who send too much, minutes of it."""


async def test_a_client_that_was_killed_is_not_worked_for(server: ServerProcess) -> None:
    """Its hang-up was seen behind all that it had sent, which was worked off at the pace for
    floods: thirty of them held all places for two minutes."""
    async with websocket(server.port, "events=true") as listener:
        await listener.speak("Somebody listens, so that floods are slowed down. ")
        await listener.next_event("segment_start")
        async with websocket(server.port) as client:  # it is told nothing, so leaves nothing unread
            with trio.move_on_after(1):
                await client.send(CANCELS)
        with trio.fail_after(FREE_WITHIN_S):
            await wait_for_listeners(server, 1)


async def test_a_goodbye_before_a_hang_up_is_still_answered(
    server: ServerProcess,
) -> None:
    """A client may close its side right behind its close frame, and read on."""
    async with websocket(server.port, "events=true") as client:
        await client.next_event("ready")
        await client.send(frame(TEXT, b'{"token":"Hello. "}') + frame(CLOSE, b"\x03\xe8"))
        client.half_close()
        assert await client.next_close() == 1000
