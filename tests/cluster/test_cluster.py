"""Three light servers behind HAProxy: who comes, where they land, and what they hear when a server
leaves, dies or hangs. No figure is measured here: bench/cluster.py does that."""

from __future__ import annotations

import contextlib
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from tests.cluster.balancer import running_balancer
from tests.cluster.speakers import (
    BEGIN,
    EVENTS,
    numbers,
    say_the_rest,
    speakers,
    speech,
    until_status,
)
from tests.faults.raw_client import Closed, ask, connected, post, websocket
from tests.monitoring.queries import OF_BALANCER, strangers, told_metrics
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from tests.cluster.balanced import Cluster
    from tests.cluster.balancer import Balancer


@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "at once"])
async def test_newcomers_land_where_there_is_room(cluster: Cluster, at_once: bool) -> None:
    """A full server answers fastest and stays the one with the fewest connections: where nobody
    tells the balancer how many places each has, it swallows newcomers and 16 of 30 are refused."""
    async with AsyncExitStack() as stack:

        async def come() -> None:
            socket = await stack.enter_async_context(websocket(cluster.port, EVENTS))
            await socket.next_event("ready")

        async with trio.open_nursery() as nursery:
            for _ in range(30):
                if at_once:
                    nursery.start_soon(come)
                else:
                    await come()
        there = numbers(cluster)
        assert sum(there) == 30
        assert all(
            0 < number <= places for number, places in zip(there, cluster.places, strict=True)
        )


async def test_where_all_is_full_a_newcomer_waits_for_a_place_and_not_for_ever(
    cluster: Cluster,
) -> None:
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(websocket(cluster.port, EVENTS))
            for _ in range(sum(cluster.places))
        ]
        async with httpx.AsyncClient() as client:
            refusal = await client.get(cluster.url + "/ws/stream", timeout=PATIENCE_S)
        assert refusal.status_code == 503
        assert refusal.headers["retry-after"] == "2"
        assert refusal.json()["code"] == "overloaded"

        async with trio.open_nursery() as nursery:

            async def leave() -> None:
                while cluster.balancer.n_waiting() == 0:
                    await trio.sleep(0.01)
                await sockets.pop().close()

            nursery.start_soon(leave)
            async with websocket(cluster.port, EVENTS) as newcomer:  # who waited, and was let in
                await newcomer.next_event("ready")


async def test_a_body_that_does_not_come_takes_no_place(cluster: Cluster) -> None:
    """One byte of it took a place for as long as its client was not silent for 90 s."""
    half = post("/api/speak", {"text": BEGIN})[:-10]
    async with AsyncExitStack() as stack:
        for _ in range(sum(cluster.places)):
            connection = await stack.enter_async_context(connected(cluster.port))
            await connection.send(half)
        await speak_by_post(cluster.port)
        assert numbers(cluster) == [0, 0, 0]


async def test_who_is_refused_by_a_server_is_let_in_by_another(cluster: Cluster) -> None:
    """Others may fill a server past the balancer: another balancer, or this one's old worker. Its
    503 is taken to another server, for POST too: it comes before anything was spoken."""
    expected = await speech(cluster)
    async with AsyncExitStack() as stack:
        for _ in range(cluster.places[1]):
            await stack.enter_async_context(websocket(cluster.servers[1].port, EVENTS))
        logged = len(cluster.balancer.log)
        async with speakers(cluster.port, 12) as those:
            assert await say_the_rest(those) == expected
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(speak_by_post, cluster.port)
    lines = await new_lines(cluster.balancer, logged, 16)
    assert any(" 101 " in line and " +1 " in line for line in lines), lines
    assert any(line.split()[1] == "POST" and " +1 " in line for line in lines), lines


async def speak_by_post(port: int) -> None:
    request = post("/api/speak", {"text": BEGIN}, "Connection: close")
    assert (await ask(port, request)).status == 200


async def new_lines(balancer: Balancer, logged: int, number: int) -> list[str]:
    """The lines about so many requests that have come to their end, since so much was logged."""
    with trio.fail_after(PATIENCE_S):
        while True:
            lines = [line for line in balancer.log[logged:].splitlines() if " request=" in line]
            if len(lines) >= number:
                return lines
            await trio.sleep(0.01)


async def test_a_server_that_drains_gets_nobody_and_cuts_nobody(cluster: Cluster) -> None:
    expected = await speech(cluster)
    async with speakers(cluster.port, 12) as those:
        before = numbers(cluster)
        cluster.drain(2)
        await until_status(cluster, 2, "DRAIN (agent)")
        async with speakers(cluster.port, 3) as newcomers:
            assert numbers(cluster)[2] == before[2]
            assert await say_the_rest([*those, *newcomers]) == expected
        cluster.stay(2)
        await until_status(cluster, 2, "UP")


async def test_a_server_that_hangs_is_cut_off(cluster: Cluster) -> None:
    """Who is spoken to by it sees an end, rather than silence for as long as it hangs; who is just
    connecting is connected to another."""
    with running_balancer(cluster.addresses, "--check", "900ms") as balancer:
        async with websocket(balancer.port, EVENTS) as socket:
            await socket.next_event("ready")
            rows = balancer.stats().values()
            [n] = [n for n, row in enumerate(rows) if row["scur"] == "1"]
            cluster.stop(n)
            try:
                with contextlib.suppress(Closed):
                    await socket.next_frame()
                    pytest.fail("a server that hangs said something")
                async with websocket(balancer.port, EVENTS) as newcomer:
                    await newcomer.next_event("ready")
            finally:
                cluster.go_on(n)


async def test_a_reload_cuts_nobody(cluster: Cluster) -> None:
    expected = await speech(cluster)
    async with speakers(cluster.port, 12) as those:
        await trio.to_thread.run_sync(cluster.reload)
        async with speakers(cluster.port, 2) as newcomers:
            assert sum(numbers(cluster)) == 2, "the new worker counts from 0"
            assert await say_the_rest([*those, *newcomers]) == expected


def test_the_balancer_answers_for_all(cluster: Cluster) -> None:
    """What is one server's alone is not told through it, in whatever spelling; its own figures
    stand at another port."""
    for path, status in {
        "/health/live": 200,
        "/health/ready": 200,
        "/api/voices": 200,
        "/metrics": 403,
        "/%6detrics": 403,
        "/admin/drain": 403,
        "//admin/drain": 403,
    }.items():
        assert httpx.get(cluster.url + path).status_code == status, path
    figures = httpx.get(f"http://127.0.0.1:{cluster.balancer.metrics_port}/metrics").text
    assert "Connect from" not in cluster.balancer.log, "a scrape was logged"
    for server in cluster.servers:
        name = f'proxy="speech",server="127.0.0.1:{server.port}"'
        assert f"haproxy_server_current_sessions{{{name}}} 0" in figures
    known = told_metrics(figures)
    assert [strangers(alert["expr"], known) for alert in OF_BALANCER] == [set()]
