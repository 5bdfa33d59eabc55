"""Fault 13: SIGTERM while there are listeners that live, stall and idle."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

import pytest
import trio

from tests.faults.raw_client import (
    UPGRADE,
    Closed,
    ask,
    connected,
    get,
    parse_response,
    post,
    websocket,
)
from tests.faults.raw_frames import CLOSE, PING, TEXT, events, sound
from tests.server_process import open_server

if TYPE_CHECKING:
    from tests.faults.raw_client import RawWebSocket
    from tests.server_process import ServerProcess

GOING_AWAY = 1001

SMALL = 4096

PATIENT = ("--shutdown-grace-s", "600", "--write-stall-s", "600")
"""A server that waits for its listeners longer than a test does: what ends it sooner is something
else."""

SPEECH = "".join(f"This is sentence number {i} of a speech. " for i in range(20))
"""A minute, twelve MB, far more than lies in any socket's buffers."""


async def assert_ends(server: ServerProcess) -> None:
    assert await server.wait() == 0, server.log
    assert "Traceback" not in server.log, server.log


async def hear(client: RawWebSocket) -> tuple[bytes, int | None]:
    """All sound until the close, which is answered as a client should, and the close's code."""
    frames = await client.frames_until(lambda frame: frame.opcode == CLOSE)
    with contextlib.suppress(trio.BrokenResourceError):
        await client.send_frame(CLOSE, frames[-1].payload)
    return sound(frames), frames[-1].close_code


async def is_ready(port: int) -> bool:
    return (await ask(port, get("/health/ready"))).status == 200


async def test_utterances_under_way_finish_and_idle_listeners_are_told(
    server: ServerProcess,
) -> None:
    async with websocket(server.port, "events=true") as client:
        await client.speak(SPEECH, flush=True)
        expected = sound(await client.frames_until_event("flushed"))
        await client.close()

    async with (
        open_server(*PATIENT) as ending,
        websocket(ending.port, receive_buffer=SMALL) as live,
        websocket(ending.port) as idle,
        websocket(ending.port, "events=true") as idle_with_events,
    ):
        await live.speak(SPEECH)
        first = await live.next_frame()
        assert await is_ready(ending.port)

        ending.signal()
        assert (await hear(idle)) == (b"", GOING_AWAY)
        assert (await hear(idle_with_events)) == (b"", GOING_AWAY)

        # Nobody is sent here any more, and those who come all the same are told so.
        health = await ask(ending.port, get("/health/ready"))
        assert health.status == 503
        assert "shutting down" in health.json()["reason"]
        assert (await ask(ending.port, get("/health/live"))).status == 200
        newcomer = await ask(ending.port, b"GET /ws/stream HTTP/1.1\r\n" + UPGRADE + b"\r\n")
        assert newcomer.status == 503
        assert newcomer.headers["retry-after"]
        assert (await ask(ending.port, post("/api/speak", {"text": "Hello."}))).status == 503

        rest, code = await hear(live)
        assert first.payload + rest == expected
        assert code == GOING_AWAY
        await assert_ends(ending)


async def test_text_that_no_flush_came_for_is_spoken_before_the_end() -> None:
    async with open_server(*PATIENT) as server, websocket(server.port, "events=true") as client:
        await client.next_event("ready")
        await client.speak("Some words without an end")
        await client.say(config={"pitch_shift": 0})  # is answered, so the text has been read
        await client.next_event("ready")
        server.signal()
        frames = await client.frames_until(lambda frame: frame.opcode == CLOSE)
        await client.send_frame(CLOSE, frames[-1].payload)

        starts = events(frames, "segment_start")
        assert [event["text"] for event in starts] == ["Some words without an end"]
        assert len(sound(frames)) // 4 == events(frames, "segment_end")[0]["samples"] > 0
        assert frames[-1].close_code == GOING_AWAY
        await assert_ends(server)


