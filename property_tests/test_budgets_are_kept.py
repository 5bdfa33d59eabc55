"""The laws of budgets: one's own is never denied, and what floods is bounded and fairly shared."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.net.budgets import OwnBudget, SharedBudget

PER_S = 10.0
BURST = 5

pauses = st.lists(st.floats(0, 2), min_size=1, max_size=60)


@given(pauses)
def test_who_keeps_to_a_budget_is_never_held_to_have_used_it_up(pauses: list[float]) -> None:
    budget, now = OwnBudget(PER_S, BURST), 0.0
    for pause in pauses:
        now += 1 / PER_S + pause
        assert budget.charge(1, now)


@given(pauses)
def test_no_more_is_granted_than_the_rate_and_the_burst(pauses: list[float]) -> None:
    budget, now = OwnBudget(PER_S, BURST), 0.0
    granted = 0
    for pause in pauses:
        now += pause / 10
        granted += budget.charge(1, now)
    assert granted <= BURST + now * PER_S + 1


@given(st.integers(1, 10_000))
def test_whatever_was_taken_a_pause_makes_up_for_it(n: int) -> None:
    budget = OwnBudget(PER_S, BURST)
    budget.charge(n, 0.0)
    assert budget.charge(1, BURST / PER_S + 4.0 + 0.1)


def test_time_that_was_no_pause_makes_up_for_nothing() -> None:
    budget = OwnBudget(PER_S, BURST)
    assert not budget.charge(2 * BURST, 0.0)
    budget.hold(100.0)
    assert not budget.charge(1, 100.0)


def share(n_connections: dict[str, int], seconds: float) -> dict[str, float]:
    """What each gets of a rate, if each of its connections asks again as soon as it may."""
    budget = SharedBudget(PER_S)
    due = [(0.0, who) for who, n in n_connections.items() for _ in range(n)]
    taken = dict.fromkeys(n_connections, 0.0)
    while (asked := min(due))[0] < seconds:
        due.remove(asked)
        now, who = asked
        wait_s = budget.charge(who, 1, now)
        assert wait_s is not None
        taken[who] += now + wait_s < seconds
        due.append((now + wait_s, who))
    return taken


@given(st.dictionaries(st.text("abcdef", min_size=1), st.integers(1, 10), min_size=1, max_size=6))
def test_a_shared_budget_is_kept_and_shared_by_whose_it_is(n_connections: dict[str, int]) -> None:
    seconds = 200.0
    taken = share(n_connections, seconds)
    total = seconds * PER_S
    assert total * 0.85 <= sum(taken.values()) <= total * 1.15
    for n in taken.values():
        assert n == pytest.approx(total / len(taken), rel=0.25)


@given(st.integers(1, 200), st.floats(0.5, 5))
def test_who_come_together_take_no_more_than_is_promised(n: int, longest_s: float) -> None:
    budget, most = SharedBudget(PER_S), longest_s * PER_S * (1 + math.log(n))
    granted = 0
    for who in range(n):
        while budget.charge(str(who), 1, 0.0, longest_s) is not None:
            granted += 1
    assert granted <= most
    assert budget.charge("0", 1, 2 * longest_s, longest_s) is not None
