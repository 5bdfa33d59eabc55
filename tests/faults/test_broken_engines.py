"""Fault 11: engines that raise, run out of memory, hang, or take the model thread with them, as a
client on a real socket meets them. Never silence without an error."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from pipeline.executor import open_executor
from pipeline.net.access import Access
from pipeline.net.crowd import Crowd, Room
from pipeline.net.http_api import create_app
from pipeline.net.http_server import HttpServer
from pipeline.net.port import Port
from pipeline.net.service_answers import ServiceAnswers
from tests.fakes import HangingEngine, TellingEngine, service
from tests.faults.raw_client import ask, get, post, websocket
from tests.faults.raw_frames import TEXT
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from stages.engine import Engine, Request


@asynccontextmanager
async def listening(engine: Engine) -> AsyncIterator[int]:
    """A server on this engine, on a port of its own."""
    async with open_executor() as executor, trio.open_nursery() as nursery:
        await executor.add(engine)
        server = service(executor, engine)
        crowd = Crowd(Room.below(1024))
        answers = ServiceAnswers(server, HttpServer(create_app(server)), crowd)
        port = Port(answers, Access(), crowd, tls=None, write_stall_s=30)
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(port.serve, listeners)
        yield listeners[0].socket.getsockname()[1]
        port.abort()
        nursery.cancel_scope.cancel()


async def is_ready(port: int) -> bool:
    return (await ask(port, get("/health/ready"))).status == 200


class RaisingEngine(TellingEngine):
    """Raises this at a ``^``."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._raised = error

    def step(self, batch: Sequence[Request]) -> None:
        if any("^" in request.segment.spoken for request in batch):
            raise self._raised
        super().step(batch)


@pytest.mark.parametrize(
    "error", [RuntimeError("its own mistake"), MemoryError(), RecursionError(), OSError("no disk")]
)
async def test_a_segment_that_an_engine_raises_on_fails_alone(error: Exception) -> None:
    async with listening(RaisingEngine(error)) as port:
        async with websocket(port, "events=true") as client:
            await client.say(token="One! a^! Two!", flush=True)
            frames = await client.frames_until_event("flushed")
            texts = [frame.json() for frame in frames if frame.opcode == TEXT]
            assert [text["code"] for text in texts if "error" in text] == ["synthesis_failed"]
            spoken = [text for text in texts if text.get("event") == "segment_end"]
            assert [end["samples"] > 0 for end in spoken] == [True, False, True]
            await client.close()
        answer = await ask(port, post("/api/speak", {"text": "a^"}))
        assert (answer.status, answer.json()["code"]) == (500, "synthesis_failed")
        assert await is_ready(port)


async def test_an_engine_that_hangs_is_told_and_forgiven_when_it_comes_back() -> None:
    engine = HangingEngine()
    async with listening(engine) as port:
        async with websocket(port) as client:
            await client.speak("Hello!")
            told = await client.next_text()
            assert (told["code"], told["fatal"]) == ("engine_gone", True)
            assert await client.next_close() == 1011
        assert not await is_ready(port)
        answer = await ask(port, post("/api/speak", {"text": "Hello!"}))
        assert (answer.status, answer.json()["code"]) == (500, "engine_gone")
        engine.release.set()
        with trio.fail_after(PATIENCE_S):
            while not await is_ready(port):
                await trio.sleep(0.05)
        async with websocket(port, "events=true") as client:
            await client.speak("Hello!", flush=True)
            assert (await client.next_event("flushed"))["samples"] > 0
            await client.close()


async def test_a_model_thread_that_dies_is_told() -> None:
    async with listening(RaisingEngine(SystemExit())) as port:
        async with websocket(port) as speaking, websocket(port) as waiting:
            await speaking.speak("a^!")
            assert (await speaking.next_text())["code"] == "engine_gone"
            assert await speaking.next_close() == 1011
            await waiting.speak("Hello!")
            assert (await waiting.next_text())["code"] == "engine_gone"
        assert not await is_ready(port)
