"""The model thread: who goes first, what a cancel leaves, and how engines come and go."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import numpy as np
import pytest
import trio

from pipeline.executor import open_executor
from pipeline.playback import PlaybackClock
from pipeline.request import ROOM
from pipeline.scheduling import FAR_AHEAD_S, SPARE_SHARE
from stages.audio.format import Samples
from stages.errors import SynthesisError
from tests.executing import say, until
from tests.fakes import (
    SAMPLES_PER_CHAR,
    HangingEngine,
    Negating,
    TellingEngine,
    chunk,
    segment,
    sound_of,
    text_of,
)
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.engine import Request


async def test_a_request_gets_its_sound_in_order() -> None:
    engine = TellingEngine()
    async with open_executor() as executor:
        await executor.add(engine)
        assert await say(executor, engine, "hello world") == "hello world"


async def test_every_piece_of_sound_is_taken_at_a_checkpoint() -> None:
    """Also where one is there already: else a task with much to take would hold up the loop."""
    engine = TellingEngine()
    async with open_executor() as executor:
        await executor.add(engine)
        with executor.open(engine, segment("abc"), PlaybackClock()) as job:
            await until(lambda: len(engine.batches) == len("abc."))
            for _ in "abc":
                with trio.testing.assert_checkpoints():
                    await anext(job)
            with trio.testing.assert_checkpoints(), pytest.raises(StopAsyncIteration):
                await anext(job)


async def test_an_engine_that_chooses_nobody_is_not_asked_for_ever() -> None:
    """It said who could go on and took none of them: the model thread did nothing else."""

    class Choosy(TellingEngine):
        def choose(self, requests: Sequence[Request]) -> Sequence[Request]:
            return [request for request in requests if request.segment.spoken != "nobody"]

    engine = Choosy()
    async with open_executor() as executor:
        await executor.add(engine)
        with pytest.raises(SynthesisError, match="RuntimeError"):
            await say(executor, engine, "nobody")
        assert await say(executor, engine, "abc") == "abc"
    assert [] not in engine.batches


class WaitingEngine(TellingEngine):
    """Says nothing before something that a thread of its own does is done."""

    def __init__(self) -> None:
        super().__init__()
        self.was_asked = threading.Event()
        self.is_done = False

    def can_step(self, request: Request) -> bool:
        self.was_asked.set()
        return self.is_done


async def test_an_engine_wakes_the_model_thread_for_what_its_own_threads_have_done() -> None:
    """Such as pitch that was found: nothing else comes that would."""
    engine = WaitingEngine()
    async with open_executor() as executor:
        await executor.add(engine)
        with executor.open(engine, segment("hello"), PlaybackClock()) as job:
            await trio.to_thread.run_sync(engine.was_asked.wait, PATIENCE_S)

            def work() -> None:
                engine.is_done = True
                engine.wake()

            await trio.to_thread.run_sync(work)
            with trio.fail_after(PATIENCE_S):
                assert "".join([text_of(piece) async for piece in job]) == "hello"


async def test_all_steps_run_on_one_thread_of_their_own() -> None:
    engine, other = TellingEngine(), TellingEngine()
    async with open_executor() as executor:
        await executor.add(engine)
        await executor.add(other)
        async with trio.open_nursery() as nursery:
            for one in (engine, other, engine):
                nursery.start_soon(say, executor, one, "abc")
    assert len(engine.threads | other.threads) == 1
    assert threading.get_ident() not in engine.threads


async def test_a_converter_takes_speech_while_it_is_made() -> None:
    engine, whole = Negating(), segment("x")
    async with open_executor() as executor:
        await executor.add(engine)
        with executor.open(engine, whole, PlaybackClock()) as job:
            got = aiter(job)
            job.push(chunk(sound_of("a"), whole))
            assert np.array_equal(await anext(got), -sound_of("a"))
            job.push(chunk(sound_of("b"), whole, is_last=True))
            assert np.array_equal(await anext(got), -sound_of("b"))
            with pytest.raises(StopAsyncIteration):
                await anext(got)


async def test_a_listener_who_is_about_to_run_dry_goes_before_a_newcomer() -> None:
    engine = HangingEngine()
    engine.hangs_after_s = 60
    async with open_executor() as executor:
        await executor.add(engine)
        dry_soon, dry_later = PlaybackClock(), PlaybackClock()
        dry_soon.sent(0.02, trio.current_time())
        dry_later.sent(9.0, trio.current_time())
        async with trio.open_nursery() as nursery:

            async def listen(index: int, clock: PlaybackClock) -> None:
                with executor.open(engine, segment("a", index), clock) as job:
                    async for _ in job:
                        pass

            nursery.start_soon(listen, 0, PlaybackClock())  # taken up at once, and hangs
            await until(executor.under_way)
            for index, clock in ((1, dry_later), (2, PlaybackClock()), (3, dry_soon)):
                nursery.start_soon(listen, index, clock)
                await trio.testing.wait_all_tasks_blocked()
            engine.release.set()
    order = [index for [index] in engine.batches]
    assert list(dict.fromkeys(order)) == [0, 3, 2, 1]


class SlowEngine(TellingEngine):
    """A step takes its time."""

    def step(self, batch: Sequence[Request]) -> None:
        time.sleep(STEP_S)
        super().step(batch)


STEP_S = 0.004


@pytest.mark.parametrize("ahead_s", [FAR_AHEAD_S / 2, 1.5 * FAR_AHEAD_S])
async def test_who_is_far_ahead_is_held_up_beside_somebody_who_is_not(ahead_s: float) -> None:
    engine, clock = SlowEngine(), PlaybackClock()
    waits_s = (len("abc") - 1) * STEP_S * (1 / SPARE_SHARE - 1)
    async with open_executor() as executor:
        await executor.add(engine)
        clock.sent(ahead_s, trio.current_time())
        await say(executor, engine, "a")
        began = trio.current_time()
        with executor.open(engine, segment("abc"), clock) as job:
            assert text_of(np.concatenate([samples async for samples in job])) == "abc"
        took_s = trio.current_time() - began
        if ahead_s > FAR_AHEAD_S:
            assert took_s > waits_s
        await say(executor, engine, "a")  # and others are spoken to as before
    assert engine.batches[-1] == [0]


async def test_a_request_without_room_is_not_stepped() -> None:
    engine = TellingEngine()
    async with open_executor() as executor:
        await executor.add(engine)
        with executor.open(engine, segment("a" * 100), PlaybackClock()) as job:
            await until(lambda: len(engine.batches) >= ROOM)
            await trio.sleep(0.05)
            assert len(engine.batches) == ROOM
            await anext(aiter(job))
            await until(lambda: len(engine.batches) == ROOM + 1)


async def test_a_cancelled_request_is_in_no_later_step() -> None:
    engine = HangingEngine()
    engine.hangs_after_s = 60
    async with open_executor() as executor:
        await executor.add(engine)
        with executor.open(engine, segment("abc", 7), PlaybackClock()):
            await until(executor.under_way)
        engine.release.set()
        await until(lambda: engine.left)
        assert engine.batches == [[7]]
        assert [request.segment.index for request in engine.left] == [7]
        assert executor.n_queued(engine) == 0


async def test_a_result_that_comes_as_another_is_taken_wakes_the_engine_again() -> None:
    """The room was looked at before the pop: the result that filled it in between was not
    seen, nobody woke the model thread, and the listener waited for ever."""

    class SlowToPop(deque[Samples]):
        def popleft(self) -> Samples:
            if len(self) == ROOM - 1:
                time.sleep(0.01)  # the model thread fills the room meanwhile
            return super().popleft()

    engine = TellingEngine()
    async with open_executor() as executor:
        await executor.add(engine)
        with executor.open(engine, segment("a" * 50), PlaybackClock()) as job:
            job._outputs = SlowToPop()  # noqa: SLF001 - the window is too narrow to hit by chance
            n_heard = 0
            with trio.fail_after(PATIENCE_S):
                async for _ in job:
                    n_heard += 1
                    await trio.sleep(0.0005)
    assert n_heard == 50


async def test_loading_stalls_nobody_who_is_being_spoken_to() -> None:
    class Slow(TellingEngine):
        loaded_on = 0

        def load(self) -> None:
            self.loaded_on = threading.get_ident()
            assert go_on.wait(PATIENCE_S)

    engine, slow, go_on = TellingEngine(), Slow(), threading.Event()
    async with open_executor() as executor:
        await executor.add(engine)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(executor.add, slow)
            await until(lambda: slow.loaded_on)
            assert await say(executor, engine, "meanwhile") == "meanwhile"
            assert slow.loaded_on not in engine.threads
            assert nursery.child_tasks  # it is still loading
            go_on.set()
        assert await say(executor, slow, "now") == "now"


async def test_an_engine_that_cannot_be_installed_says_why() -> None:
    class Broken(TellingEngine):
        def install(self) -> None:
            raise SynthesisError("no such model")

    async with open_executor() as executor:
        with pytest.raises(SynthesisError, match="no such model"):
            await executor.add(Broken())


async def test_an_engine_that_was_never_added_is_refused() -> None:
    async with open_executor() as executor:
        with (
            pytest.raises(ValueError, match="not installed"),
            executor.open(TellingEngine(), segment("a"), PlaybackClock()),
        ):
            pass


async def test_engines_are_closed_at_the_end_on_their_thread() -> None:
    class Closing(TellingEngine):
        closed_on = 0

        def close(self) -> None:
            self.closed_on = threading.get_ident()

    engine = Closing()
    async with open_executor() as executor:
        await executor.add(engine)
        await say(executor, engine, "a")
    assert engine.closed_on in engine.threads


class Dawdling(TellingEngine):
    """Needs twice as long for a character as it is heard."""

    name = "dawdling"

    def step(self, batch: Sequence[Request]) -> None:
        time.sleep(2 * SAMPLES_PER_CHAR / self.sample_rate * len(batch))
        super().step(batch)


async def test_an_engines_factor_is_measured_while_it_works() -> None:
    """Of two at once each waits for the steps of both, and takes its part of them."""
    engine = Dawdling(width=2)
    async with open_executor() as executor:
        await executor.add(engine)
        assert executor.meters[engine].figures is None
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(say, executor, engine, "a" * 400)
        meter = executor.meters[engine]
    assert meter.figures is not None
    assert meter.figures.factor > 2  # a busy machine makes it slower, and nothing makes it quicker
    assert 2 <= meter.load(1) < meter.figures.factor


class Lingering(TellingEngine):
    """Has said everything in one step, and is still in it when whoever listened has left."""

    def step(self, batch: Sequence[Request]) -> None:
        [request] = batch
        request.emit(np.zeros(2 * self.sample_rate, np.float32))
        request.finish()
        while not request.is_dead:
            time.sleep(0.001)


async def test_the_last_step_of_a_request_is_measured_though_its_listener_has_left() -> None:
    """It has left since it has all: mostly before the step returns. Such steps were taken for ones
    whose sound nobody wanted, so that a server that had rehearsed did not know how fast it was."""
    engine = Lingering()
    async with open_executor() as executor:
        await executor.add(engine)
        with executor.open(engine, segment("a"), PlaybackClock()) as job:
            async for _ in job:
                pass
        await until(lambda: not executor.under_way())
        await until(lambda: executor.meters[engine].figures)
