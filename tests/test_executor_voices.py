"""Requests wait for their voices, and nobody else does."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING

import pytest
import trio

from pipeline.executor import open_executor
from pipeline.playback import PlaybackClock
from stages.errors import SynthesisError, UnusableModel
from tests.executing import say, until
from tests.fakes import TellingEngine, segment

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from stages.engine import Request
    from stages.items import Style


class OnDemand(TellingEngine):
    """Loads voices when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.loading: dict[Hashable, Future[str]] = {}
        self.spoken_with: list[str] = []

    def load_voice(self, user: Hashable, style: Style, *, ahead: bool = False) -> Future[str]:
        self.loading[user] = Future()
        return self.loading[user]

    def release_voice(self, user: Hashable) -> None:
        del self.loading[user]

    def step(self, batch: Sequence[Request]) -> None:
        self.spoken_with += [request.voice for request in batch]
        super().step(batch)


async def test_a_voice_is_loaded_while_others_are_spoken_with() -> None:
    """And the model thread knows nothing of it: it used to look after each voice before each of
    its steps, where the watchdog does not look."""
    engine, heard = OnDemand(), list[str]()

    async def listen(text: str) -> None:
        heard.append(await say(executor, engine, text))

    async with open_executor() as executor:
        await executor.add(engine)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, "patient")
            await until(lambda: engine.loading)
            [patient] = engine.loading.values()
            nursery.start_soon(listen, "ready")
            await until(lambda: len(engine.loading) == 2)
            [_, ready] = engine.loading.values()
            ready.set_result("anna")
            await until(lambda: heard)
            await trio.to_thread.run_sync(patient.set_result, "bert")  # on any thread
    assert heard == ["ready", "patient"]
    assert engine.spoken_with == ["anna"] * len("ready.") + ["bert"] * len("patient.")
    assert not engine.loading


async def test_a_voice_that_cannot_be_loaded_fails_its_request_in_the_engines_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = OnDemand()
    errors: list[Exception] = [UnusableModel("anna.pth is torn"), ValueError("a bug")]
    told = [r"^anna\.pth is torn$", "^telling failed: ValueError$"]
    async with open_executor() as executor:
        await executor.add(engine)
        for error, words in zip(errors, told, strict=True):
            async with trio.open_nursery() as nursery:

                async def listen(words: str = words) -> None:
                    with pytest.raises(SynthesisError, match=words):
                        await say(executor, engine, "abc")

                nursery.start_soon(listen)
                await until(lambda: engine.loading)
                for voice in engine.loading.values():
                    voice.set_exception(error)
    assert "torn" not in caplog.text
    assert "a bug" in caplog.text
    assert not engine.batches


async def test_who_leaves_while_its_voice_is_loaded_is_not_spoken_to() -> None:
    engine = OnDemand()
    async with open_executor() as executor:
        await executor.add(engine)
        with executor.open(engine, segment("abc"), PlaybackClock()):
            [voice] = engine.loading.values()
        assert not engine.loading
        voice.set_result("anna")
        await until(lambda: engine.left)
    assert not engine.batches
