"""Which engine runs next, and for whom: the earliest deadline goes first, and what nobody will
hear for a long time does not take all that is left.

Pure: it looks at requests and engines and decides; the executor acts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from stages.engine import Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stages.engine import Engine


FAR_AHEAD_S = 60.0
"""Longer than nearly every answer of a language model. Who has more to hear is in no hurry."""

SPARE_SHARE = 0.02
"""Of the time, for those. A step cannot be interrupted, so this is how often a sentence finds
the model thread busy with one; it is 28 times real time with espeak-ng."""

REMEMBERED_S = 5.0
"""How long somebody who was spoken to is expected to want more: a sentence and a breath."""


class Listener(Protocol):
    """Whoever hears it."""

    @property
    def has_left(self) -> bool:
        """And will want nothing more."""


class Due(Protocol):
    """Work for somebody's ear."""

    @property
    def deadline(self) -> float:
        """When its listener runs dry, in seconds on Trio's clock."""

    @property
    def listener(self) -> Listener:
        """The same for all requests of one listener."""


class Schedulable(Request, Due, Protocol):
    """What the scheduler needs to know of a request besides what engines do."""

    @property
    def has_room(self) -> bool:
        """Its listener has taken what was made so far, so that more can be made."""

    @property
    def can_step(self) -> bool:
        """Its engine could do something for it now."""


R = TypeVar("R", bound=Schedulable)


def pick(queues: Iterable[tuple[Engine, Sequence[R]]]) -> tuple[Engine, list[R]] | None:
    """The engine to step and the requests it can step now, the most urgent first.

    `queues` holds the engines in the order of the data. The engine whose most urgent request
    has the earliest deadline is picked; ties go to the later one, since what it makes is
    closer to an ear. None: there is nothing to do.
    """
    best: tuple[Engine, list[R]] | None = None
    for engine, requests in queues:
        able = [r for r in requests if not r.is_dead and r.has_room and r.can_step]
        if not able:
            continue
        able.sort(key=lambda request: request.deadline)
        if best is None or able[0].deadline <= best[1][0].deadline:
            best = engine, able
    return best


class SpareTime:
    """Holds those up who are far ahead of their ears while others are being spoken to."""

    def __init__(self) -> None:
        self._served_at: dict[Listener, float] = {}  # who was not far ahead; the last at the end
        self._next_at = 0.0

    def wait_s(self, requests: Sequence[Due], now: float) -> float:
        """For how long these, the most urgent first, should not be stepped yet."""
        in_hand_s = requests[0].deadline - now - FAR_AHEAD_S
        if in_hand_s <= 0:
            return 0.0
        self._forget(now)
        present = {listener for listener in self._served_at if not listener.has_left}
        if present <= {request.listener for request in requests}:
            return 0.0  # everybody there is far ahead by now
        return max(0.0, min(in_hand_s, self._next_at - now))

    def stepped(self, requests: Sequence[Due], now: float, took_s: float) -> None:
        """These, the most urgent first, were able to be stepped now, and that took so long."""
        near = [r.listener for r in requests if r.deadline - now <= FAR_AHEAD_S]
        for listener in near:
            self._served_at.pop(listener, None)  # so that it comes to the end
            self._served_at[listener] = now
        self._forget(now)
        if not near:
            self._next_at = now + took_s / SPARE_SHARE

    def _forget(self, now: float) -> None:
        """Who was served long ago, and with it who has left and will never be served again."""
        while self._served_at:
            listener, at = next(iter(self._served_at.items()))
            if now < at + REMEMBERED_S:
                break
            del self._served_at[listener]
