"""Fault 18: connections that say nothing, or leave at once, on a real server: nobody else waits for
them, and nobody who listens goes mute."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

import trio

from tests.faults.figures import figure
from tests.faults.raw_client import ask, connected, get, post, websocket
from tests.faults.raw_frames import sound
from tests.server_process import HOST, open_server

if TYPE_CHECKING:
    from tests.faults.raw_client import RawWebSocket

OTHER = "127.0.0.2"


async def speaks(listener: RawWebSocket) -> None:
    """It does."""
    await listener.speak("Hello there!", flush=True)
    assert len(sound(await listener.frames_until_event("flushed"))) > 0


async def test_with_few_descriptors_unfinished_requests_make_nobody_mute() -> None:
    """Ninety half-open connections took the last descriptors: each segment of espeak-ng's needs
    one, health was not answered, and the log was full of tracebacks."""
    async with (
        open_server(descriptors=64) as server,
        websocket(server.port, "events=true", source=OTHER) as listener,
        contextlib.AsyncExitStack() as stack,
    ):
        await speaks(listener)
        for _ in range(90):
            # Some are shed, before or behind the end of their connecting.
            with contextlib.suppress(trio.BrokenResourceError, ConnectionResetError):
                half_open = await stack.enter_async_context(connected(server.port))
                await half_open.send(b"GET / HTTP/1.1\r\nHost:")
        for _ in range(5):
            await speaks(listener)
            assert (await ask(server.port, get("/health/live"), source=OTHER)).status == 200
        assert "Traceback" not in server.log


async def test_who_connects_and_leaves_keeps_nobody_waiting() -> None:
    """A hundred a second were accepted, in their order, while anybody listened: who came behind
    thousands had to wait for each of them."""
    n_visits = 3000
    async with (
        open_server() as server,
        websocket(server.port, "events=true", source=OTHER) as listener,
    ):
        await speaks(listener)

        def visit() -> None:
            for _ in range(n_visits):
                with socket.create_connection((HOST, server.port)):
                    pass

        await trio.to_thread.run_sync(visit)
        n_spoken, has_answered = 0, trio.Event()
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def _ask() -> None:
                for source in (HOST, OTHER):
                    answer = await ask(server.port, get("/health/live"), source=source)
                    assert answer.status == 200
                has_answered.set()

            while not has_answered.is_set():
                await speaks(listener)
                n_spoken += 1
        # Each takes tens of milliseconds, and three thousand turns would take half a minute.
        assert n_spoken < 100
        shed = await figure(server, 'voice_connections_shed_total{reason="gone"}')
        assert shed > n_visits / 2


async def test_who_opens_all_sockets_and_says_nothing_shuts_nobody_else_out() -> None:
    """Each silent socket has a place, and one address had them all."""
    async with (
        open_server("--max-listeners", "3") as server,
        contextlib.AsyncExitStack() as stack,
    ):
        silent = [
            await stack.enter_async_context(websocket(server.port, "events=true")) for _ in range(3)
        ]
        for _ in range(2):
            asked = post("/api/speak", {"text": "Hello!"})
            assert (await ask(server.port, asked, source=OTHER)).status == 200
        async with websocket(server.port, "events=true", source=OTHER) as newcomer:
            await speaks(newcomer)
            assert (await ask(server.port, post("/api/speak", {"text": "Hello!"}))).status == 503
            await silent[-1].speak("Hello there!", flush=True)  # the youngest is left
            assert sound(await silent[-1].frames_until_event("flushed"))


async def test_of_those_who_say_nothing_one_leaves_for_each_who_comes() -> None:
    """Two came in one moment, and both had the same socket cut off: the second was refused."""
    async with (
        open_server("--max-listeners", "6") as server,
        contextlib.AsyncExitStack() as stack,
    ):
        for _ in range(6):
            await stack.enter_async_context(websocket(server.port))

        async def come() -> None:
            newcomer = websocket(server.port, "events=true", source=OTHER)
            await speaks(await stack.enter_async_context(newcomer))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(come)
            nursery.start_soon(come)
