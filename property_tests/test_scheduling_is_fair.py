"""The law of scheduling: the most urgent goes first, and nobody waits for ever."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from hypothesis import given
from hypothesis import strategies as st

from pipeline.playback import PlaybackClock
from pipeline.scheduling import FAR_AHEAD_S, REMEMBERED_S, SPARE_SHARE, SpareTime, pick

if TYPE_CHECKING:
    from stages.engine import Engine, Playback


@dataclass
class Waiting:
    """A request, as far as the scheduler looks at it."""

    deadline: float
    playback: Playback = field(default_factory=PlaybackClock)


waiting = st.builds(Waiting, st.integers(0, 2).map(float))
queues = st.lists(st.lists(waiting, max_size=5), max_size=4)


def pick_from(lists: list[list[Waiting]]) -> tuple[int, list[Waiting]] | None:
    picked = pick(zip(cast("list[Engine]", range(len(lists))), lists, strict=True))
    return None if picked is None else (cast("int", picked[0]), picked[1])


@given(queues)
def test_the_earliest_deadline_goes_first_and_ties_go_to_the_later_stage(
    lists: list[list[Waiting]],
) -> None:
    able = [
        (request.deadline, -stage) for stage, requests in enumerate(lists) for request in requests
    ]
    picked = pick_from(lists)
    if not able:
        assert picked is None
        return
    assert picked is not None
    stage, requests = picked
    assert (requests[0].deadline, -stage) == min(able)


@given(queues)
def test_a_step_gets_all_that_can_run_in_order(lists: list[list[Waiting]]) -> None:
    picked = pick_from(lists)
    if picked is None:
        return
    stage, requests = picked
    assert [request.deadline for request in requests] == sorted(r.deadline for r in requests)
    assert sorted(map(id, requests)) == sorted(map(id, lists[stage]))


@given(
    st.lists(st.tuples(st.floats(0, 2), st.floats(0.2, 3)), min_size=1, max_size=12),
    st.floats(0.01, 0.2),
)
def test_no_request_starves_while_newcomers_keep_coming(
    listeners: list[tuple[float, float]], step_s: float
) -> None:
    """One-step requests arrive without end, as fast as they are served; whoever was there
    first is served before long all the same, since deadlines do not move."""
    clocks = [PlaybackClock() for _ in listeners]
    for clock, (_, buffered_s) in zip(clocks, listeners, strict=True):
        clock.sent(buffered_s, 0.0)
    first = [Waiting(clock.deadline(0.0)) for clock in clocks]
    queue = list(first)
    now = 0.0
    while any(request in queue for request in first):
        queue.append(Waiting(PlaybackClock().deadline(now)))  # a newcomer
        picked = pick_from([queue])
        assert picked is not None
        queue.remove(picked[1][0])
        now += step_s
        assert now <= max(request.deadline for request in first) + step_s * (len(first) + 1)


FAR = FAR_AHEAD_S + 10


def step(spare: SpareTime, requests: list[Waiting], now: float, took_s: float) -> None:
    """A step that takes so long while these could be stepped."""
    if spare.begin(requests, now):
        spare.end(now, took_s)


NEAR_EAR, FAR_EAR, OTHER_EAR = (PlaybackClock() for _ in range(3))


def test_who_is_far_ahead_gets_a_small_share_beside_somebody_who_is_spoken_to() -> None:
    spare, step_s, now, n_far = SpareTime(), 0.01, 0.0, 0
    while now < 50:
        step(spare, [Waiting(now + 0.1, playback=NEAR_EAR)], now, step_s)  # again and again
        if not spare.wait_s([Waiting(now + FAR, playback=FAR_EAR)], now):
            step(spare, [Waiting(now + FAR, playback=FAR_EAR)], now, step_s)
            n_far += 1
        now += step_s
    assert abs(n_far * step_s / now - SPARE_SHARE) < SPARE_SHARE / 10


def test_who_is_far_ahead_and_alone_waits_for_nobody() -> None:
    spare = SpareTime()
    step(spare, [Waiting(1.0, playback=FAR_EAR)], 0.0, 0.01)
    step(spare, [Waiting(FAR, playback=FAR_EAR)], 0.0, 0.01)
    assert spare.wait_s([Waiting(FAR, playback=FAR_EAR)], 0.01) == 0
    assert spare.wait_s([Waiting(FAR, playback=OTHER_EAR)], 0.01) > 0
    assert spare.wait_s([Waiting(3 * FAR, playback=OTHER_EAR)], REMEMBERED_S) == 0


@given(st.floats(0, 3 * FAR), st.floats(0.001, 100))
def test_nobody_is_held_up_so_long_that_it_is_heard(ahead_s: float, step_s: float) -> None:
    spare = SpareTime()
    step(spare, [Waiting(0.1, playback=NEAR_EAR)], 0.0, step_s)
    step(spare, [Waiting(3 * FAR, playback=FAR_EAR)], 0.0, step_s)
    wait_s = spare.wait_s([Waiting(ahead_s, playback=FAR_EAR)], 0.0)
    assert wait_s <= max(0.0, ahead_s - FAR_AHEAD_S)


def test_nobody_is_remembered_for_ever() -> None:
    spare = SpareTime()
    clocks = [PlaybackClock() for _ in range(100)]
    gone = [weakref.ref(clock) for clock in clocks]
    for second, clock in enumerate(clocks):
        step(spare, [Waiting(second + 0.1, playback=clock)], second, 0.01)
    del clock
    clocks.clear()
    assert sum(ref() is not None for ref in gone) <= REMEMBERED_S


def test_nobody_waits_for_somebody_who_has_left() -> None:
    spare, left = SpareTime(), PlaybackClock()
    step(spare, [Waiting(0.1, playback=left)], 0.0, 0.01)
    step(spare, [Waiting(FAR, playback=FAR_EAR)], 0.0, 0.01)
    assert spare.wait_s([Waiting(FAR, playback=FAR_EAR)], 0.0) > 0
    left.has_left = True
    assert spare.wait_s([Waiting(FAR, playback=FAR_EAR)], 0.0) == 0
