"""Clients that are in the middle of what they say."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import trio

from tests.faults.raw_client import websocket
from tests.faults.raw_frames import sound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.cluster.balanced import Cluster
    from tests.faults.raw_client import RawWebSocket
    from tests.faults.raw_frames import Frame

EVENTS = "events=true"
BEGIN, END = "Hello there, all of you. ", "And this is the end of it."


class Speaker:
    """A client that is in the middle of what it says, and has heard its beginning."""

    def __init__(self, socket: RawWebSocket) -> None:
        self.socket = socket
        self._frames: list[Frame] = []

    async def begin(self) -> None:
        """Say the first sentence, and hear it."""
        await self.socket.speak(BEGIN + " ")
        self._frames += await self.socket.frames_until_event("segment_end")

    async def end(self) -> bytes:
        """Say the rest, and hear all of it."""
        await self.socket.speak(END, flush=True)
        self._frames += await self.socket.frames_until_event("flushed")
        return sound(self._frames)

    async def say_all(self) -> bytes:
        await self.begin()
        return await self.end()


@asynccontextmanager
async def speakers(port: int, number: int) -> AsyncIterator[list[Speaker]]:
    """So many speakers who come at once, and have all begun."""
    async with AsyncExitStack() as stack:
        came: list[Speaker] = []

        async def come() -> None:
            socket = await stack.enter_async_context(websocket(port, EVENTS))
            speaker = Speaker(socket)
            await speaker.begin()
            came.append(speaker)

        async with trio.open_nursery() as nursery:
            for _ in range(number):
                nursery.start_soon(come)
        yield came


async def say_the_rest(those: list[Speaker]) -> set[bytes]:
    """What all of them have heard in the end, which should be one and the same."""
    heard = set()

    async def end(speaker: Speaker) -> None:
        heard.add(await speaker.end())

    async with trio.open_nursery() as nursery:
        for speaker in those:
            nursery.start_soon(end, speaker)
    return heard


async def speech(cluster: Cluster, n: int = 0) -> set[bytes]:
    """What is heard where nothing happens, of a server itself."""
    async with websocket(cluster.servers[n].port, EVENTS) as socket:
        return {await Speaker(socket).say_all()}


def numbers(cluster: Cluster) -> list[int]:
    """How many are where."""
    return [cluster.sessions(n) for n in range(len(cluster.places))]


async def until_status(cluster: Cluster, n: int, word: str) -> None:
    await trio.to_thread.run_sync(cluster.wait_for_status, n, word)
