"""The door: nobody's connections keep anybody else's waiting, and none of them is more than the
server can hold."""

from __future__ import annotations

import contextlib
import resource
import socket
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from typing import TYPE_CHECKING

import h11
import pytest
import trio
import trio.lowlevel
import trio.testing

from pipeline.net.crowd import Room
from pipeline.net.visitors import BURST_CONNECTIONS, FLOOD_CONNECTIONS_PER_S, LONGEST_WAIT_S
from tests.faults.raw_client import ask, connected, get
from tests.net.open_port import open_port
from tests.server_process import HOST, PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.raw_client import Response
    from tests.net.open_port import OpenPort

OTHER = "127.0.0.2"
HEALTH = get("/health/live")


def connect(port: OpenPort, stack: ExitStack) -> socket.socket:
    """Connect at once, without a turn of the loop, in which the server would accept."""
    tcp = stack.enter_context(socket.create_connection((HOST, port.number)))
    tcp.setblocking(False)
    return tcp


def has_asked(port: OpenPort, n: int) -> bool:
    """Whether the requests of so many have been read."""
    return port.crowd.n_open - port.crowd.n_unfinished == n


def has_left_open(port: OpenPort, n: int) -> bool:
    """Whether so many connections have not asked for anything."""
    return port.crowd.n_unfinished == n


async def until(has_come: Callable[[], bool]) -> None:
    """Let the server go on until this holds."""
    while not has_come():
        await trio.lowlevel.checkpoint()


async def ask_all(port: OpenPort, n: int) -> list[Response | None]:
    """The answers to so many requests that come at once, or None for those that get none."""
    answers: list[Response | None] = []

    async def one() -> None:
        answer = None
        with contextlib.suppress(h11.RemoteProtocolError, trio.BrokenResourceError, OSError):
            answer = await ask(port.number, get("/"))  # or it is reset
        answers.append(answer)

    async with trio.open_nursery() as nursery:
        for _ in range(n):
            nursery.start_soon(one)
    return answers


async def test_who_has_left_already_costs_no_task() -> None:
    """One thread that connected and left shut everybody out: each visit had its task, and the next
    had to wait for it."""
    async with open_port() as port:
        for _ in range(300):
            with ExitStack() as visit:
                connect(port, visit)
        assert (await ask(port.number, get("/"))).body == HOST.encode()
        assert port.answers.told == [HOST]
        assert port.crowd.shed["gone"] == 300


async def test_health_and_other_addresses_are_served_beside_connections_that_say_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_port() as port:
        with ExitStack() as flood:
            for _ in range(3):
                for _ in range(2 * BURST_CONNECTIONS):
                    connect(port, flood)
                assert (await ask(port.number, HEALTH)).status == 200
                assert (await ask(port.number, get("/"), source=OTHER)).body == OTHER.encode()
        assert port.crowd.shed["silent"] > 0


async def test_health_and_other_addresses_are_served_beside_requests_that_are_shed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_port() as port:
        with ExitStack() as flood:
            while not port.crowd.shed["pace"]:
                for _ in range(100):
                    connect(port, flood).sendall(get("/"))
                assert (await ask(port.number, HEALTH)).status == 200
                assert (await ask(port.number, get("/"), source=OTHER)).body == OTHER.encode()


async def test_three_hundred_who_come_back_at_once_are_all_served(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A network was away, and behind one address are many clients."""
    async with open_port() as port:
        answers = await ask_all(port, 300)
    assert [answer.status for answer in answers if answer is not None] == [200] * 300


async def test_of_a_flood_as_many_wait_as_are_served_soon(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_port() as port:
        answers = await ask_all(port, 1500)
        n_served = len(port.answers.told)
        assert sum(answer is not None for answer in answers) == n_served
        assert port.crowd.shed["pace"] == 1500 - n_served
    soon = FLOOD_CONNECTIONS_PER_S * LONGEST_WAIT_S
    assert BURST_CONNECTIONS + soon / 2 <= n_served <= BURST_CONNECTIONS + 2 * soon


async def test_who_connects_long_before_it_asks_is_served_in_turn(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_port() as port:
        with ExitStack() as flood:
            for _ in range(BURST_CONNECTIONS):
                connect(port, flood)
            async with connected(port.number) as slow:
                await trio.sleep(3)
                await slow.send(get("/"))
                assert HOST.encode() in await slow.read_to_end()


async def test_the_oldest_of_those_who_have_most_unfinished_leaves_for_a_newcomer(
    mock_clock: trio.testing.MockClock,  # stands still: nobody is too slow with a request
) -> None:
    async with open_port(Room(asked=5, unfinished=4, silent=4)) as port, AsyncExitStack() as stack:
        asked = await stack.enter_async_context(connected(port.number))
        await asked.send(get("/wait"))
        await until(partial(has_asked, port, 1))
        silent = []
        for n, source in enumerate((OTHER, HOST, HOST, HOST), 1):
            silent.append(await stack.enter_async_context(connected(port.number, source=source)))
            await until(partial(has_left_open, port, n))
        one, oldest, *others = silent
        assert (await ask(port.number, get("/"), source="127.0.0.3")).status == 200
        assert await oldest.read_to_end() == b""
        assert port.crowd.shed["unfinished"] == 1
        for left in (one, *others):
            await left.send(get("/"))
            assert b" 200 " in await left.read_to_end()
        port.answers.go_on.set()
        assert b" 200 " in await asked.read_to_end()


async def test_where_all_have_asked_newcomers_are_told_and_health_answers() -> None:
    async with open_port(Room(asked=3, unfinished=4, silent=4)) as port, AsyncExitStack() as stack:
        for n in 1, 2, 3:
            asked = await stack.enter_async_context(connected(port.number))
            await asked.send(get("/wait"))
            await until(partial(has_asked, port, n))
        refused = await ask(port.number, get("/"))
        assert (refused.status, refused.json()["code"]) == (503, "overloaded")
        assert "retry-after" in refused.headers
        assert (await ask(port.number, HEALTH)).status == 200


async def test_without_a_descriptor_nobody_is_lost_and_it_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """There were 107 tracebacks in 11 s."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with open_port() as port:
        with ExitStack() as stack:
            clients = [stack.enter_context(trio.socket.socket()) for _ in range(8)]
            [free] = [stack.enter_context(socket.socket())]
            limit = free.fileno()
            free.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            try:
                for client in clients:
                    await client.connect((HOST, port.number))
                    await client.send(get("/"))
                with trio.fail_after(PATIENCE_S):
                    while "cannot accept" not in caplog.text:
                        await trio.sleep(0.01)
                await trio.sleep(0.3)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for client in clients:
                assert (await client.recv(4096)).startswith(b"HTTP/1.1 200 ")
    assert caplog.text.count("cannot accept") == 1
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("n_descriptors", [64, 256, 1024, 1 << 20])
def test_all_connections_together_leave_descriptors_for_the_rest(n_descriptors: int) -> None:
    room = Room.below(n_descriptors)
    assert min(room) >= 1
    assert sum(room) <= n_descriptors - 32
