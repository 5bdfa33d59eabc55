"""The laws of capacity: more listeners never need less, and no moment is counted twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.capacity import BatchCosts, most_listeners
from pipeline.real_time import DevicesTime

costs = st.dictionaries(st.integers(1, 256), st.floats(1e-4, 3.0), max_size=6)
numbers = st.floats(0.0, 600.0)


@given(costs, numbers, numbers)
def test_more_listeners_never_need_less(told: dict[int, float], one: float, other: float) -> None:
    fewer, more = sorted((one, other))
    assert BatchCosts(told).at(fewer) <= BatchCosts(told).at(more) * (1 + 1e-9)


@given(costs.filter(bool))
def test_what_was_told_is_what_counts(told: dict[int, float]) -> None:
    """But for a larger batch that was cheaper than a smaller one, by chance."""
    for size in told:
        dearest = max(cost for other, cost in told.items() if other <= size)
        assert BatchCosts(told).at(size) == pytest.approx(dearest)


@given(costs, st.integers(1, 600))
def test_as_many_are_spoken_to_as_there_is_time_for(told: dict[int, float], most: int) -> None:
    load = BatchCosts(told).at
    n = most_listeners(load, most)
    assert 1 <= n <= most
    assert n == 1 or load(n) <= 1
    assert n == most or load(n + 1) > 1


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0.0, 9.0), st.booleans()), max_size=30))
def test_what_engines_share_is_divided_among_them(events: list[tuple[int, float, bool]]) -> None:
    """Whoever begins and ends when, in all they are charged with the time in which one at least was
    at work, and nobody with more than its own."""
    devices, now, busy_s, charged_s = DevicesTime(), 0.0, 0.0, 0.0
    at_work: dict[int, float] = {}

    def end(engine: int, *, goes_on: bool) -> float:
        step_s = devices.end(engine, now, goes_on=goes_on)
        assert 0 <= step_s <= now - at_work.pop(engine) + 1e-9
        return step_s

    for engine, later_s, goes_on in events:
        now += later_s
        busy_s += later_s if at_work else 0.0
        if engine in at_work:
            charged_s += end(engine, goes_on=goes_on)
            if not goes_on:
                continue
        else:
            devices.begin(engine, now)
        at_work[engine] = now
    for engine in list(at_work):
        charged_s += end(engine, goes_on=False)
    assert charged_s == pytest.approx(busy_s)
