"""What a connection's writer is to send next: bounded, and a barge-in can empty it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio

from stages.items import Outgoing, PcmFrame

if TYPE_CHECKING:
    from stages.items import Answer

AUDIO_ROOM = 2
"""Messages of sound that may wait: one to go out next and one being made. At 340 ms each a
barge-in drops less than a second of finished work."""

OTHER_ROOM = 64
"""Other messages that may wait. They are small, so a client that reads at all never fills
this; one that does not is stopped from making us write more of them."""


class Outbox:
    """A queue of speech with its events, and of answers."""

    def __init__(self) -> None:
        self.sample_offset = 0
        """Samples per channel of the connection's stream up to the end of this queue."""
        self._items: deque[Outgoing | Answer] = deque()
        self._n_frames = 0
        self._closed = False
        self._changed = trio.lowlevel.ParkingLot()

    async def put(self, item: Outgoing | Answer) -> None:
        """Append, once there is room for this kind of item."""
        if isinstance(item, PcmFrame):
            while self._n_frames >= AUDIO_ROOM:
                await self._changed.park()
            self._n_frames += 1
            self.sample_offset += item.n_samples
        else:
            while len(self._items) - self._n_frames >= OTHER_ROOM:
                await self._changed.park()
        self._items.append(item)
        self._changed.unpark_all()

    def drop_speech(self) -> None:
        """Forget what was not sent yet of sound and its events; keep answers."""
        self.sample_offset -= sum(i.n_samples for i in self._items if isinstance(i, PcmFrame))
        self._items = deque(item for item in self._items if not isinstance(item, Outgoing))
        self._n_frames = 0
        self._changed.unpark_all()

    def close(self) -> None:
        """Nothing more will be put in."""
        self._closed = True
        self._changed.unpark_all()

    def __aiter__(self) -> Outbox:
        return self

    async def __anext__(self) -> Outgoing | Answer:
        while not self._items:
            if self._closed:
                raise StopAsyncIteration
            await self._changed.park()
        item = self._items.popleft()
        self._n_frames -= isinstance(item, PcmFrame)
        self._changed.unpark_all()
        return item
