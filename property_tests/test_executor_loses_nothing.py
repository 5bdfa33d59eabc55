"""The law of the model thread: on the real thread, whatever the batches, delays and cancels,
each listener gets its own sound whole and in order, and nothing is left behind."""

from __future__ import annotations

import itertools

import numpy as np
import trio
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine_queue import MOST_LAUNCHED
from pipeline.executor import Executor, open_executor
from pipeline.playback import PlaybackClock
from tests.fakes import TellingEngine, segment, sound_of
from tests.launching_engine import LaunchingEngine
from tests.server_process import PATIENCE_S

ANSWER = "xyz"

listeners = st.lists(
    st.tuples(
        st.text("abcdefgh", max_size=30),  # what is said to it
        st.sampled_from([0.0, 0.0, 0.0003, 0.002]),  # how long it takes over each piece
        st.none() | st.integers(0, 8),  # after how many pieces it leaves, or interrupts
    ),
    min_size=1,
    max_size=8,
)


@given(listeners, st.integers(1, 5))
def test_everybody_gets_its_own_sound_whole(
    crowd: list[tuple[str, float, int | None]], width: int
) -> None:
    everybody_gets_its_own(crowd, TellingEngine(width))


@given(
    listeners,
    st.integers(1, 5),
    st.integers(1, 4),
    st.lists(st.sampled_from([0.0, 0.0001, 0.0005, 0.003]), min_size=1, max_size=5),
)
def test_so_does_everybody_where_steps_are_launched_and_finished_late(
    crowd: list[tuple[str, float, int | None]], width: int, n_slots: int, delays: list[float]
) -> None:
    """Whoever leaves while a step with it is launched keeps its slot for so long."""
    engine = LaunchingEngine(width, n_slots=n_slots, delays=itertools.cycle(delays))
    everybody_gets_its_own(crowd, engine)
    assert engine.most_launched <= MOST_LAUNCHED
    assert not engine.launched


def everybody_gets_its_own(
    crowd: list[tuple[str, float, int | None]], engine: TellingEngine | LaunchingEngine
) -> None:
    heard: dict[int, list[np.ndarray]] = {index: [] for index in range(len(crowd))}
    heard_after: dict[int, list[np.ndarray]] = {}

    async def listen(executor: Executor, index: int) -> None:
        text, delay_s, leaves_after = crowd[index]
        clock = PlaybackClock()
        with executor.open(engine, segment(text, index), clock) as job:
            if leaves_after == 0:
                return
            async for samples in job:
                heard[index].append(samples)
                await trio.sleep(delay_s)
                if len(heard[index]) == leaves_after:
                    break
            else:
                return
        if leaves_after % 2:  # it has interrupted, and is answered
            with executor.open(engine, segment(ANSWER, index), clock) as job:
                heard_after[index] = [samples async for samples in job]

    async def run() -> None:
        with trio.fail_after(PATIENCE_S):
            async with open_executor() as executor:
                await executor.add(engine)
                async with trio.open_nursery() as nursery:
                    for index in range(len(crowd)):
                        nursery.start_soon(listen, executor, index)
                while len(engine.left) < len(crowd) + len(heard_after):
                    await trio.sleep(0.0005)
                assert executor.n_queued(engine) == 0

    trio.run(run)
    for index, (text, _, leaves_after) in enumerate(crowd):
        expected = [sound_of(letter) for letter in text[:leaves_after]]
        assert len(heard[index]) == len(expected)
        assert all(map(np.array_equal, heard[index], expected))
    answer = [sound_of(letter) for letter in ANSWER]
    for answered in heard_after.values():
        assert len(answered) == len(answer)
        assert all(map(np.array_equal, answered, answer))
    assert len(engine.left) == len(set(engine.left))
