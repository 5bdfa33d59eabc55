"""A server's leaving: a drain, which can be taken back, and its end, which cannot.

    stays ─── drain ──▶ drains ─── close ──▶ closes ─── grace ──▶ over
      ▲                   │
      └────── stay ───────┘

A server that drains takes no newcomers, and goes on speaking to those whom it has. One that closes
lets them end what they are saying.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
import trio

from stages.items import GoingAway, Staying

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

log = structlog.stdlib.get_logger("server")

TOLD_AFTER_S = 1.0
"""How long a drain turns newcomers away before those who are here are asked to leave. By then its
balancers know, which ask each half second; sooner, the place of the first who leaves would make it
the emptiest, and who left would be sent back. Of a thousand servers that are updated by twentieths
that loses one newcomer in a hundred (ADR 50)."""


class Leaving:
    """Whether one server is to be left, and who is still being served by it."""

    def __init__(self) -> None:
        self.is_draining = False
        """Newcomers are turned away, until it may stay."""
        self.closing = trio.Event()
        """Set, for good, once no newcomers are taken in, and those who are being spoken to may
        end what they are saying."""
        self.grace_over = trio.Event()
        """Set once what has not been finished is left."""
        self._grace_s = math.inf
        self._told_at = math.inf  # of a drain
        self._changed = trio.lowlevel.ParkingLot()
        self._n_served = 0
        self._one_gone = trio.lowlevel.ParkingLot()

    def drain(self) -> None:
        """Take no newcomers, and soon ask all who are here to leave."""
        if self.is_draining:
            return
        if not self.closing.is_set():
            log.info("draining: newcomers are turned away until it may stay")
        self.is_draining, self._told_at = True, trio.current_time() + TOLD_AFTER_S
        self._changed.unpark_all()

    def stay(self) -> None:
        """Take the drain back. An end cannot be."""
        if self.is_draining and not self.closing.is_set():
            log.info("draining no more: newcomers are taken")
        self.is_draining, self._told_at = False, math.inf
        self._changed.unpark_all()

    def close(self, grace_s: float = math.inf) -> None:
        """End for good: whoever sets `grace_over` does so in so many seconds."""
        self._grace_s = grace_s
        self.closing.set()
        self._changed.unpark_all()

    @property
    def turns_away(self) -> bool:
        """No newcomers are taken."""
        return self.is_draining or self.closing.is_set()

    @property
    def notice(self) -> GoingAway | None:
        """What those who are here are told now; None: they may stay."""
        if self.closing.is_set():
            return GoingAway("closing", None if self._grace_s == math.inf else self._grace_s)
        return GoingAway("draining") if trio.current_time() >= self._told_at else None

    async def _change(self) -> None:
        """Return once there may be another notice."""
        with trio.move_on_at(math.inf if self.notice is not None else self._told_at):
            await self._changed.park()

    async def asked(self) -> None:
        """Return once everybody is asked to leave."""
        await trio.lowlevel.checkpoint()
        while self.notice is None:
            await self._change()

    async def notices(self) -> AsyncIterator[GoingAway | Staying]:
        """What is to be told to somebody who comes now, each as it changes; the last is that the
        server closes."""
        told = None
        while True:
            await trio.lowlevel.checkpoint()
            if (notice := self.notice) != told:
                told = notice
                yield Staying() if notice is None else notice
            elif self.closing.is_set():
                return
            else:
                await self._change()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """A context for serving one request, up to the last byte of its answer."""
        self._n_served += 1
        try:
            yield
        finally:
            self._n_served -= 1
            self._one_gone.unpark_all()

    async def all_gone(self) -> None:
        """Return once nobody is being served."""
        await trio.lowlevel.checkpoint()
        while self._n_served:
            await self._one_gone.park()
