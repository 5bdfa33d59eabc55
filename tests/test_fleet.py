"""The laws of the simulated fleet, and that what it says can be believed."""

from __future__ import annotations

import itertools
import random
import statistics
from typing import TYPE_CHECKING, Any

import pytest

from bench import fleet
from bench.fleet_balancer import Balancer, Policy
from bench.fleet_model import Fleet
from bench.fleet_plan import Plan, cumulated_binomial, erlang_b, places_for, servers_for

if TYPE_CHECKING:
    from bench.fleet_plan import Tally

CHOICES = fleet.CHOICES
ALL = [
    Policy(choice, agents=agents, retry=retry)
    for choice, agents, retry in itertools.product(CHOICES, (False, True), (False, True))
]
TROUBLE = {"n_kills": 3, "n_hangs": 3, "update_batch": 0.25, "n_balancers": 3, "swing": 0.5}


def plan(n_servers: int, places: int, **more: Any) -> Plan:  # noqa: ANN401 - of any field
    """Servers that speak to all whom they hold, an hour of 180 s each, which is soon simulated."""
    usual: dict[str, Any] = {
        "places": [places] * n_servers,
        "voices": [places] * n_servers,
        "first_audio_s": lambda n: 0.01 * n,
        "load": 0.8,
        "horizon_s": 900.0,
        "day_s": 900.0,
    }
    return Plan(**usual | more)


def run(policy: Policy, of: Plan) -> Tally:
    return Fleet(of, policy).run()


@pytest.mark.parametrize("policy", ALL, ids=lambda policy: policy.name)
def test_nobody_gets_lost_in_the_books(policy: Policy) -> None:
    """Whatever happens to servers: who came was served, refused, lost, or is there still."""
    tally = run(policy, plan(12, 6, voices=[4] * 12, load=0.95, **TROUBLE))
    ended = tally.served + tally.refused + tally.lost
    assert tally.began + tally.arrivals == ended + tally.left
    assert min(tally.cut, tally.moved, tally.served) > 0
    assert tally.refused_with_room <= tally.refused + tally.lost
    assert len(tally.first_s) + tally.refused <= tally.arrivals + tally.began


@pytest.mark.parametrize("policy", [fleet.BEST, ALL[-1]], ids=lambda policy: policy.name)
def test_the_same_seed_tells_the_same(policy: Policy) -> None:
    of = plan(6, 5, **TROUBLE)
    assert run(policy, of) == run(policy, of)
    assert run(policy, of) != run(policy, of._replace(seed=2))


def test_all_meet_the_same_conversations() -> None:
    """What differs between policies is then what they do."""
    of = plan(8, 6, **TROUBLE)
    assert len({run(policy, of).arrivals for policy in ALL}) == 1


@pytest.mark.parametrize("retry", [False, True])
def test_before_one_server_there_is_nothing_to_choose(retry: bool) -> None:
    of = plan(1, 10, load=1.2, duty=0.0)
    tallies = [run(Policy(choice, retry=retry), of) for choice in CHOICES]
    assert all(tally.refused == tallies[0].refused > 0 for tally in tallies)
    assert all(tally.served == tallies[0].served for tally in tallies)


@pytest.mark.parametrize("load", [0.7, 1.2])
def test_one_server_refuses_as_many_as_erlang_says(load: float) -> None:
    """M/M/c/c, within three standard errors of six runs."""
    of = plan(1, 10, load=load, duty=0.0, horizon_s=18_000.0)
    shares = []
    for seed in range(6):
        tally = run(Policy("random"), of._replace(seed=seed))
        shares.append(tally.refused / tally.arrivals)
    error = statistics.stdev(shares) / len(shares) ** 0.5
    assert abs(statistics.fmean(shares) - erlang_b(10 * load, 10)) < 3 * error


def test_one_balancer_with_agents_finds_the_last_place() -> None:
    """It counts right and waits where all is full, so it fills a fleet as if it were one pool."""
    of = plan(10, 4, load=0.9, duty=0.0)
    assert run(fleet.BEST, of).refused_with_room == 0
    assert run(Policy("random"), of).refused_with_room > 0


def test_a_server_that_drains_cuts_nobody_whose_utterance_fits_the_grace() -> None:
    of = plan(8, 6, update_batch=0.25, n_balancers=2)
    assert run(fleet.BEST, of._replace(utterance_s=1.0)).cut == 0
    assert run(fleet.BEST, of._replace(utterance_s=600.0)).cut > 0


def test_an_emptied_server_swallows_newcomers_unless_they_are_told_later() -> None:
    """Half the servers drain at once. Their clients leave at once, and the balancer, which has
    not asked the agents yet, finds these servers the emptiest of all: four tries are not
    enough. So servers tell their clients after their agents (`pipeline.leaving`)."""
    of = plan(40, 10, load=0.4, update_batch=0.5, duty=0.1, horizon_s=120.0)
    at_once = run(fleet.BEST, of._replace(told_s=0.0))
    assert at_once.lost > 0
    later = run(fleet.BEST, of)
    assert later.moved > 0
    assert later.lost < at_once.lost / 10


def test_who_refused_is_last_among_equals() -> None:
    """As in HAProxy's tree: else a full server to which a balancer has no connection would be its
    first choice for ever."""
    balancer = Balancer([4] * 3, Policy("leastconn", retry=True), random.Random(1))
    first = balancer.choose(None)
    assert first is not None
    balancer.had_turn(first)
    others = []
    for _ in range(2):
        other = balancer.choose(None)
        assert other is not None
        balancer.enter(other)
        others.append(other)
    assert {first, *others} == {0, 1, 2}
    assert balancer.choose(None) == first


def test_places_are_as_many_as_the_duty_allows() -> None:
    """Erlang's formula at a table's value; and one place more would be one too many."""
    assert erlang_b(10, 10) == pytest.approx(0.2146, abs=1e-4)
    assert places_for(8, 1.0, 0.01) == 8
    n = places_for(8, 0.4, 0.01)
    assert 1 - cumulated_binomial(n, 0.4)[8] <= 0.01 < 1 - cumulated_binomial(n + 1, 0.4)[8]


def test_servers_are_no_more_than_it_takes() -> None:
    """The sums of docs/scaling.md."""
    for offered, servers in ((100, 12), (1000, 98), (10_000, 925)):
        assert servers_for(offered, 11, 0.001) == servers
        assert erlang_b(offered, (servers - 1) * 11) > 0.001


def test_the_tiny_bench_measures_all_its_figures() -> None:
    asked = fleet.options().parse_args(["--tiny"])
    results = {each["case"]: each for each in fleet.measure(asked)}
    missing = [each.label for each in fleet.FIGURES if each.key not in results.get(each.case, {})]
    assert missing == []
