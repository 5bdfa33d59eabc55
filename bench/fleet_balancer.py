"""A balancer of the simulated fleet: which server does a newcomer go to?

Like HAProxy it counts its own connections to each server, and no other balancer's; a server's
weight is its places. With agents it also goes by what each server last said of itself: the most
connections that it may have (``maxconn``), none while it drains. Without, it learns from checks
alone whether a server lives.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from numpy.typing import NDArray

Choice = Literal["leastconn", "round robin", "random", "two choices"]

TIE = 1e-10
"""What a server's load grows by with each turn: of those that are equally loaded it is the turn of
the one that had it longest ago, as in HAProxy's tree."""


class Policy(NamedTuple):
    """How balancers choose."""

    choice: Choice
    agents: bool = False
    retry: bool = False
    """Another server is tried when one says 503. One that cannot be reached is always left for
    another, as HAProxy does unasked."""
    retries: int = 3
    """The most, after the first try."""
    full_drains: bool = False
    """A server that has no room says that it drains, and not only how many it has."""

    @property
    def name(self) -> str:
        """As tables have it."""
        return self.choice + " + agents" * self.agents + " + retry" * self.retry


class Balancer:
    """One of them."""

    def __init__(self, places: Sequence[int], policy: Policy, dice: random.Random) -> None:
        n = len(places)
        self.queue: deque[Any] = deque()
        """Who waits for a place."""
        self._dice = dice
        self._policy = policy
        self._weights = np.array(places, np.float64)
        self._counts = np.zeros(n)
        self._most = self._weights.copy() if policy.agents else np.full(n, np.inf)
        self._is_up = np.ones(n, np.bool_)
        self._n_turns = n
        self._ties = TIE * np.array(dice.sample(range(n), n))
        self._keys = np.empty(n)
        """How loaded each is; infinite where nobody may go."""
        self._weigh(slice(None))
        divisor = int(np.gcd.reduce(np.array(places)))
        self._ring = [server for server in range(n) for _ in range(places[server] // divisor)]
        dice.shuffle(self._ring)
        self._at = 0

    def choose(self, avoid: int | None) -> int | None:
        """A server, not the one to `avoid`; None where none may be had."""
        match self._policy.choice:
            case "leastconn":
                return self._least(avoid)
            case "round robin":
                self._at += 1
                return self._next_from(self._at, avoid)
            case "random":
                return self._next_from(self._anywhere(), avoid)
            case "two choices":
                pair = [self._next_from(self._anywhere(), avoid) for _ in range(2)]
                return min((s for s in pair if s is not None), key=self._load, default=None)

    def _least(self, avoid: int | None) -> int | None:
        keys = self._keys
        if avoid is None:
            server = int(keys.argmin())
        else:
            kept, keys[avoid] = keys[avoid], np.inf
            server = int(keys.argmin())
            keys[avoid] = kept
        return None if server == avoid or keys[server] == np.inf else server

    def _anywhere(self) -> int:
        return self._dice.randrange(len(self._ring))

    def _next_from(self, at: int, avoid: int | None) -> int | None:
        for step in range(len(self._ring)):
            server = self._ring[(at + step) % len(self._ring)]
            if server != avoid and self._keys[server] < np.inf:
                return server
        return None

    def _load(self, server: int) -> float:
        return float(self._keys[server])

    def enter(self, server: int) -> None:
        """It has one more connection to it."""
        self._counts[server] += 1
        self.had_turn(server)

    def had_turn(self, server: int) -> None:
        """It was chosen, if in vain."""
        self._n_turns += 1
        self._ties[server] = TIE * self._n_turns
        self._weigh_one(server)

    def leave(self, server: int) -> None:
        """One less."""
        self._counts[server] -= 1
        self._weigh_one(server)

    def see_down(self, server: int) -> None:
        """Its checks failed."""
        self._is_up[server] = False
        self._weigh_one(server)

    def see_up(self, server: int) -> None:
        """They succeed."""
        self._is_up[server] = True
        self._weigh_one(server)

    def hear(self, servers: slice, most: NDArray[np.int64]) -> None:
        """The agents of these told how many connections they may have."""
        self._most[servers] = most
        self._weigh(servers)

    def _weigh_one(self, server: int) -> None:
        count = self._counts[server]
        may = self._is_up[server] and count < self._most[server]
        self._keys[server] = count / self._weights[server] + self._ties[server] if may else np.inf

    def _weigh(self, servers: slice) -> None:
        counts = self._counts[servers]
        load = counts / self._weights[servers] + self._ties[servers]
        may = self._is_up[servers] & (counts < self._most[servers])
        self._keys[servers] = np.where(may, load, np.inf)