async def test_a_ping_during_the_close_does_no_harm() -> None:
    """Clients that keep a connection alive send one at any time; once a close has been sent
    there is no pong any more, and the library raised."""
    async with open_server(*PATIENT) as server, websocket(server.port) as client:
        server.signal()
        close = (await client.frames_until(lambda frame: frame.opcode == CLOSE))[-1]
        await client.send_frame(PING, b"ping")
        await client.send_frame(TEXT, b'{"token": "too late"}')
        await client.send_frame(CLOSE, close.payload)
        await client.read_to_end()
        await assert_ends(server)


async def test_clients_that_do_not_go_are_cut_off_after_the_grace() -> None:
    async with (
        open_server(*PATIENT, "--shutdown-grace-s", "1") as server,
        websocket(server.port, receive_buffer=SMALL) as stalled,
        connected(server.port, receive_buffer=SMALL) as stalled_http,
        connected(server.port),
        connected(server.port) as half,
        websocket(server.port) as mute,
    ):
        await stalled.speak(SPEECH * 5, flush=True)
        await stalled.next_frame()
        await stalled_http.send(post("/api/speak", {"text": SPEECH}))
        await stalled_http.read_more()
        await half.send(b"GET /health")

        server.signal()
        assert await mute.next_close() == GOING_AWAY  # and answers nothing
        await assert_ends(server)


async def test_a_listener_that_is_still_being_spoken_to_after_the_grace_is_told_too() -> None:
    """Its frame that is under way is not torn: a client could make nothing of what follows."""
    async with (
        open_server(*PATIENT, "--shutdown-grace-s", "1") as server,
        websocket(server.port, receive_buffer=64 * 1024) as client,
    ):
        await client.speak(SPEECH * 10, flush=True)
        await client.next_frame()
        server.signal()
        code = None
        with contextlib.suppress(Closed):
            while code is None:
                await trio.sleep(0.05)
                frame = await client.next_frame()
                code = frame.close_code if frame.opcode == CLOSE else None
        assert code == GOING_AWAY
        await assert_ends(server)


async def test_an_http_answer_under_way_is_finished() -> None:
    """Its speech has been made, so nobody was waited for, and the answer was torn."""
    async with (
        open_server(*PATIENT) as server,
        connected(server.port, receive_buffer=64 * 1024) as connection,
    ):
        await connection.send(post("/api/speak", {"text": SPEECH[:800]}))
        await connection.read_more()
        server.signal()
        with contextlib.suppress(Closed):
            while True:
                await connection.read_more()
                await trio.sleep(0.03)
        response = parse_response(bytes(connection.buffer))  # raises where it has no end
        assert response.status == 200
        await assert_ends(server)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_server_without_listeners_ends_at_once(number: signal.Signals) -> None:
    async with open_server(*PATIENT) as server:
        server.signal(number)
        await assert_ends(server)


async def test_a_second_signal_does_not_wait() -> None:
    async with (
        open_server(*PATIENT) as server,
        websocket(server.port, receive_buffer=SMALL) as client,
    ):
        await client.speak(SPEECH * 5, flush=True)
        await client.next_frame()
        server.signal()
        while await is_ready(server.port):
            await trio.sleep(0.01)
        assert server.status is None
        server.signal()
        await assert_ends(server)


async def test_no_grace_means_at_once() -> None:
    async with (
        open_server(*PATIENT, "--shutdown-grace-s", "0") as server,
        websocket(server.port, receive_buffer=SMALL) as client,
        websocket(server.port) as idle,
    ):
        await client.speak(SPEECH * 5, flush=True)
        await client.next_frame()
        server.signal()
        assert (await hear(idle))[1] == GOING_AWAY
        await assert_ends(server)


async def test_an_idle_listener_is_closed_with_1000_where_that_is_set() -> None:
    async with open_server("--idle-timeout-s", "1") as server:
        async with websocket(server.port) as idle:
            assert await hear(idle) == (b"", 1000)
        async with websocket(server.port, "events=true") as client:
            await client.speak("Hello", flush=True)
            await client.next_event("flushed")
            assert (await hear(client))[1] == 1000
