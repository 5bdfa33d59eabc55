"""The queue of what a connection's writer sends: bounded, and a barge-in can empty it."""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING

import trio

from pipeline.holdings import Account
from stages.errors import Disconnected
from stages.items import Cancelled, PcmFrame

if TYPE_CHECKING:
    from pipeline.holdings import Holder
    from stages.items import Answer, Outgoing

SPEECH_ROOM = 4
"""Messages of sound and their events that may wait. At 340 ms each a barge-in drops little more
than a second of finished work."""

ANSWER_BYTES = 1 << 20
"""What answers may take up while they wait: a thousand, or four that tell all the text that may be
pending. A client that goes on asking and has not read these reads nothing."""

ITEM_BYTES = 1024
"""Of an answer or an event without its texts: most have less, no error has more than twice that."""


class Outbox:
    """Two queues in front of one writer: speech with its events, and answers, which go first."""

    def __init__(self, holder: Holder | None = None) -> None:
        """`holder` is the connection's."""
        holder = holder or Account().open()
        self._held_speech, self._held_answers = holder.share(), holder.share()
        self._speech: deque[tuple[Outgoing, int]] = deque()  # each with its size
        self._answers: deque[tuple[Answer, int]] = deque()  # likewise
        self._is_sending = False  # speech that was taken out last
        self._closed = False
        self._changed = trio.lowlevel.ParkingLot()

    async def send(self, item: Outgoing) -> None:
        """Append speech or its event, once there is room."""
        await trio.lowlevel.checkpoint()
        while len(self._speech) >= SPEECH_ROOM:
            await self._changed.park()
        n_bytes = _n_bytes(item)
        self._speech.append((item, n_bytes))
        self._held_speech.set(self._held_speech.n_bytes + n_bytes)
        self._changed.unpark_all()

    def answer(self, item: Answer) -> None:
        """Append an answer, which never waits: the client is to be read on, since its next
        message may be a barge-in. Raises `Disconnected` for one that does not read its answers,
        as HTTP/2 servers do with a flood of pings."""
        n_bytes = _n_bytes(item)
        n_held = self._held_answers.n_bytes + n_bytes
        is_too_much = self._answers and n_held > ANSWER_BYTES
        if is_too_much or not self._held_answers.ask(n_held):
            raise Disconnected
        self._answers.append((item, n_bytes))
        self._changed.unpark_all()

    def drop_speech(self) -> None:
        """Forget what was not sent yet of sound and its events; keep answers."""
        self._speech.clear()
        self._held_speech.set(0)
        self._changed.unpark_all()

    @property
    def is_spoken(self) -> bool:
        """Whether all speech that was put in has been sent."""
        return not self._speech and not self._is_sending

    async def spoken(self) -> None:
        """Return once it has."""
        await trio.lowlevel.checkpoint()
        while not self.is_spoken:
            await self._changed.park()

    def close(self) -> None:
        """Nothing more will be put in."""
        self._closed = True
        self._changed.unpark_all()

    def __aiter__(self) -> Outbox:
        return self

    async def __anext__(self) -> Outgoing | Answer:
        if self._is_sending:
            self._is_sending = False
            self._changed.unpark_all()
        await trio.lowlevel.checkpoint()
        while not (self._answers or self._speech):
            if self._closed:
                raise StopAsyncIteration
            await self._changed.park()
        item: Outgoing | Answer
        if self._answers:
            item, n_bytes = self._answers.popleft()
            share = self._held_answers
        else:
            item, n_bytes = self._speech.popleft()
            share = self._held_speech
            self._is_sending = True
        share.set(share.n_bytes - n_bytes)
        self._changed.unpark_all()
        return item

    def give_back(self) -> None:
        """Nobody will take out what is still in there."""
        self._held_speech.close()
        self._held_answers.close()


def _n_bytes(item: Outgoing | Answer) -> int:
    match item:
        case PcmFrame():
            return len(item.data)
        case Cancelled():  # characters take one to four bytes
            texts = item.text_spoken, item.text_remaining
            return ITEM_BYTES + sum(map(sys.getsizeof, texts))
        case _:
            return ITEM_BYTES
