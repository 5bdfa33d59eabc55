"""Steps that a device goes on with: what is done meanwhile, and what becomes of them."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from pipeline.engine_queue import MOST_LAUNCHED
from pipeline.executor import open_executor
from pipeline.metrics import Metrics
from pipeline.playback import PlaybackClock
from stages.errors import EngineGone, SynthesisError
from tests.executing import say, until
from tests.fakes import SAMPLES_PER_CHAR, TellingEngine, segment
from tests.launching_engine import LaunchingEngine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.executor import Executor


async def listen(executor: Executor, engine: LaunchingEngine, heard: dict[int, str]) -> None:
    index = len(heard)
    heard[index] = ""
    heard[index] = await say(executor, engine, f"listener {index}", index)


async def test_the_next_batch_is_launched_while_the_last_one_runs() -> None:
    """And no more than that: whoever comes meanwhile is better put together with others."""
    engine, heard = LaunchingEngine(width=4, n_slots=10), dict[int, str]()
    engine.works.clear()
    async with open_executor() as executor:
        await executor.add(engine)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, executor, engine, heard)
            await until(lambda: engine.batches)
            nursery.start_soon(listen, executor, engine, heard)
            await until(lambda: len(engine.batches) == MOST_LAUNCHED)
            for _ in range(3):
                nursery.start_soon(listen, executor, engine, heard)
            await trio.sleep(0.02)
            assert engine.batches == [[0], [1]]
            engine.works.set()
    assert heard == {index: f"listener {index}" for index in range(5)}
    assert max(map(len, engine.batches)) > 1
    assert engine.most_launched == MOST_LAUNCHED


async def test_another_engine_speaks_while_a_device_is_at_work() -> None:
    engine, other = LaunchingEngine(), TellingEngine()
    engine.works.clear()
    async with open_executor() as executor:
        await executor.add(engine)
        await executor.add(other)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(say, executor, engine, "abc")
            await until(lambda: engine.batches)
            assert await say(executor, other, "hello") == "hello"
            engine.works.set()


async def test_a_launched_step_that_is_not_done_in_time_is_a_hang() -> None:
    engine = LaunchingEngine()
    engine.hangs_after_s = 0.05
    engine.works.clear()
    async with open_executor() as executor:
        await executor.add(engine)
        with pytest.raises(EngineGone, match=r"launching has not come back for 0\.05 s"):
            await say(executor, engine, "abc")
        assert executor.fault is not None
        engine.hangs_after_s = 60  # or a busy machine would make it hang again
        engine.works.set()
        await until(lambda: executor.fault is None and engine.left)
        assert await say(executor, engine, "abc") == "abc"


async def test_two_launched_steps_are_no_hang_together() -> None:
    """Each takes most of what is allowed, and the second waits for the first."""
    engine = LaunchingEngine(delays=itertools.repeat(0.3))
    engine.hangs_after_s = 0.5
    async with open_executor() as executor:
        await executor.add(engine)
        async with trio.open_nursery() as nursery:
            for _ in range(MOST_LAUNCHED):
                nursery.start_soon(say, executor, engine, "a")
        assert engine.most_launched == MOST_LAUNCHED


async def test_a_finish_that_raises_fails_its_batch_alone(caplog: pytest.LogCaptureFixture) -> None:
    engine = LaunchingEngine()
    async with open_executor() as executor:
        await executor.add(engine)
        with pytest.raises(SynthesisError, match=r"^launching failed: RuntimeError$"):
            await say(executor, engine, "o^")
        assert await say(executor, engine, "on we go") == "on we go"
    assert "an engine's own" in caplog.text


async def test_what_cannot_say_whether_it_is_done_is_finished(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A device that was lost says so at the first question; the model thread died of it."""

    def lost(_: object) -> bool:
        raise RuntimeError("device lost")

    engine = LaunchingEngine()
    async with open_executor() as executor:
        await executor.add(engine)
        monkeypatch.setattr("tests.launching_engine.LaunchedSay.is_done", property(lost))
        assert await say(executor, engine, "abc") == "abc"
        assert executor.fault is None


