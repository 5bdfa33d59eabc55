"""How much a connection has been asked to say and has not said yet, and the bound on it."""

from __future__ import annotations

import re

import trio

_NO_LETTERS = re.compile(r"\W+")

FLUSH_COST = 64
"""Bytes a flush is charged, about what it occupies: a flood of them is bounded too."""


class Backlog:
    """Counts the text between intake and sender.

    The intake goes on reading while text waits, since a barge-in must be seen; only above
    the bound does it stop, and TCP tells the client."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._letters = 0
        self._relief = trio.lowlevel.ParkingLot()

    @property
    def n_bytes(self) -> int:
        """Of text and flushes that are pending."""
        return self._bytes

    @property
    def is_empty(self) -> bool:
        """All text that came in has been spoken; marks left over do not count."""
        return self._letters == 0

    def is_all(self, text: str) -> bool:
        """No more than this is pending."""
        return self._letters == _n_letters(text)

    def add_text(self, text: str) -> None:
        """Text came in."""
        self._bytes += _n_bytes(text)
        self._letters += _n_letters(text)

    def add_flush(self) -> None:
        """A flush came in."""
        self._bytes += FLUSH_COST

    def remove_text(self, text: str) -> None:
        """Text was spoken."""
        self._bytes -= _n_bytes(text)
        self._letters -= _n_letters(text)
        self._relieve()

    def remove_flush(self) -> None:
        """A flush was answered."""
        self._bytes -= FLUSH_COST
        self._relieve()

    def clear(self) -> None:
        """Everything was dropped by a barge-in."""
        self._bytes = self._letters = 0
        self._relieve()

    async def wait_below_bound(self) -> None:
        """Until there is room for more text."""
        while self._bytes > self._max_bytes:
            await self._relief.park()

    def _relieve(self) -> None:
        if self._bytes <= self._max_bytes:
            self._relief.unpark_all()


def _n_bytes(text: str) -> int:
    return len(text.encode())


def _n_letters(text: str) -> int:
    return len(_NO_LETTERS.sub("", text))
