"""What a simulated fleet is made of and what it tells: plans, conversations, tallies; and sums."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from pipeline.leaving import TOLD_AFTER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.fleet_balancer import Balancer


class Plan(NamedTuple):
    """What happens to a fleet. Times are in seconds."""

    places: Sequence[int]
    """Of each server: conversations."""
    voices: Sequence[int]
    """Of each server: listeners whom it can speak to at the same time."""
    first_audio_s: Callable[[int], float]
    """From a reply's text to its first sound, where so many are spoken to."""
    load: float
    """The part of all places that is wanted at the day's peak."""
    horizon_s: float
    day_s: float = 86_400.0
    swing: float = 0.0
    """How much less than at the peak is wanted at night, half a day earlier: 1 is nothing."""
    session_s: float = 180.0
    utterance_s: float = 6.0
    duty: float = 0.4
    n_balancers: int = 1
    """They do not share what they count."""
    agent_s: float = 0.5
    check_s: float = 0.3
    """Between looks whether a server lives; two that fail are its end, two others its return."""
    check_again_s: float = 0.1
    """Between the first of the two and the second."""
    check_within_s: float = 0.9
    """Who has not answered by then has failed."""
    queue_s: float = 2.0
    """How long a newcomer waits where all servers are full."""
    try_s: float = 0.001
    """What a server that refuses costs."""
    back_s: float = 0.063
    """From the end of a server to its client's next request."""
    restart_s: float = 60.0
    grace_s: float = 60.0
    told_s: float = TOLD_AFTER_S
    """From when a server is drained, as its agent says when it is asked next, to when it tells its
    clients."""
    n_kills: int = 0
    n_hangs: int = 0
    update_batch: float = 0.0
    """The part of the servers that is drained and started anew at the same time; 0: none is."""
    seed: int = 1


class State(Enum):
    """Of a server."""

    UP = auto()
    DRAINING = auto()
    HUNG = auto()
    DOWN = auto()


@dataclass
class Conversation:
    """One that comes and wants a place, or has one."""

    balancer: Balancer
    ends_at: float
    asked_at: float
    """When it began to look for the place that it has or wants."""
    waited_s: float = 0.0
    """What its tries took beside that."""
    had_place: bool = False
    is_back: bool = False
    """It was cut off and looks for a new place."""
    server: int = -1
    n_tries: int = 0
    turn: int = 0
    """Grows whenever it gets or leaves a place: what was planned for it before is void then."""


@dataclass
class Tally:
    """What became of the conversations. `began + arrivals = served + refused + lost + left`."""

    began: int = 0
    """There from the start."""
    arrivals: int = 0
    served: int = 0
    refused: int = 0
    """Newcomers who got no place."""
    lost: int = 0
    """Those who had a place, had to leave it, and got no other."""
    left: int = 0
    """Still there, or waiting, at the end."""
    refused_with_room: int = 0
    """Of the refused and lost: those for whom there was a free place on some server."""
    moved: int = 0
    """Between two utterances, to another server."""
    cut: int = 0
    """In the middle of an utterance."""
    tries: int = 0
    first_s: list[float] = field(default_factory=list)
    """Of newcomers: from asking for a place to the first sound."""
    back_s: list[float] = field(default_factory=list)
    """Of those cut off: from the failure to the first new sound."""
    speaking: Counter[int] = field(default_factory=Counter)
    """How many listeners were spoken to beside so many, themselves included; sampled."""
    crowded: int = 0
    """Of these, those whose server spoke to more than it can."""


def cumulated_binomial(n: int, p: float) -> list[float]:
    """The binomial distribution's cumulated probabilities; that of `n`, which is 1, is left out."""
    total, cumulated = 0.0, []
    for k in range(n):
        total += math.comb(n, k) * p**k * (1 - p) ** (n - k)
        cumulated.append(total)
    return cumulated


def erlang_b(offered: float, places: int) -> float:
    """The part that is refused where so many places are one pool (Erlang, 1917): conversations
    come by Poisson's law, `offered` of them are there on average if none is refused, and who finds
    no place goes away."""
    refused = 1.0
    for n in range(1, places + 1):
        refused = offered * refused / (n + offered * refused)
    return refused


def places_for(voices: int, duty: float, risk: float) -> int:
    """The most conversations of a server that can speak to so many at once: all places taken, the
    chance that more are spoken to than can be is at most `risk` at any moment."""
    places = voices
    while 1 - cumulated_binomial(places + 1, duty)[voices] <= risk:
        places += 1
    return places


def servers_for(offered: float, places: int, refused: float) -> int:
    """The fewest servers of so many places that refuse no more than this part, if a balancer makes
    one pool of them; see `erlang_b` for `offered`."""
    servers = max(1, math.ceil(offered / places) // 2)
    while erlang_b(offered, servers * places) > refused:
        servers += 1
    return servers
