"""Text that ends espeak-ng's process, as clients on real sockets meet it."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING
from urllib.parse import quote

import psutil
import pytest
import trio

from tests.espeak.deadly import DEADLY, HARMLESS, VOICE
from tests.faults.figures import figure
from tests.faults.raw_client import ask, post, websocket
from tests.faults.raw_frames import TEXT, sound
from tests.server_process import LOOK_EVERY_S, PATIENCE_S, open_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.server_process import ServerProcess

SPEECH = "This is a sentence of a long speech. And here is another one, with a comma in it. " * 4
VOICES = ("en-us", "en-us+f3", "de", "my")
RESTARTS = 'voice_engine_restarts_total{engine="espeak-ng"}'


async def hear(server: ServerProcess, voice: str, heard: dict[str, bytes]) -> None:
    """Have a speech spoken from its first sentence to its last."""
    async with websocket(server.port, f"events=true&voice={quote(voice)}") as client:
        await client.speak(SPEECH, flush=True)
        frames = await client.frames_until_event("flushed")
        assert [frame.json() for frame in frames if b'"error"' in frame.payload] == []
        heard[voice] = sound(frames)
        await client.close()


async def hear_all(server: ServerProcess) -> dict[str, bytes]:
    heard: dict[str, bytes] = {}
    async with trio.open_nursery() as nursery:
        for voice in VOICES:
            nursery.start_soon(hear, server, voice, heard)
    return heard


async def restarts(server: ServerProcess) -> float:
    return await figure(server, RESTARTS)


@contextlib.asynccontextmanager
async def attack(server: ServerProcess) -> AsyncIterator[None]:
    """Somebody sends nothing but deadly text, over one connection."""

    async def go_on() -> None:
        async with websocket(server.port, f"events=true&voice={VOICE}") as client:
            while True:
                await client.speak(DEADLY, flush=True)
                await client.next_event("flushed")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(go_on)
        with trio.fail_after(PATIENCE_S):
            while not await restarts(server):
                await trio.sleep(LOOK_EVERY_S)
        yield
        nursery.cancel_scope.cancel()


async def test_others_hear_what_they_hear_on_a_quiet_day() -> None:
    async with open_server() as server:
        quiet = await hear_all(server)
        async with attack(server):
            before = await restarts(server)
            assert await hear_all(server) == quiet
            assert await restarts(server) > before
        assert await hear_all(server) == quiet


async def test_who_sends_it_is_told_and_goes_on() -> None:
    async with open_server() as server:
        async with websocket(server.port, f"events=true&voice={VOICE}") as client:
            await client.speak(f"{HARMLESS}။ {DEADLY}။ {HARMLESS}။", flush=True)
            frames = await client.frames_until_event("flushed")
            texts = [frame.json() for frame in frames if frame.opcode == TEXT]
            (error,) = [text for text in texts if "error" in text]
            assert error["code"] == "synthesis_failed"
            assert error["error"] == "espeak-ng broke on this text in the voice 'my': SIGABRT"
            ends = [text for text in texts if text.get("event") == "segment_end"]
            assert [end["samples"] > 0 for end in ends] == [True, False, True]
            await client.close()
        answer = await ask(server.port, post("/api/speak", {"text": DEADLY, "voice": VOICE}))
        assert (answer.status, answer.json()["code"]) == (500, "synthesis_failed")
        assert await restarts(server) == 4
        assert await figure(server, 'voice_engine_memory_bytes{engine="espeak-ng"}')


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_nothing_is_left_behind(number: signal.Signals) -> None:
    async with open_server() as server:
        children = psutil.Process(server.pid).children(recursive=True)
        assert len(children) == 1
        server.signal(number)
        await server.wait()
        with trio.fail_after(PATIENCE_S):
            while any(child.is_running() for child in children):
                await trio.sleep(LOOK_EVERY_S)
