"""A fleet of servers behind balancers, simulated: who is refused, cut off, kept waiting.

Time is `simpy`'s. Conversations are simulated one by one: they come (Poisson, with a swing of the
day), hold a place of one server for a while, and go. Replies within them are not: whoever is in a
conversation is spoken to for a part of the time (`duty`), independently of others, and where it
matters how many a server speaks to, that number is drawn from its binomial distribution. So a
conversation is two events, and an hour of a thousand GPUs is some hundred thousands of them.
"""

from __future__ import annotations

import itertools
import math
import random
from bisect import bisect
from typing import TYPE_CHECKING, Any

import numpy as np
import simpy

from bench.fleet_balancer import Balancer
from bench.fleet_plan import Conversation, State, Tally, cumulated_binomial

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from bench.fleet_balancer import Policy
    from bench.fleet_plan import Plan

    Events = Generator[simpy.Event, Any, None]

TICKS = 2
"""Turns in which the servers' agents are asked, so that they are not all asked at once."""
SAMPLE_S = 1.0
"""How often is looked how many each server speaks to."""


class Fleet:
    """One run of a plan under a policy."""

    def __init__(self, plan: Plan, policy: Policy) -> None:
        self.plan = plan
        self.tally = Tally()
        n = len(plan.places)
        self._env = simpy.Environment()
        self._policy = policy
        self._world = random.Random(plan.seed)
        """Of what comes from outside: the same under each policy."""
        self._dice = random.Random(f"{plan.seed} within")
        self._draw = np.random.default_rng(plan.seed)
        self._places, self._voices = np.array(plan.places), np.array(plan.voices)
        self._taken = np.zeros(n, np.int64)
        self._told = self._places
        """What each server's agent last said."""
        self._state = [State.UP] * n
        self._is_up, self._is_draining = np.ones(n, np.bool_), np.zeros(n, np.bool_)
        self._within: list[dict[int, Conversation]] = [{} for _ in range(n)]
        """By `id`: in the order of their coming, so that runs repeat."""
        self._stuck: list[list[Conversation]] = [[] for _ in range(n)]
        """Newcomers at a server that hangs."""
        self._n_coming_back = 0
        self._balancers = [
            Balancer(plan.places, policy, random.Random(f"{plan.seed} {number}"))
            for number in range(plan.n_balancers)
        ]
        most = max(plan.places)
        self._shares = [cumulated_binomial(taken, plan.duty) for taken in range(most + 1)]
        self._first_s = [plan.first_audio_s(max(1, n)) for n in range(most + 2)]
        self._peak_rate = plan.load * sum(plan.places) / plan.session_s

    def run(self) -> Tally:
        """Play it to its end."""
        plan, tally = self.plan, self.tally
        for _ in range(round(self._rate(0) * plan.session_s)):
            tally.began += 1
            self._come()
        # Who finds no place at the start was never there.
        tally.began -= tally.refused
        self.tally = tally = Tally(began=tally.began)
        self._env.process(self._arrivals())
        self._env.process(self._samples())
        if self._policy.agents:
            self._env.process(self._agents())
        for n_failures, fail in ((plan.n_kills, self._kill), (plan.n_hangs, self._hang)):
            for _ in range(n_failures):
                at = self._world.uniform(0, plan.horizon_s)
                self._later(at, fail, self._world.randrange(len(plan.places)))
        if plan.update_batch:
            self._env.process(self._update())
        self._env.run(until=plan.horizon_s)
        waiting = sum(map(len, self._stuck)) + sum(len(each.queue) for each in self._balancers)
        tally.left = int(self._taken.sum()) + waiting + self._n_coming_back
        return tally

    # What comes from outside.

    def _rate(self, at: float) -> float:
        plan = self.plan
        night = (1 + math.cos(2 * math.pi * at / plan.day_s)) / 2
        return self._peak_rate * (1 - plan.swing * night)

    def _arrivals(self) -> Events:
        while True:
            yield self._env.timeout(self._world.expovariate(self._peak_rate))
            if self._world.random() * self._peak_rate < self._rate(self._env.now):
                self.tally.arrivals += 1
                self._come()

    def _come(self) -> None:
        now = self._env.now
        ends_at = now + self._world.expovariate(1 / self.plan.session_s)
        balancer = self._balancers[self._world.randrange(len(self._balancers))]
        self._seek(Conversation(balancer, ends_at, now))

    def _kill(self, server: int) -> None:
        """Its connections end at once; that it is gone the balancers learn from their checks."""
        if self._state[server] is State.DOWN:
            return
        # Who is still there when it was drained is there for an utterance's sake.
        is_drained = self._state[server] is State.DRAINING
        self._become(server, State.DOWN)
        for one in [*self._within[server].values()]:
            self._break_off(one, self._env.now, is_spoken_to=is_drained)
        for balancer in self._balancers:
            self._later(self._noticed_s(), balancer.see_down, server)
        self._later(self.plan.restart_s, self._rise, server)

    def _hang(self, server: int) -> None:
        """It answers nothing, until the balancers' checks have found out."""
        if self._state[server] is not State.UP:
            return
        self._become(server, State.HUNG)
        hung_at = self._env.now
        longest = 0.0
        for balancer in self._balancers:
            noticed_s = self._noticed_s(self.plan.check_within_s)
            longest = max(longest, noticed_s)
            self._later(noticed_s, self._shut, server, balancer, hung_at)
        self._later(longest, self._kill, server)

    def _shut(self, server: int, balancer: Balancer, hung_at: float) -> None:
        """A balancer ends all that it had at a server that hangs."""
        balancer.see_down(server)
        for one in [*self._within[server].values()]:
            if one.balancer is balancer:
                self._break_off(one, hung_at)
        stuck = self._stuck[server]
        self._stuck[server] = [one for one in stuck if one.balancer is not balancer]
        for one in stuck:
            if one.balancer is balancer:
                if self._policy.retry:
                    self._seek(one, avoid=server)
                else:
                    self._refuse(one)

    def _become(self, server: int, state: State) -> None:
        self._state[server] = state
        self._is_up[server] = state is State.UP
        self._is_draining[server] = state is State.DRAINING

    def _noticed_s(self, each_s: float = 0.0) -> float:
        """Two checks, each of which takes so long."""
        plan = self.plan
        return self._dice.uniform(0, plan.check_s) + plan.check_again_s + 2 * each_s

    def _rise(self, server: int) -> None:
        self._become(server, State.UP)
        for balancer in self._balancers:
            self._later(self._noticed_s(), balancer.see_up, server)

    def _update(self) -> Events:
        """Start all servers anew, some at a time: drain them, wait for the grace, end them."""
        n = len(self.plan.places)
        size = max(1, round(n * self.plan.update_batch))
        for first in range(0, n, size):
            batch = [s for s in range(first, min(n, first + size)) if self._state[s] is State.UP]
            for server in batch:
                self._drain(server)
            yield self._env.timeout(self.plan.grace_s)
            for server in batch:
                self._kill(server)
            yield self._env.timeout(self.plan.restart_s + 2 * self.plan.check_s)

    def _drain(self, server: int) -> None:
        """Who is there leaves at the end of its utterance, once told."""
        self._become(server, State.DRAINING)
        self._later(self.plan.told_s, self._tell, server)

    def _tell(self, server: int) -> None:
        for one in [*self._within[server].values()]:
            speaks = self._dice.random() < self.plan.duty
            rest_s = self._dice.expovariate(1 / self.plan.utterance_s) if speaks else 0.0
            self._later(rest_s, self._move, one, one.turn)

    def _agents(self) -> Events:
        """Each server's agent tells each balancer, every `agent_s`, how many it may have."""
        n = len(self.plan.places)
        for tick in itertools.count():
            speaking = self._draw.binomial(self._taken, self.plan.duty)
            room = np.minimum(self._places - self._taken, np.maximum(self._voices - speaking, 0))
            most = np.maximum(self._taken + room, 1)
            most[self._is_draining] = 0
            if self._policy.full_drains:
                most[room == 0] = 0
            # Who is gone tells nothing, and counts as it did.
            self._told = np.where(self._is_up | self._is_draining, most, self._told)
            for number, balancer in enumerate(self._balancers):
                asked = slice((tick + number) % TICKS, n, TICKS)
                balancer.hear(asked, self._told[asked])
                self._serve_queue(balancer)
            yield self._env.timeout(self.plan.agent_s / TICKS)

    def _samples(self) -> Events:
        """How many each server speaks to."""
        while True:
            yield self._env.timeout(SAMPLE_S)
            speaking = self._draw.binomial(self._taken, self.plan.duty)
            for n, servers in enumerate(np.bincount(speaking).tolist()):
                self.tally.speaking[n] += n * servers
            self.tally.crowded += int(speaking[speaking > self._voices].sum())

    # One conversation.

    def _seek(self, one: Conversation, avoid: int | None = None) -> None:
        """Find it a place, by one server after the other."""
        if avoid is None:
            one.n_tries = 0
        while True:
            server = one.balancer.choose(avoid)
            if server is None:
                self._wait_or_refuse(one)
                return
            one.n_tries += 1
            self.tally.tries += 1
            state = self._state[server]
            if state is State.HUNG:
                self._stuck[server].append(one)
                return
            if state is State.UP:
                taken = int(self._taken[server])
                speaking = bisect(self._shares[taken], self._dice.random())
                if taken < self._places[server] and speaking < self._voices[server]:
                    self._take(one, server, speaking)
                    return
            one.balancer.had_turn(server)
            one.waited_s += self.plan.try_s
            if one.n_tries > self._policy.retries or (
                state is not State.DOWN and not self._policy.retry
            ):
                self._refuse(one)
                return
            avoid = server

    def _take(self, one: Conversation, server: int, speaking: int) -> None:
        self._taken[server] += 1
        one.balancer.enter(server)
        self._within[server][id(one)] = one
        one.server, one.turn = server, one.turn + 1
        first_s = self._env.now - one.asked_at + one.waited_s + self._first_s[speaking + 1]
        if one.is_back:
            self.tally.back_s.append(first_s)
        elif not one.had_place:
            self.tally.first_s.append(first_s)
        one.had_place, one.is_back = True, False
        self._later(max(0.0, one.ends_at - self._env.now), self._end, one, one.turn)

    def _leave(self, one: Conversation) -> None:
        del self._within[one.server][id(one)]
        self._taken[one.server] -= 1
        one.balancer.leave(one.server)
        one.turn += 1
        self._serve_queue(one.balancer)

    def _end(self, one: Conversation, turn: int) -> None:
        if one.turn == turn:
            self._leave(one)
            self.tally.served += 1

    def _move(self, one: Conversation, turn: int) -> None:
        if one.turn == turn:
            self._leave(one)
            self.tally.moved += 1
            one.asked_at, one.waited_s = self._env.now, 0.0
            self._seek(one)

    def _break_off(self, one: Conversation, since: float, *, is_spoken_to: bool = False) -> None:
        """Its server has failed it `since` then; it comes back at once."""
        self.tally.cut += is_spoken_to or self._dice.random() < self.plan.duty
        one.asked_at, one.waited_s, one.is_back = since, 0.0, True
        self._leave(one)
        self._n_coming_back += 1
        self._later(self.plan.back_s, self._come_back, one)

    def _come_back(self, one: Conversation) -> None:
        self._n_coming_back -= 1
        self._seek(one)

    def _wait_or_refuse(self, one: Conversation) -> None:
        if not self._policy.agents:
            self._refuse(one)
            return
        one.balancer.queue.append(one)
        self._later(self.plan.queue_s, self._give_up, one, one.turn)

    def _give_up(self, one: Conversation, turn: int) -> None:
        if one.turn == turn and one in one.balancer.queue:
            one.balancer.queue.remove(one)
            self._refuse(one)

    def _serve_queue(self, balancer: Balancer) -> None:
        while balancer.queue and balancer.choose(None) is not None:
            one = balancer.queue.popleft()
            self._seek(one)
            if balancer.queue and balancer.queue[-1] is one:
                break  # there is less room than was told

    def _refuse(self, one: Conversation) -> None:
        if one.had_place:
            self.tally.lost += 1
        else:
            self.tally.refused += 1
        has_room = self._is_up & (self._taken < self._places)
        self.tally.refused_with_room += bool(has_room.any())

    def _later(self, delay_s: float, what: Callable[..., None], *arguments: Any) -> None:  # noqa: ANN401 - whatever it takes
        event = self._env.timeout(delay_s)
        event.callbacks.append(lambda _: what(*arguments))
