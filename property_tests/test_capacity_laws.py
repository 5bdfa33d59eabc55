"""The laws of capacity: more listeners never need less, and no moment is counted twice."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.capacity import BatchCosts, most_listeners
from pipeline.real_time import Timeline

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


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=20))
def test_what_overlaps_is_charged_once(steps: list[tuple[int, int]]) -> None:
    """Whatever is ended in order is charged with all moments in which something was under way."""
    timeline = Timeline()
    ordered = sorted((sorted(step) for step in steps), key=lambda step: step[1])
    charged = sum(timeline.charge(began, ended) for began, ended in ordered)
    busy = {moment for began, ended in ordered for moment in range(began, ended)}
    assert charged <= len(busy)
    if all(one[0] <= two[0] for one, two in itertools.pairwise(ordered)):
        assert charged == len(busy)
