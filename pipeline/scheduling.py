"""Which engine runs next, and for whom: the earliest deadline goes first.

Pure: it looks at requests and engines and decides; the executor acts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from stages.engine import Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stages.engine import Engine


class Schedulable(Request, Protocol):
    """What the scheduler needs to know of a request besides what engines do."""

    @property
    def has_room(self) -> bool:
        """Its listener has taken what was made so far, so that more can be made."""

    @property
    def can_step(self) -> bool:
        """Its engine could do something for it now."""

    @property
    def deadline(self) -> float:
        """When its listener runs dry, in seconds on Trio's clock."""


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
