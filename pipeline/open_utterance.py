"""The utterance that a client is in the middle of saying: a server that closes lets it end that."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import trio

from stages.items import Flush

if TYPE_CHECKING:
    from collections.abc import Callable

    from stages.items import Token

SILENT_S = 2.0
"""How long a client that has never flushed is silent, of whom all has been spoken, before its text
counts as ended: more than a language model's pauses inside a reply mostly are (ADR 46)."""


class OpenUtterance:
    """One client's text up to its flush, or to the end of its conversation: utterance after
    utterance, until one is the last."""

    def __init__(self, *, flush_ends: bool) -> None:
        """`flush_ends`: each flush ends one. Else the conversation is one. The first is open from
        the beginning: who has just come is about to say something."""
        self._flush_ends = flush_ends
        self._is_open = True
        self._is_last = False
        self._has_text = False
        self._ends_by_flushes = False
        self._said_at = trio.current_time()
        self._changed = trio.lowlevel.ParkingLot()

    @property
    def is_over(self) -> bool:
        """It was the last, and has ended: nothing more is taken in."""
        return self._is_last and not self._is_open

    def begin(self) -> None:
        """The client is about to say something."""
        if not self.is_over:
            self._is_open, self._said_at = True, trio.current_time()

    def take(self, item: Token | Flush) -> None:
        """Enter what was taken in."""
        if isinstance(item, Flush):
            self._said_at = trio.current_time()
            self._ends_by_flushes = self._flush_ends
            self._end(is_end=self._flush_ends)
        elif item.text.strip():
            self.begin()
            self._has_text = True

    def cancel(self) -> None:
        """The client has barged in."""
        self._end(is_end=self._flush_ends or self._is_last)

    def progress(self) -> None:
        """Something of it may have been sent."""
        self._changed.unpark_all()

    def _end(self, *, is_end: bool) -> None:
        self._is_open &= not is_end
        self._has_text = False
        self._changed.unpark_all()

    async def end(self, has_been_sent: Callable[[], bool]) -> None:
        """Return once it is over: it is the last. The text of a client that has flushed before ends
        by a flush; any other by `SILENT_S` without a word, too, once it `has_been_sent`."""
        self._is_last = True
        await trio.lowlevel.checkpoint()
        while self._is_open:
            waits_for_flush = self._ends_by_flushes and self._has_text
            silent_at = math.inf if waits_for_flush else self._said_at + SILENT_S
            is_silent = trio.current_time() >= silent_at
            if is_silent and has_been_sent():
                self._is_open = False
            else:
                with trio.move_on_at(math.inf if is_silent else silent_at):
                    await self._changed.park()
