"""How many listeners the server takes itself to be able to speak to."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import trio

from pipeline.capacity import Turnover
from pipeline.pace import ServerPace
from pipeline.real_time import WorkMeter
from pipeline.rehearsal import rehearse, rehearse_together
from stages.items import Style
from tests.fakes import STYLE, Negating, TellingEngine, segment, service
from tests.timed_models import PIECE_S, Figures, SlowSpeaker, slow_service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trio.testing import MockClock

    from stages.engine import Engine

PLACES = 500
CHAIN: Mapping[int, float] = {1: 0.11, 8: 0.2, 32: 0.72}
"""What the whole chain took of a GPU for so many listeners together."""


@dataclass(eq=False)
class Someone:
    """A listener."""

    style: Style = field(default_factory=lambda: Style("plain"))
    hears: bool = True
    hears_for_s: float = 1.0
    n_asked: int = 0

    def is_spoken_to(self, now: float) -> bool:
        del now
        self.n_asked += 1
        return self.hears

    def left_to_hear_s(self, now: float) -> float:
        del now
        return self.hears_for_s


class Speaking:
    """What is known of engines of which the style's text passes all."""

    def __init__(self, *meters: WorkMeter) -> None:
        engines: list[Engine] = [TellingEngine(), Negating()][: len(meters)]
        self.meters = meters
        self.pace = ServerPace(
            lambda style: iter([(engine, style) for engine in engines]),
            dict(zip(engines, meters, strict=True)),
            {},
            PLACES,
        )

    def listen(self, n_listeners: int) -> list[Someone]:
        """So many are spoken to, and nobody else."""
        listeners = [Someone() for _ in range(n_listeners)]
        self.pace.listeners.clear()
        self.pace.listeners.update(listeners)
        return listeners


def batching(costs: Mapping[int, float] = CHAIN) -> WorkMeter:
    """An engine that batches and has told what that costs."""
    meter = WorkMeter()
    meter.told(costs)
    return meter


def worked(meter: WorkMeter, took_s: float, n_listeners: int = 1) -> WorkMeter:
    """It has made a second of sound for each of so many again and again, each time in as long."""
    for _ in range(100):
        meter.stepped(took_s, [], [1.0] * n_listeners)
    return meter


async def test_nobody_is_refused_since_one_alone_costs_much(autojump_clock: MockClock) -> None:
    """One listener takes a ninth of the GPU, which was taken for nine listeners at most; 44 need
    no more than all of it."""
    speaking = Speaking(worked(batching(), CHAIN[1]))
    speaking.listen(1)
    assert speaking.pace.capacity(STYLE) == 44
    for n_listeners in (9, 20, 43):
        speaking.listen(n_listeners)
        assert speaking.pace.has_room(STYLE)
    assert speaking.pace.load() == pytest.approx(43 * CHAIN[32] / 32)


async def test_a_newcomer_is_refused_before_those_who_share_batches_starve(
    autojump_clock: MockClock,
) -> None:
    speaking = Speaking(batching())
    speaking.listen(44)
    assert not speaking.pace.has_room(STYLE)
    for someone in speaking.listen(44)[:10]:
        someone.hears = False
    assert speaking.pace.has_room(STYLE)


async def test_what_steps_take_corrects_what_was_told(autojump_clock: MockClock) -> None:
    """The warm-up met a card that nobody else used; or one that was cold."""
    speaking = Speaking(worked(batching(), 2 * CHAIN[8], n_listeners=8))
    assert speaking.pace.capacity(STYLE) == 21  # on a straight line from 8 to 32
    speaking = Speaking(worked(batching(), CHAIN[32] / 2, n_listeners=32))
    assert speaking.pace.capacity(STYLE) == 2 * 44


async def test_batches_that_share_the_device_count_as_one() -> None:
    """Two steps of 16 listeners were launched one behind the other: together they are 32, of whom
    each costs more than if all were in one."""
    meter = batching({1: 0.1, 32: 0.4})
    for _ in range(100):
        meter.stepped(0.3, [], [1.0] * 16, n_together=32)
    assert meter.load(32) == pytest.approx(0.6)


async def test_a_listener_of_an_engine_that_batches_nothing_costs_what_it_costs(
    autojump_clock: MockClock,
) -> None:
    speaking = Speaking(worked(WorkMeter(), 0.11))
    assert speaking.pace.capacity(STYLE) == 9
    speaking.listen(8)
    assert speaking.pace.has_room(STYLE)
    speaking.listen(9)
    assert not speaking.pace.has_room(STYLE)


async def test_a_chain_needs_what_its_engines_need(autojump_clock: MockClock) -> None:
    """And a listener at twice the speed needs twice as much speech before it is made faster."""
    speaking = Speaking(worked(WorkMeter(), 0.05), batching({1: 0.02, 100: 0.5}))
    speaking.listen(10)
    assert speaking.pace.load() == pytest.approx(0.5 + 0.02 + 0.48 * 9 / 99)
    for someone in speaking.listen(10):
        someone.style = Style("plain", speed=2.0)
    assert speaking.pace.load() == pytest.approx(1.0 + 0.02 + 0.48 * 9 / 99)


