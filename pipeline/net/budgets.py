"""Budgets for what clients send and open: one's own, and one that all share who have used up
theirs. Pure: callers tell the time, in seconds."""

from __future__ import annotations

import math

MAX_DEBT_S = 4.0
"""How long a client that stops sending is still held to have used up its own."""


class OwnBudget:
    """A rate with a burst: `burst` at once, and `per_s` in the long run. Whoever takes more floods,
    until it has paused."""

    def __init__(self, per_s: float, burst: int) -> None:
        self._each_s = 1 / per_s
        self._burst_s = burst / per_s
        self._paid_until = -math.inf

    def charge(self, n: float, now: float) -> bool:
        """Take `n`; whether that much was left."""
        paid_until = max(self._paid_until, now) + n * self._each_s
        self._paid_until = min(paid_until, now + self._burst_s + MAX_DEBT_S)
        return paid_until <= now + self._burst_s

    def hold(self, seconds: float) -> None:
        """A time in which nothing was taken up, which is no pause of the client's."""
        self._paid_until += seconds


class SharedBudget:
    """A rate that all share who flood, each as much of it as any other.

    Nobody queues: each is told at once how long to wait, by how many share the rate at that time.
    So where many come in a moment, those who were told before have it sooner: `n` who come one by
    one, and wait `longest_s` at most, may together take `longest_s * per_s * (1 + ln n)`."""

    def __init__(self, per_s: float) -> None:
        self._each_s = 1 / per_s
        self._paid_until: dict[str, float] = {}

    def charge(self, who: str, n: float, now: float, longest_s: float = math.inf) -> float | None:
        """The seconds that `who` has to wait before these `n`, until what it took before is paid
        for. None, and they are not charged: these would be paid for after more than `longest_s`."""
        paid = self._paid_until
        for other in [other for other, until in paid.items() if until <= now]:
            del paid[other]
        n_sharing = len(paid) + (who not in paid)
        begins = paid.get(who, now)
        paid_until = begins + n * self._each_s * n_sharing
        if paid_until > now + longest_s:
            return None
        paid[who] = paid_until
        return begins - now
