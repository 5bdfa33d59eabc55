"""The queue of what the client has said and the segmenter has not taken up yet."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from stages.items import Token

if TYPE_CHECKING:
    from stages.items import Said

MERGED_CHARS = 256
"""About as long as neighbouring tokens get when they are merged: a longer one is copied too
often while it grows, a shorter one costs more than its text."""


class TokenQueue:
    """A channel that merges tokens while they wait; the ledger bounds what does.

    Segments do not depend on how the text was cut into tokens, so nothing changes but the
    memory: text that comes letter by letter takes no more than text that comes whole."""

    def __init__(self) -> None:
        self._items: deque[Said] = deque()
        self._is_closed = False
        self._changed = trio.lowlevel.ParkingLot()

    def push(self, item: Said) -> None:
        """Append, or merge with the last."""
        last = self._items[-1] if self._items else None
        if (
            isinstance(item, Token)
            and isinstance(last, Token)
            and last.style == item.style
            and len(last.text) < MERGED_CHARS
        ):
            self._items[-1] = replace(last, text=last.text + item.text)
        else:
            self._items.append(item)
        self._changed.unpark_all()

    def close(self) -> None:
        """Nothing more will come."""
        self._is_closed = True
        self._changed.unpark_all()

    async def receive(self) -> Said:
        """See `stages.segmenter.stage.Tokens`."""
        await trio.lowlevel.checkpoint()
        while not self._items:
            if self._is_closed:
                raise trio.EndOfChannel
            await self._changed.park()
        return self._items.popleft()

    def receive_nowait(self) -> Said:
        """See `stages.segmenter.stage.Tokens`."""
        if not self._items:
            raise trio.WouldBlock
        return self._items.popleft()
