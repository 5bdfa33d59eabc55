"""The queue of what a connection's writer sends: bounded, and a barge-in can empty it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio

from stages.errors import Disconnected
from stages.items import Cancelled

if TYPE_CHECKING:
    from stages.items import Answer, Outgoing

SPEECH_ROOM = 4
"""Messages of sound and their events that may wait. At 340 ms each a barge-in drops little more
than a second of finished work."""

ANSWER_BYTES = 1 << 20
"""About what answers may take up while they wait: a thousand, or four that tell all the text
that may be pending. A client that goes on asking and has not read these reads nothing."""


class Outbox:
    """Two queues in front of one writer: speech with its events, and answers, which go first."""

    def __init__(self) -> None:
        self._speech: deque[Outgoing] = deque()
        self._answers: deque[Answer] = deque()
        self._closed = False
        self._changed = trio.lowlevel.ParkingLot()

    async def send(self, item: Outgoing) -> None:
        """Append speech or its event, once there is room."""
        await trio.lowlevel.checkpoint()
        while len(self._speech) >= SPEECH_ROOM:
            await self._changed.park()
        self._speech.append(item)
        self._changed.unpark_all()

    def answer(self, item: Answer) -> None:
        """Append an answer, which never waits: the client is to be read on, since its next
        message may be a barge-in. Raises `Disconnected` for one that does not read its answers,
        as HTTP/2 servers do with a flood of pings."""
        if sum(map(_n_bytes, self._answers)) >= ANSWER_BYTES:
            raise Disconnected
        self._answers.append(item)
        self._changed.unpark_all()

    def drop_speech(self) -> None:
        """Forget what was not sent yet of sound and its events; keep answers."""
        self._speech.clear()
        self._changed.unpark_all()

    def close(self) -> None:
        """Nothing more will be put in."""
        self._closed = True
        self._changed.unpark_all()

    def __aiter__(self) -> Outbox:
        return self

    async def __anext__(self) -> Outgoing | Answer:
        await trio.lowlevel.checkpoint()
        while not (self._answers or self._speech):
            if self._closed:
                raise StopAsyncIteration
            await self._changed.park()
        item = self._answers.popleft() if self._answers else self._speech.popleft()
        self._changed.unpark_all()
        return item


def _n_bytes(answer: Answer) -> int:
    """About what an answer takes up: most have less than 1 KB, no error has more than 2."""
    texts = (answer.text_spoken, answer.text_remaining) if isinstance(answer, Cancelled) else ()
    return 1024 + sum(map(len, texts))