async def test_room_is_counted_by_the_rule_by_which_newcomers_are_let_in(
    autojump_clock: MockClock,
) -> None:
    """As many more as there are one after the other, each of whom there is room for."""
    for meter in (batching(), worked(WorkMeter(), 0.11), WorkMeter()):
        speaking = Speaking(meter)
        for n_listeners in (0, 1, 8, 9, 20, 43, 44, 45, PLACES):
            speaking.listen(n_listeners)
            room = speaking.pace.room(STYLE)
            speaking.listen(n_listeners + max(0, room - 1))
            assert speaking.pace.has_room(STYLE) == (room > 0)
            speaking.listen(n_listeners + room)
            assert not speaking.pace.has_room(STYLE) or room == PLACES


async def test_there_is_room_again_once_the_first_has_heard_all(autojump_clock: MockClock) -> None:
    speaking = Speaking(worked(WorkMeter(), 0.3))
    assert speaking.pace.room_in_s() == 0
    first, second, silent = speaking.listen(3)
    first.hears_for_s, second.hears_for_s = 9.0, 4.0
    silent.hears, silent.hears_for_s = False, 0.0
    assert speaking.pace.room_in_s() == 4


@pytest.mark.parametrize(
    ("factor", "least", "most"),
    [(0.5, 2, 2), (0.1, 9, 14), (0.05, 19, 30), (0.001, PLACES, PLACES)],
)
async def test_capacity_is_known_before_anybody_has_spoken(
    autojump_clock: MockClock, factor: float, least: int, most: int
) -> None:
    """Piper's was as many as there are places until it had spoken for a while: a balancer sent 256
    to a machine that can speak to two."""
    server = await slow_service(SlowSpeaker(factor), max_listeners=PLACES)
    await rehearse_together(server, server.style)
    assert least <= Figures(server)("capacity") <= most


async def test_a_hiccup_of_the_machine_at_the_start_refuses_nobody(
    autojump_clock: MockClock,
) -> None:
    delays = itertools.chain([0.1 / (0.004 * PIECE_S)], itertools.repeat(1.0))
    server = await slow_service(SlowSpeaker(0.004, jitter=lambda: next(delays)), max_listeners=100)
    await rehearse_together(server, server.style)
    assert Figures(server)("capacity") == 100


def test_of_many_places_one_comes_free_soon() -> None:
    """Places that are held for a minute come free each six seconds where there are ten."""
    turnover = Turnover()
    assert turnover.free_in_s(1) == 20
    for _ in range(100):
        turnover.gave_back(60.0)
    assert turnover.free_in_s(10) == pytest.approx(6, rel=0.001)


async def test_nobody_is_refused_while_nobody_knows(autojump_clock: MockClock) -> None:
    speaking = Speaking(WorkMeter(), WorkMeter())
    speaking.listen(PLACES - 1)
    assert speaking.pace.capacity(STYLE) == PLACES
    assert speaking.pace.has_room(STYLE)


async def test_one_is_spoken_to_by_whatever_machine(autojump_clock: MockClock) -> None:
    speaking = Speaking(worked(WorkMeter(), 3.0))
    assert speaking.pace.capacity(STYLE) == 1


async def test_who_shares_batches_is_held_back_only_where_there_are_too_many(
    autojump_clock: MockClock,
) -> None:
    """All of 32 who speak together are made in 0.72 of the time. What one more takes of the thread
    was divided by what the others leave, as if they were served one by one."""
    speaking = Speaking(worked(batching(), CHAIN[32], n_listeners=32))
    for n_listeners, factor in ((32, CHAIN[32]), (64, 2 * CHAIN[32])):
        [someone, *_] = speaking.listen(n_listeners)
        await trio.sleep(1)  # what all want is not counted for each sentence
        pacer = speaking.pace.pacer(segment("Hello."), someone, message_s=0.0, may_hold=True)
        assert pacer.expected == pytest.approx(factor)


async def test_a_sentence_does_not_look_at_all_listeners(autojump_clock: MockClock) -> None:
    """Each of 500 looked at all the others for each sentence: a fifth of the loop's time."""
    speaking = Speaking(worked(batching(), CHAIN[32], n_listeners=32))
    listeners = speaking.listen(PLACES)
    for someone in listeners:
        speaking.pace.pacer(segment("Hello."), someone, message_s=0.0, may_hold=True)
    assert sum(someone.n_asked for someone in listeners) == PLACES


async def test_load_and_capacity_are_told_for_the_whole_and_by_engine(
    autojump_clock: MockClock,
) -> None:
    server = await slow_service(SlowSpeaker(0.3), max_listeners=10)
    for _ in range(3):
        await rehearse(server, server.style)
    figures = Figures(server)
    assert figures("load") == figures("engine_load", "slow") == 0
    assert figures("capacity") == figures("engine_capacity", "slow") == 3
    assert Figures(service(max_listeners=7))("capacity") == 7
