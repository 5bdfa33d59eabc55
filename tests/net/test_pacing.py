"""Pacing: a client's frames come a few at a time, and a flood of them is slowed down."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from pipeline.net.pacing import (
    BURST_CONNECTIONS,
    BURST_FRAMES,
    CONNECTIONS_PER_S,
    FRAMES_PER_READ,
    FRAMES_PER_S,
    MAX_WAIT_S,
    UNUSED_COST,
    FrameScanner,
    PacedListener,
    PacedStream,
    RateLimit,
)
from pipeline.net.stream import ClientStream
from tests.faults.raw_client import connected, websocket
from tests.faults.raw_frames import PING, PONG, TEXT, frame
from tests.server_process import HOST, open_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HEAD = b"GET /ws/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"

FRAMES = [
    frame(PONG),
    frame(TEXT, b"x" * 125),
    frame(TEXT, b"x" * 126),
    frame(PING, b"ping"),
    frame(TEXT, b"x" * 65_535),
    frame(TEXT, b"x" * 65_536),
    frame(TEXT, b"", fin=False),
    b"\x81\x02{}",  # without a mask, which the library refuses
]


def cut_up(pieces: list[bytes], max_frames: int) -> list[tuple[bytes, int]]:
    """What is handed on bit by bit, and how many frames end in each bit."""
    scanner = FrameScanner()
    handed: list[tuple[bytes, int]] = []
    for piece in pieces:
        rest = piece
        while rest:
            n_bytes, n_frames = scanner.scan(rest, max_frames)
            handed.append((rest[:n_bytes], n_frames))
            rest = rest[n_bytes:]
    return handed


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 7, 4096, 1 << 20])
@pytest.mark.parametrize("max_frames", [1, 3])
def test_frames_are_found_however_they_come(piece_bytes: int, max_frames: int) -> None:
    data = HEAD + b"".join(FRAMES)
    pieces = [data[at : at + piece_bytes] for at in range(0, len(data), piece_bytes)]
    handed = cut_up(pieces, max_frames)
    assert b"".join(part for part, _ in handed) == data
    assert sum(n_frames for _, n_frames in handed) == len(FRAMES)
    assert max(n_frames for _, n_frames in handed) <= max_frames


def test_each_frame_is_handed_on_by_itself() -> None:
    handed = [part for part, _ in cut_up([HEAD + b"".join(FRAMES)], 1)]
    assert handed == [HEAD + FRAMES[0], *FRAMES[1:]]


def test_a_rate_limit_lets_a_burst_through_and_then_so_many_a_second() -> None:
    limit = RateLimit(10, burst=5)
    assert [round(limit.charge(1, 0.0), 3) for _ in range(8)] == [0, 0, 0, 0, 0, 0.1, 0.2, 0.3]
    assert limit.charge(1, 0.8) == pytest.approx(0.0)  # it has caught up with all but the burst
    assert limit.charge(5, 100.0) == 0.0


def test_nobody_waits_long_for_what_was_charged_before() -> None:
    limit = RateLimit(10, burst=5)
    assert limit.charge(10_000, 0.0) == MAX_WAIT_S


class Crowd:
    """Whether there are others."""

    def __init__(self, *, are_others: bool) -> None:
        self.are_others = are_others


@asynccontextmanager
async def paced_stream(crowd: Crowd) -> AsyncIterator[tuple[trio.SocketStream, PacedStream]]:
    """A client's end, and the server's, which has read the upgrade."""
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        client = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
        served = await listener.accept()
    stream = PacedStream(ClientStream(served, 30.0), lambda: crowd.are_others)
    async with client, stream:
        await client.send_all(HEAD)
        assert await stream.receive_some(4096) == HEAD
        yield client, stream


async def take(stream: PacedStream, n_bytes: int) -> list[bytes]:
    """What so many bytes come in."""
    parts: list[bytes] = []
    while sum(map(len, parts)) < n_bytes:
        parts.append(await stream.receive_some(4096))
    return parts


async def test_no_more_than_a_few_frames_come_at_once() -> None:
    """4 KiB of pongs, or of an endless message's fragments, stopped the loop for 4 ms each."""
    flood = frame(PONG) * 600
    async with paced_stream(Crowd(are_others=False)) as (client, stream):
        await client.send_all(flood)
        parts = await take(stream, len(flood))
    assert max(len(part) for part in parts) == FRAMES_PER_READ * len(frame(PONG))


