"""Earliest deadline first; listeners buffered over 20 s share 2 % of the thread.

Pure: it looks at requests and decides; the executor acts.
"""

from __future__ import annotations

import math
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stages.engine import Engine, Playback


FAR_AHEAD_S = 20.0
"""Longer than most answers of a language model, and than a network is away. Who has more to hear is
in no hurry; and forty who ask for hours at once keep the model thread busy for ten seconds."""

SPARE_SHARE = 0.02
"""The share of the time for those. A step cannot be interrupted, so this is how often a sentence
finds the model thread busy with one; it is 28 times real time with espeak-ng."""

REMEMBERED_S = 5.0
"""The time for which a served listener is expected to want more: a sentence and a breath."""


class Due(Protocol):
    """A request, as the scheduler sees it."""

    @property
    def deadline(self) -> float:
        """The time at which its listener runs dry, in seconds on Trio's clock."""

    @property
    def playback(self) -> Playback:
        """Its listener's: the same for all requests of one listener."""


D = TypeVar("D", bound=Due)
_deadline = attrgetter("deadline")


def pick(able: Iterable[tuple[Engine, Sequence[D]]]) -> tuple[Engine, list[D]] | None:
    """The engine to step, with the requests it can step now, the most urgent first.

    `able` holds the engines in the order of the data, each with the requests it can step. The
    engine whose most urgent request has the earliest deadline is picked; ties go to the later
    one, since what it makes is closer to an ear. None: there is nothing to do.
    """
    best: tuple[Engine, list[D]] | None = None
    for engine, requests in able:
        urgent = sorted(requests, key=_deadline)
        if urgent and (best is None or urgent[0].deadline <= best[1][0].deadline):
            best = engine, urgent
    return best


class SpareTime:
    """Limits listeners that are buffered far ahead to a share of the time, while others are
    being served."""

    def __init__(self) -> None:
        self._served_at: dict[Playback, float] = {}  # who was not far ahead; the last at the end
        self._next_at = 0.0

    def wait_s(self, requests: Sequence[Due], now: float) -> float:
        """The time to wait before stepping these requests, the most urgent first."""
        in_hand_s = requests[0].deadline - now - FAR_AHEAD_S
        if in_hand_s <= 0:
            return 0.0
        self._forget(now)
        present = {playback for playback in self._served_at if not playback.has_left}
        if present <= {request.playback for request in requests}:
            return 0.0  # everybody there is far ahead by now
        return max(0.0, min(in_hand_s, self._next_at - now))

    def begin(self, requests: Sequence[Due], now: float) -> bool:
        """Record that a step for these begins. Whether all of them are far ahead: then the next
        such step waits for the `end` of this one at the least."""
        near = [r.playback for r in requests if r.deadline - now <= FAR_AHEAD_S]
        for playback in near:
            self._served_at.pop(playback, None)  # so that it comes to the end
            self._served_at[playback] = now
        self._forget(now)
        if not near:
            self._next_at = math.inf
        return not near

    def end(self, began: float, took_s: float) -> None:
        """Record what such a step took."""
        self._next_at = began + took_s / SPARE_SHARE

    def _forget(self, now: float) -> None:
        """Drop listeners that were served long ago: some have left."""
        while self._served_at:
            playback, at = next(iter(self._served_at.items()))
            if now < at + REMEMBERED_S:
                break
            del self._served_at[playback]
