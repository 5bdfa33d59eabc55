"""What a failure on the model thread takes with it: a request, an engine's batch, or all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from pipeline.executor import open_executor
from stages.errors import EngineGone, SynthesisError
from tests.executing import say, until
from tests.fakes import HangingEngine, TellingEngine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.engine import Request


async def test_a_failing_request_fails_alone() -> None:
    engine = TellingEngine(width=8)
    results: dict[str, str] = {}

    async def listen(text: str) -> None:
        try:
            results[text] = await say(executor, engine, text)
        except SynthesisError as error:
            results[text] = str(error)

    async with open_executor() as executor:
        await executor.add(engine)
        async with trio.open_nursery() as nursery:
            for text in ("good", "ba~d", "fine"):
                nursery.start_soon(listen, text)
    assert results == {"good": "good", "fine": "fine", "ba~d": "cannot say 'ba~d'"}


async def test_an_engine_that_raises_fails_the_request_and_speaks_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = TellingEngine()
    async with open_executor() as executor:
        await executor.add(engine)
        with pytest.raises(SynthesisError, match=r"^telling failed: RuntimeError$"):
            await say(executor, engine, "o^")
        assert await say(executor, engine, "on we go") == "on we go"
    assert "telling failed" in caplog.text
    assert "an engine's own" in caplog.text


async def test_an_engine_that_runs_out_of_memory_fails_the_request_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Hungry(TellingEngine):
        def step(self, batch: Sequence[Request]) -> None:
            if batch[0].segment.index == 1:
                raise MemoryError
            super().step(batch)

    engine = Hungry()
    async with open_executor() as executor:
        await executor.add(engine)
        with pytest.raises(SynthesisError, match="MemoryError"):
            await say(executor, engine, "a", 1)
        assert await say(executor, engine, "a", 2) == "a"


@pytest.mark.parametrize("hook", ["can_step", "choose", "leave"])
async def test_an_engine_whose_hook_raises_does_not_take_the_others_with_it(
    hook: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = TellingEngine()

    def fail_once(*_: object) -> bool:
        monkeypatch.undo()
        raise RuntimeError("an engine's own mistake")

    async with open_executor() as executor:
        await executor.add(engine)
        monkeypatch.setattr(engine, hook, fail_once)
        if hook == "leave":
            assert await say(executor, engine, "abc") == "abc"
            await until(lambda: "could not let go" in caplog.text)
        else:
            with pytest.raises(SynthesisError, match="RuntimeError"):
                await say(executor, engine, "abc")
        assert await say(executor, engine, "on we go") == "on we go"
    assert executor.fault is None


async def test_a_hanging_step_is_told_to_everybody_and_forgiven_when_it_returns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = HangingEngine()
    async with open_executor() as executor:
        await executor.add(engine)
        with pytest.raises(EngineGone, match=r"hanging has not come back for 0\.05 s"):
            await say(executor, engine, "abc")
        assert executor.fault is not None
        with pytest.raises(EngineGone):  # those who come later are told at once
            await say(executor, engine, "abc")
        engine.release.set()
        await until(lambda: executor.fault is None)
        assert await say(executor, engine, "abc") == "abc"


async def test_a_dying_model_thread_is_told_to_everybody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Deadly(TellingEngine):
        def step(self, batch: Sequence[Request]) -> None:
            raise SystemExit("out")

    engine = Deadly()
    async with open_executor() as executor:
        await executor.add(engine)
        with pytest.raises(EngineGone, match="died"):
            await say(executor, engine, "abc")
        with pytest.raises(EngineGone):
            await say(executor, engine, "abc")
        with pytest.raises(EngineGone):
            await executor.add(TellingEngine())