@pytest.mark.parametrize("are_others", [True, False])
async def test_a_flood_is_slowed_down_beside_others_only(
    autojump_clock: trio.testing.MockClock, are_others: bool
) -> None:
    seconds = 3
    flood = frame(PONG) * (BURST_FRAMES + round(seconds * FRAMES_PER_S))
    began = trio.current_time()
    async with (
        paced_stream(Crowd(are_others=are_others)) as (client, stream),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(client.send_all, flood)
        await take(stream, len(flood))
    assert trio.current_time() - began == pytest.approx(seconds if are_others else 0.0, abs=0.1)


async def test_who_flooded_while_alone_owes_nothing_when_others_come(
    autojump_clock: trio.testing.MockClock,
) -> None:
    crowd = Crowd(are_others=False)
    flood = frame(PONG) * BURST_FRAMES * 3
    async with paced_stream(crowd) as (client, stream):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send_all, flood)
            await take(stream, len(flood))
        crowd.are_others = True
        began = trio.current_time()
        await client.send_all(frame(PING))
        await stream.receive_some(4096)
        assert trio.current_time() == began


@asynccontextmanager
async def somebody(port: int) -> AsyncIterator[None]:
    """Who has something spoken, and stays."""
    async with websocket(port, "events=true") as listener:
        await listener.speak("Hello!", flush=True)
        await listener.next_event("flushed")
        yield


@pytest.mark.parametrize("are_others", [True, False])
async def test_the_sockets_of_a_port_share_a_limit_while_somebody_listens(
    autojump_clock: trio.testing.MockClock, are_others: bool
) -> None:
    limit = RateLimit(10, burst=5)
    listeners = [(await trio.open_tcp_listeners(0, host=HOST))[0] for _ in range(2)]
    paced = [PacedListener(listener, limit, lambda: are_others) for listener in listeners]
    began = trio.current_time()
    for sockets, listener in zip(paced, listeners, strict=True):
        async with sockets:
            for _ in range(10):
                async with connected(listener.socket.getsockname()[1]):
                    await (await sockets.accept()).aclose()
    assert trio.current_time() - began == pytest.approx(1.3 if are_others else 0.0)


async def test_a_server_slows_a_flood_down_beside_another_listener() -> None:
    """No client here can be slower than it is told to be, so this holds on any machine."""
    n_pings = BURST_FRAMES + round(FRAMES_PER_S)
    async with open_server() as server, somebody(server.port), websocket(server.port) as client:
        began = trio.current_time()
        await client.send(frame(PING) * n_pings)
        for _ in range(n_pings):
            assert (await client.next_frame()).opcode == PONG
        assert trio.current_time() - began > 0.9
        await client.close()


async def test_a_server_slows_connections_down_while_somebody_listens() -> None:
    n_connections = BURST_CONNECTIONS + round(CONNECTIONS_PER_S)
    async with open_server() as server, somebody(server.port):
        began = trio.current_time()
        for _ in range(n_connections):
            async with connected(server.port) as client:
                client.half_close()
                assert await client.read_to_end() == b""
        assert trio.current_time() - began > 0.9


async def test_websockets_that_say_nothing_count_for_more() -> None:
    each = 1 + UNUSED_COST
    n_connections = round((BURST_CONNECTIONS + CONNECTIONS_PER_S) / each)
    async with open_server() as server, somebody(server.port):
        began = trio.current_time()
        for _ in range(n_connections):
            async with websocket(server.port) as client:
                await client.close()
        assert trio.current_time() - began > 0.5  # and next to nothing where each counts for one
