"""Faults 2, 12, 15 and 17: many clients, good and bad, and what is left when they have gone.

The long soak is bench/soak.py."""

from __future__ import annotations

import contextlib
import math
import random
from typing import TYPE_CHECKING

import pytest
import trio

from tests.faults.figures import figure, wait_for_listeners
from tests.faults.raw_client import (
    UPGRADE,
    Closed,
    Refused,
    ask,
    connected,
    get,
    websocket,
)
from tests.faults.raw_frames import sound
from tests.server_process import PATIENCE_S, open_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.faults.raw_client import Response
    from tests.server_process import ServerProcess

MANY = 1000
AT_A_TIME = 50

SMALL = 4096
VOICES = ("f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7")
LONG_TEXT = "This is a sentence of a long speech. " * 100


async def n_tasks(server: ServerProcess) -> int:
    return await figure(server, "voice_tasks")


async def repeat(times: int, act: Callable[[], Awaitable[object]]) -> None:
    """Do something so many times, some of them at once."""
    left = iter(range(times))

    async def work() -> None:
        for _ in left:
            await act()

    async with trio.open_nursery() as nursery:
        for _ in range(AT_A_TIME):
            nursery.start_soon(work)


async def wait_for_baseline(server: ServerProcess, n_fds: int, tasks: int) -> None:
    """Until nothing is left of the visits, for as long as it becomes less: a thousand of them
    may take a busy machine minutes, and only what stays is a leak."""
    least = math.inf
    with trio.fail_after(PATIENCE_S) as patience:
        while (left := max(server.n_fds() - n_fds, await n_tasks(server) - tasks)) > 0:
            if left < least:
                least = left
                patience.deadline = trio.current_time() + PATIENCE_S
            await trio.sleep(0.1)


async def connect_and_close(port: int) -> None:
    async with connected(port):
        pass


async def connect_and_reset(port: int) -> None:
    async with connected(port) as connection:
        connection.reset()


async def ask_plainly(port: int) -> None:
    assert (await ask(port, get("/health/live"))).status == 200


async def fail_the_handshake(port: int) -> None:
    upgrade = b"GET /ws/stream HTTP/1.1\r\n" + UPGRADE.replace(b"13", b"12") + b"\r\n"
    assert (await ask(port, upgrade)).status == 426


async def leave_in_mid_handshake(port: int) -> None:
    async with connected(port) as connection:
        await connection.send(b"GET /ws/stream HTTP/1.1\r\n" + UPGRADE)


async def leave_after_the_handshake(port: int) -> None:
    async with connected(port) as connection:
        await connection.send(b"GET /ws/stream HTTP/1.1\r\n" + UPGRADE + b"\r\n")


@pytest.mark.parametrize(
    "visit",
    [connect_and_close, connect_and_reset, ask_plainly, fail_the_handshake,
     leave_in_mid_handshake, leave_after_the_handshake],
)  # fmt: skip
async def test_a_thousand_visits_leave_nothing(
    server: ServerProcess, visit: Callable[[int], Awaitable[None]]
) -> None:
    await repeat(AT_A_TIME, lambda: visit(server.port))  # what stays from the first time may
    await trio.sleep(0.1)
    n_fds, tasks = server.n_fds(), await n_tasks(server)
    await repeat(MANY, lambda: visit(server.port))
    await wait_for_baseline(server, n_fds, tasks)


async def hear(port: int, text: str, query: str = "") -> bytes:
    async with websocket(port, "events=true&sample_rate=8000" + query) as client:
        await client.speak(text, flush=True)
        heard = sound(await client.frames_until_event("flushed"))
        await client.close()
        return heard


async def test_those_who_have_a_place_hear_all_while_others_are_turned_away() -> None:
    async with open_server("--max-listeners", "3") as server:
        alone = await hear(server.port, LONG_TEXT)
        await wait_for_listeners(server, 0)
        refusals: list[Response] = []

        async def knock() -> None:
            while True:
                try:
                    async with websocket(server.port):
                        return  # the three have gone
                except Refused as refused:
                    refusals.append(refused.response)

        heard: list[bytes] = []

        async def listen() -> None:
            heard.append(await hear(server.port, LONG_TEXT))

        async with trio.open_nursery() as knocking:
            async with trio.open_nursery() as listening:
                for _ in range(3):
                    listening.start_soon(listen)
                await wait_for_listeners(server, 3)
                for _ in range(5):
                    knocking.start_soon(knock)
            knocking.cancel_scope.cancel()
    assert heard == [alone] * 3
    assert len(refusals) > 3
    assert {refusal.status for refusal in refusals} == {503}
    assert all(int(refusal.headers["retry-after"]) > 0 for refusal in refusals)


async def test_nobody_hears_a_sample_of_anybody_else(server: ServerProcess) -> None:
    """Each has a text, a voice and a pitch of its own."""
    sessions = [
        (
            f"I am listener number {number}, and this is what I say! " * 3,
            f"&voice=en-us%2B{voice}&pitch_shift={number - 6}",
        )
        for number, voice in enumerate(VOICES)
    ]
    alone = [await hear(server.port, *session) for session in sessions]
    assert len(set(alone)) == len(sessions)
    together: dict[int, bytes] = {}

    async def listen(number: int) -> None:
        together[number] = await hear(server.port, *sessions[number])

    for _ in range(2):
        async with trio.open_nursery() as nursery:
            for number in range(len(sessions)):
                nursery.start_soon(listen, number)
        assert [together[number] for number in range(len(sessions))] == alone


async def test_clients_that_crash_stall_and_behave_leave_nothing() -> None:
    """A few seconds of what bench/soak.py does for an hour."""
    chance = random.Random(1)
    async with open_server("--write-stall-s", "1") as server:
        alone = await hear(server.port, LONG_TEXT[:200])

        async def behave() -> None:
            assert await hear(server.port, LONG_TEXT[:200]) == alone

        async def crash() -> None:
            async with websocket(server.port, "events=true") as client:
                await client.speak(LONG_TEXT)
                await trio.sleep(chance.random() / 10)
                client.reset()

        async def stall() -> None:
            async with websocket(server.port, receive_buffer=SMALL) as client:
                await client.speak(LONG_TEXT)
                await trio.sleep(1.5)

        async def barge_in() -> None:
            async with websocket(server.port, "events=true") as client:
                for _ in range(5):
                    await client.speak(LONG_TEXT)
                    await trio.sleep(chance.random() / 20)
                    await client.say(cancel=True)
                    await client.next_event("cancelled")
                await client.close()

        async def talk_garbage() -> None:
            async with connected(server.port) as connection:
                await connection.send(chance.randbytes(200))
                with contextlib.suppress(Closed, trio.BrokenResourceError):
                    await connection.read_more()

        visits = behave, crash, stall, barge_in, talk_garbage

        async def visit() -> None:
            await chance.choice(visits)()

        for act in visits:
            await act()
        n_fds, tasks = server.n_fds(), await n_tasks(server)
        await repeat(200, visit)
        await wait_for_baseline(server, n_fds, tasks)
        await behave()
        assert "Traceback" not in server.log
