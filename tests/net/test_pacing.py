"""Pacing: a client's frames come a few at a time, and a flood of them is slowed down."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from pipeline.net.pacing import (
    BURST_FRAMES,
    CLIENT_BURST_FRAMES,
    CLIENT_FRAMES_PER_S,
    FLOOD_FRAMES_PER_S,
    FRAMES_PER_READ,
    FRAMES_PER_S,
    FrameBudgets,
    FramePace,
    FrameScanner,
    PacedStream,
)
from pipeline.net.stream import ClientStream
from pipeline.session import TURN_COST
from tests.faults.raw_client import websocket
from tests.faults.raw_frames import PING, PONG, TEXT, frame
from tests.server_process import open_server

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


class Crowd:
    """Whether there are others."""

    def __init__(self, *, are_others: bool) -> None:
        self.are_others = are_others
        self.budgets = FrameBudgets()


@asynccontextmanager
async def paced_stream(
    crowd: Crowd, who: str = "somebody"
) -> AsyncIterator[tuple[trio.SocketStream, PacedStream]]:
    """A client's end, and the server's, which has read the upgrade."""
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        client = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
        served = ClientStream(await listener.accept(), 30.0, peer=who)
    stream = PacedStream(served, FramePace(served, crowd.budgets, lambda: crowd.are_others))
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
    flood = frame(PONG) * (BURST_FRAMES + round(seconds * FLOOD_FRAMES_PER_S))
    began = trio.current_time()
    async with (
        paced_stream(Crowd(are_others=are_others)) as (client, stream),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(client.send_all, flood)
        await take(stream, len(flood))
    assert trio.current_time() - began == pytest.approx(seconds if are_others else 0.0, abs=0.2)


class Flood:
    """One who sends without an end, and how much of it was taken in."""

    def __init__(self, crowd: Crowd, who: str) -> None:
        self.n_frames = 0
        self._crowd = crowd
        self._who = who

    async def run(self, work_s: float = 0.0) -> None:
        async with (
            paced_stream(self._crowd, self._who) as (client, stream),
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self._send, client)
            while True:
                data = await stream.receive_some(4096)
                await trio.sleep(work_s)
                self.n_frames += len(data) // len(frame(PONG))

    async def _send(self, client: trio.SocketStream) -> None:
        while True:
            await client.send_all(frame(PONG) * 100)


@pytest.mark.parametrize("work_s", [0.0, 0.2])
async def test_forty_floods_are_no_more_work_than_one(
    autojump_clock: trio.testing.MockClock, work_s: float
) -> None:
    """Each had 250 frames a second for ever: a newcomer's first sound took 792 ms, not 22. What
    they share is shared by whose they are, and then by connection; it is no more where each read
    has to wait for what came before to be spoken."""
    crowd, seconds = Crowd(are_others=True), 20
    floods = [Flood(crowd, "a crowd") for _ in range(39)] + [Flood(crowd, "another")]
    async with trio.open_nursery() as nursery:
        for flood in floods:
            nursery.start_soon(flood.run, work_s)
        await trio.sleep(20)
        before = [flood.n_frames for flood in floods]
        await trio.sleep(seconds)
        taken = [flood.n_frames - n for flood, n in zip(floods, before, strict=True)]
        nursery.cancel_scope.cancel()
    total = seconds * FLOOD_FRAMES_PER_S
    assert sum(taken) <= 1.1 * total
    if not work_s:
        assert sum(taken) == pytest.approx(total, rel=0.1)
        assert taken[-1] == pytest.approx(total / 2, rel=0.1)
    assert max(taken[:-1]) - min(taken[:-1]) <= 2 * FRAMES_PER_READ


async def test_who_keeps_to_its_own_rate_waits_for_no_flood(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A language model writes beside forty floods of its own address."""
    crowd = Crowd(are_others=True)
    async with (
        paced_stream(crowd, "a crowd") as (client, stream),
        trio.open_nursery() as nursery,
    ):
        for _ in range(40):
            nursery.start_soon(Flood(crowd, "a crowd").run)
        await trio.sleep(5)

        @nursery.start_soon
        async def _write() -> None:
            for _ in range(500):
                await trio.sleep(1 / FRAMES_PER_S)
                sent_at.append(trio.current_time())
                await client.send_all(frame(TEXT, b"word"))

        sent_at: list[float] = []
        for n in range(500):
            await take(stream, len(frame(TEXT, b"word")))
            assert trio.current_time() == pytest.approx(sent_at[n])
        nursery.cancel_scope.cancel()


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


async def test_a_server_slows_a_flood_down_beside_another_listener() -> None:
    """No client here can be slower than it is told to be, so this holds on any machine."""
    n_pings = BURST_FRAMES + round(FLOOD_FRAMES_PER_S)
    async with open_server() as server, somebody(server.port), websocket(server.port) as client:
        began = trio.current_time()
        await client.send(frame(PING) * n_pings)
        for _ in range(n_pings):
            assert (await client.next_frame()).opcode == PONG
        assert trio.current_time() - began > 0.9
        await client.close()


async def test_who_comes_back_for_each_burst_is_slowed_down_like_who_stays(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Each connection began with a burst of its own: an address that sent it and left, a hundred
    times a second, made a newcomer and health wait for 1 s."""
    crowd, n_visits = Crowd(are_others=True), 120
    burst = frame(PONG) * BURST_FRAMES
    began = trio.current_time()
    for _ in range(n_visits):
        async with (
            paced_stream(crowd, "a visitor") as (client, stream),
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(client.send_all, burst)
            await take(stream, len(burst))
    n_counted = BURST_FRAMES - FRAMES_PER_READ  # what was read last is counted at the next read
    n_slow = n_visits * n_counted - CLIENT_BURST_FRAMES
    least_s = n_slow / CLIENT_FRAMES_PER_S
    assert trio.current_time() - began == pytest.approx(least_s, rel=0.1)


async def test_a_cancel_counts_for_more_than_a_word() -> None:
    """Sixty sockets of one address, each with 24 cancels a second, which was within their rate,
    kept the server busy: newcomers were refused."""
    n_own = BURST_FRAMES // TURN_COST
    n_cancels = n_own + round(FLOOD_FRAMES_PER_S) // TURN_COST
    async with (
        open_server() as server,
        somebody(server.port),
        websocket(server.port, "events=true") as client,
    ):
        began = trio.current_time()
        await client.send(frame(TEXT, b'{"cancel": true}') * n_cancels)
        for _ in range(n_cancels):
            await client.next_event("cancelled")
        assert trio.current_time() - began > 0.9
        await client.close()
