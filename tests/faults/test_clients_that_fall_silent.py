"""Fault 6: clients that fall silent, and those that are only taken for silent."""

from __future__ import annotations

import socket
from typing import Any, cast

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed

from pipeline.dialects.deepgram.speak_v1 import DeepgramV1
from pipeline.dialects.native import Native
from pipeline.net.pacing import FrameBudgets, FramePace
from pipeline.net.stream import probe
from pipeline.net.websocket import WebSocketWire
from tests.server_process import HOST


class FakeSocket:
    """A WebSocket whose other end answers pings, or does not, and may say something."""

    def __init__(self, *, answers_pings: bool) -> None:
        self.answers_pings = answers_pings
        self.payloads: list[bytes] = []
        self.to_say, self._said = trio.open_memory_channel[str](100)

    async def ping(self, payload: bytes) -> None:
        self.payloads.append(payload)
        if not self.answers_pings:
            await trio.sleep_forever()

    async def get_message(self) -> str:
        try:
            return await self._said.receive()
        except trio.EndOfChannel:
            raise ConnectionClosed(None) from None


class FakeStream:
    def __init__(self) -> None:
        self.is_sending = False
        self.aborted_at: float | None = None

    def abort(self) -> None:
        if self.aborted_at is None:
            self.aborted_at = trio.current_time()


def peer_of(
    socket: FakeSocket, stream: FakeStream, silent_s: float = Native.silent_s
) -> WebSocketWire:
    pacer = FramePace(cast("Any", stream), FrameBudgets(), lambda: False)
    return WebSocketWire(cast("Any", socket), cast("Any", stream), pacer, silent_s)


async def keep_for(seconds: float, peer: WebSocketWire, *, reading: bool = True) -> None:
    """Watch over a peer for a while, as the server does."""

    async def read() -> None:
        while True:
            await peer.receive()

    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.cut_when_vanished)
            if reading:
                nursery.start_soon(read)


async def test_a_client_that_answers_no_ping_is_cut_off_after_forty_seconds(
    autojump_clock: trio.testing.MockClock,
) -> None:
    began = trio.current_time()
    socket, stream = FakeSocket(answers_pings=False), FakeStream()
    await keep_for(100, peer_of(socket, stream))
    assert stream.aborted_at == pytest.approx(began + 40)


async def test_a_client_that_waits_in_a_pool_is_kept_for_an_hour(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """LiveKit reads its sockets only while it speaks by them: without this limit of its dialect's
    own, whoever was silent for 40 s between two turns was answered by an error first."""
    socket, stream = FakeSocket(answers_pings=False), FakeStream()
    wire = peer_of(socket, stream, DeepgramV1.silent_s)
    began = trio.current_time()
    await keep_for(5000, wire)
    assert stream.aborted_at == pytest.approx(began + 3_700)


async def test_the_kernel_looks_whether_the_machine_of_a_silent_client_is_there() -> None:
    """Within 50 s, whatever the client's program does."""
    [listener] = await trio.open_tcp_listeners(0, host=HOST)
    client = await trio.open_tcp_stream(*listener.socket.getsockname())
    async with listener, client, await listener.accept() as server:
        probe(server)
        assert server.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert server.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 20


async def test_a_client_that_answers_pings_is_kept(
    autojump_clock: trio.testing.MockClock,
) -> None:
    socket, stream = FakeSocket(answers_pings=True), FakeStream()
    await keep_for(1000, peer_of(socket, stream))
    assert stream.aborted_at is None
    assert len(socket.payloads) >= 49
    assert len(set(socket.payloads)) == len(socket.payloads)
    assert all((2 + len(payload)) % 4 == 0 for payload in socket.payloads)


async def test_a_client_that_speaks_is_kept_though_it_answers_no_ping(
    autojump_clock: trio.testing.MockClock,
) -> None:
    socket, stream = FakeSocket(answers_pings=False), FakeStream()

    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _speak() -> None:
            for _ in range(20):
                await trio.sleep(30)
                await socket.to_say.send('{"token": "a"}')

        await keep_for(600, peer_of(socket, stream))
    assert stream.aborted_at is None


async def test_a_client_that_does_not_read_is_not_taken_for_vanished(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It does not see the pings either; the write stall is for this one."""
    socket, stream = FakeSocket(answers_pings=False), FakeStream()
    stream.is_sending = True
    await keep_for(1000, peer_of(socket, stream))
    assert stream.aborted_at is None


async def test_a_client_that_we_do_not_read_is_not_taken_for_vanished(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Above the bound of pending text the server stops reading, so it sees no pong. When that
    counted as silence, whoever sent a book to a slow engine was cut off after 40 s."""
    socket, stream = FakeSocket(answers_pings=False), FakeStream()
    await keep_for(1000, peer_of(socket, stream), reading=False)
    assert stream.aborted_at is None


async def test_a_client_that_fell_silent_after_it_was_not_read_is_cut_off(
    autojump_clock: trio.testing.MockClock,
) -> None:
    socket, stream = FakeSocket(answers_pings=False), FakeStream()
    peer = peer_of(socket, stream)
    await keep_for(1000, peer, reading=False)
    await keep_for(100, peer)
    assert stream.aborted_at is not None


async def test_a_client_that_talks_and_never_answers_a_ping_is_kept_with_one_ping_waiting(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Each ping that waits for its answer is a task: they would pile up for as long as it talks."""
    socket, stream = FakeSocket(answers_pings=False), FakeStream()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def talk() -> None:
            for _ in range(20):
                await trio.sleep(10)
                await socket.to_say.send("{}")
            nursery.cancel_scope.cancel()

        nursery.start_soon(keep_for, 1000, peer_of(socket, stream))
    assert stream.aborted_at is None
    assert len(socket.payloads) == 1