@pytest.mark.parametrize("fails_at", ["launch", "finish"])
async def test_a_device_that_is_lost_takes_everybody_with_it(
    fails_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a fault in a kernel every call fails. The server went on to say that it was ready, and
    failed whoever came."""

    def fault(*_: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    class Losing(LaunchingEngine):
        is_lost = True

    engine, other = Losing(), TellingEngine()
    monkeypatch.setattr(engine, {"launch": "step", "finish": "finish"}[fails_at], fault)
    async with open_executor() as executor:
        await executor.add(engine)
        await executor.add(other)
        with pytest.raises(SynthesisError):
            await say(executor, engine, "abc")
        await until(lambda: executor.fault)
        with pytest.raises(EngineGone, match="the device of launching does nothing more"):
            await say(executor, other, "abc")


async def test_who_leaves_keeps_its_slot_until_its_step_is_finished() -> None:
    engine = LaunchingEngine(n_slots=1)
    engine.works.clear()
    async with open_executor() as executor:
        await executor.add(engine)
        with executor.open(engine, segment("abc"), PlaybackClock()):
            await until(lambda: engine.batches)
        async with trio.open_nursery() as nursery:
            heard: dict[int, str] = {}
            nursery.start_soon(listen, executor, engine, heard)
            await trio.sleep(0.02)
            assert not engine.left
            assert len(engine.batches) == 1
            engine.works.set()
        assert heard == {0: "listener 0"}
        await until(lambda: len(engine.left) == 2)
        assert executor.n_queued(engine) == 0


async def test_what_is_launched_is_finished_before_its_engine_is_closed() -> None:
    class Closing(LaunchingEngine):
        n_launched_at_close: int | None = None

        def close(self) -> None:
            self.n_launched_at_close = len(self.launched)

    engine = Closing(delays=itertools.repeat(0.1))
    async with open_executor() as executor:
        await executor.add(engine)
        with executor.open(engine, segment("abc"), PlaybackClock()):
            await until(lambda: engine.launched)
            executor.wake()
    assert engine.n_launched_at_close == 0


@pytest.mark.parametrize("n_listeners", [1, 2])
async def test_steps_that_overlap_are_not_counted_twice(n_listeners: int) -> None:
    metrics = Metrics()
    engine = LaunchingEngine(delays=itertools.repeat(0.01))
    async with open_executor(metrics) as executor:
        await executor.add(engine)
        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for _ in range(n_listeners):
                nursery.start_soon(say, executor, engine, "abcdef")
        elapsed_s = time.perf_counter() - began
    assert engine.most_launched == n_listeners
    [steps_s] = sums(metrics, "voice_step_seconds_sum")
    assert 0.01 * len("abcdef") * n_listeners <= steps_s <= elapsed_s


async def test_engines_that_share_a_device_need_no_more_than_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of them was charged with all of the time in which both were at work: such a machine
    refused newcomers when half of it was free."""
    monkeypatch.setattr("pipeline.real_time.MIN_WORK_S", 0.01)
    engines = [LaunchingEngine(delays=itertools.repeat(0.01)) for _ in range(2)]
    async with open_executor() as executor:
        for engine in engines:
            engine.sample_rate = SAMPLES_PER_CHAR * 8  # a second of sound is soon made
            await executor.add(engine)
        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for engine in engines:
                nursery.start_soon(say, executor, engine, "a" * 32)
        elapsed_s = time.perf_counter() - began
        needed_s = sum(executor.meters[engine].load(1) for engine in engines) * 32 / 8
    assert 0.01 * 32 * 0.9 < needed_s < 1.1 * elapsed_s


def sums(metrics: Metrics, name: str) -> Iterator[float]:
    for family in text_string_to_metric_families(metrics.render().decode()):
        yield from (sample.value for sample in family.samples if sample.name == name)


async def test_what_an_engine_tells_of_its_batches_is_asked_once_it_is_installed() -> None:
    class Measuring(TellingEngine):
        measured: dict[int, float] = {}  # noqa: RUF012 - replaced, never changed

        def install(self) -> None:
            self.measured = {1: 0.1, 8: 0.2}

        def batch_costs(self) -> dict[int, float]:
            return self.measured

    engine = Measuring()
    async with open_executor() as executor:
        await executor.add(engine)
        assert executor.meters[engine].load(8) == 0.2
