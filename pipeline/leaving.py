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
        self._changed = trio.lowlevel.ParkingLot()
        self._n_served = 0
        self._one_gone = trio.lowlevel.ParkingLot()

    def drain(self) -> None:
        """Ask all who are here to leave, and take no newcomers."""
        if not self.is_draining and not self.closing.is_set():
            log.info("draining: newcomers are turned away until it may stay")
        self.is_draining = True
        self._changed.unpark_all()

    def stay(self) -> None:
        """Take the drain back. An end cannot be."""
        if self.is_draining and not self.closing.is_set():
            log.info("draining no more: newcomers are taken")
        self.is_draining = False
        self._changed.unpark_all()

    def close(self, grace_s: float = math.inf) -> None:
        """End for good: whoever sets `grace_over` does so in so many seconds."""
        self._grace_s = grace_s
        self.closing.set()
        self._changed.unpark_all()

    @property
    def notice(self) -> GoingAway | None:
        """What those who are here are told now; None: they may stay."""
        if self.closing.is_set():
            return GoingAway("closing", None if self._grace_s == math.inf else self._grace_s)
        return GoingAway("draining") if self.is_draining else None

    async def asked(self) -> None:
        """Return once everybody is asked to leave."""
        await trio.lowlevel.checkpoint()
        while self.notice is None:
            await self._changed.park()

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
                await self._changed.park()

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
