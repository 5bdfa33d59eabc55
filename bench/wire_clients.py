"""Clients in processes of their own: those who come, say a sentence and leave, those who listen all
the time, and those who interrupt.

They cost little (`bench.serving.Client`), so that two processes carry 500 listeners at speaking
rate; what they cost is told beside what was measured. They take orders from the process that
measures, by a pipe, and end when that does. Times are those of `time.perf_counter`, which all
processes of a machine share.
"""

from __future__ import annotations

import asyncio
import functools
import multiprocessing
import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import psutil

from bench.barge_in import Case, Interrupter
from bench.common import Playback
from bench.serving import BYTES_PER_SAMPLE, RATE, Client

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection

AUDIBLE = 1e-3
"""60 dB below full scale: what is quieter is silence, however many samples of it come."""

TOKEN_EVERY_S = 0.01
"""Between words: a hundred a second, as a language model on such a card has them."""
HEARD_WITHIN_S = 20.0
"""Of a sentence's end, or it is given up for lost."""

SENTENCES = (
    "The boats stayed where they were today!",
    "Nobody had told the captain that the harbour was closed.",
    "It had been raining since the morning.",
    "The quick brown fox jumps over the lazy dogs of the village near the river bank.",
)
"""Of 2.6 to 5.4 seconds, so that those who listen do not all begin at once."""

QUERY = "events=true&segmentation=sentence"

N_ADDRESSES = 200
"""That the clients come from: one address alone is held up from its sixtieth connection on."""


class Timed(NamedTuple):
    """Something that took a while."""

    at: float
    """When it was asked for; of a gap, when it ended."""
    seconds: float


class Told(NamedTuple):
    """What clients tell of what they were ordered to do."""

    firsts: Sequence[Timed] = ()
    """From having asked for each sentence to its first audible sample, as it is played."""
    gaps: Sequence[Timed] = ()
    """Silences in the middle of sentences, since the rest had not come yet."""
    late: Sequence[Timed] = ()
    """How late the client itself was to begin each sentence."""
    lost: Sequence[Timed] = ()
    """Sentences that were given up, errors, and listeners whom the server closed."""
    connects: Sequence[Timed] = ()
    """From opening each connection to its upgrade."""
    refused: Sequence[Timed] = ()
    """Likewise to its refusal."""
    cancels: Sequence[Timed] = ()
    """From each cancel to the last byte of old sound."""

    def within(self, begin: float, end: float) -> Told:
        """What is of a time between these two."""
        return Told(*[[each for each in timed if begin <= each.at < end] for timed in self])

    def and_also(self, told: Told) -> Told:
        """All of it, and of others."""
        return Told(*[[*ours, *others] for ours, others in zip(self, told, strict=True)])


class Diary:
    """What the clients of one process have to tell, since it was told last."""

    def __init__(self) -> None:
        self.firsts: list[Timed] = []
        self.gaps: list[Timed] = []
        self.late: list[Timed] = []
        self.lost: list[Timed] = []
        self.connects: list[Timed] = []
        self.refused: list[Timed] = []

    def tell(self) -> Told:
        """All of it, which begins anew."""
        told = Told(**{name: tuple(timed) for name, timed in vars(self).items()})
        for timed in vars(self).values():
            timed.clear()
        return told


class Speaker(Client):
    """One conversation: sentences out, one after the other, each heard to its end."""

    def __init__(self, diary: Diary) -> None:
        super().__init__()
        self._diary = diary
        self._asked_at: float | None = None
        """When the sentence was sent of which nothing was audible yet."""

    def on_text(self, message: dict[str, Any], now: float) -> None:
        super().on_text(message, now)
        if "error" in message:
            self._diary.lost.append(Timed(now, 0))

    def on_audio(self, payload: memoryview, now: float) -> None:
        self.n_bytes += len(payload)
        if self.playback.first_at is not None and now > self.playback.dry_at:
            self._diary.gaps.append(Timed(now, now - self.playback.dry_at))
        begins = self.playback.play(len(payload) // BYTES_PER_SAMPLE, now)
        if self._asked_at is not None:
            audible = np.abs(np.frombuffer(payload, np.float32)) > AUDIBLE
            if audible.any():
                first_at = begins + int(audible.argmax()) / RATE
                self._diary.firsts.append(Timed(self._asked_at, first_at - self._asked_at))
                self._asked_at = None

    async def say(self, sentence: str, due: float) -> float:
        """Say, word by word, what was due at this time; return when it has been heard, or will not
        be, and tell when that should have been."""
        now = time.perf_counter()
        self._diary.late.append(Timed(now, now - due))
        self.playback = Playback(RATE)
        *words, last = sentence.split()
        for word in words:
            self.send({"token": word + " "})
            await asyncio.sleep(TOKEN_EVERY_S)
        flushed = self.expect("flushed")
        self._asked_at = self.send({"token": last, "flush": True})
        closed = asyncio.create_task(self.closed.wait())
        ends: set[asyncio.Future[Any]] = {flushed, closed}
        await asyncio.wait(ends, timeout=HEARD_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        closed.cancel()
        if self._asked_at is not None:
            self._diary.lost.append(Timed(self._asked_at, HEARD_WITHIN_S))
            self._asked_at = None
        heard_at = max(self.playback.dry_at, time.perf_counter())
        await asyncio.sleep(heard_at - time.perf_counter())
        return heard_at


class Clients:
    """All clients of one process."""

    def __init__(self, port: int, number: int) -> None:
        """`number`: of the process, from 0."""
        self._port = port
        self._random = random.Random(number)
        self._address = number * N_ADDRESSES // 2
        self._diary = Diary()
        self._listening: dict[asyncio.Task[None], Speaker] = {}

    async def arrive(self, times: Sequence[float]) -> Told:
        """Somebody comes at each of these times, says a sentence, hears it, and leaves."""

        async def visit(at: float) -> None:
            await asyncio.sleep(at - time.perf_counter())
            late_s = time.perf_counter() - at
            visitor = await self._connected()
            if visitor is not None:
                await visitor.say(SENTENCES[0], time.perf_counter() - late_s)
                visitor.transport.abort()

        async with asyncio.TaskGroup() as visits:
            for at in times:
                visits.create_task(visit(at))
        return self._diary.tell()

    async def listen(self, n: int, begin: float, end: float) -> Told:
        """So many more who listen all the time, who come one by one until `begin`; what all of
        them heard up to the `end`."""
        for left in range(n, 0, -1):
            await asyncio.sleep((begin - time.perf_counter()) / left * self._random.uniform(0, 2))
            listener = await self._connected()
            if listener is not None:
                self._listening[asyncio.create_task(self._converse(listener))] = listener
        await asyncio.sleep(end - time.perf_counter())
        return self._diary.tell()

    async def interrupt(self, n_clients: int, n_cancels: int) -> Told:
        """So many who cancel what is said to them, over and over; once each first, untimed."""
        cancels: list[Timed] = []

        async def interrupt_often() -> None:
            client = Interrupter()
            try:
                await client.connect(self._port, QUERY, source=self._next_address())
            except ConnectionError:
                return  # refused
            for n in range(1 + n_cancels):
                moment_s = self._random.uniform(0, 0.15)
                silent_ms, _ = await client.interrupt_once(Case("at once"), moment_s)
                if n:
                    cancels.append(Timed(time.perf_counter(), silent_ms / 1000))
            client.transport.abort()

        async with asyncio.TaskGroup() as interrupters:
            for _ in range(n_clients):
                interrupters.create_task(interrupt_often())
        return Told(cancels=cancels)

    async def leave(self) -> Told:
        """Everybody who listens goes."""
        for task, listener in self._listening.items():
            task.cancel()
            listener.transport.abort()
        self._listening.clear()
        return self._diary.tell()

    async def _converse(self, listener: Speaker) -> None:
        due = time.perf_counter()
        while not listener.closed.is_set():
            due = await listener.say(self._random.choice(SENTENCES), due)
        self._diary.lost.append(Timed(time.perf_counter(), 0))

    async def _connected(self) -> Speaker | None:
        """A new client; None: it was refused."""
        speaker, began = Speaker(self._diary), time.perf_counter()
        try:
            await speaker.connect(self._port, QUERY, source=self._next_address())
        except (ConnectionError, TimeoutError):
            self._diary.refused.append(Timed(began, time.perf_counter() - began))
            return None
        self._diary.connects.append(Timed(began, time.perf_counter() - began))
        return speaker

    def _next_address(self) -> str:
        self._address += 1
        return f"127.0.0.{2 + self._address % N_ADDRESSES}"


def obey(port: int, number: int, orders: Connection[Any, Any]) -> None:
    """A process's whole life."""
    asyncio.run(_obey(Clients(port, number), orders))


async def _obey(clients: Clients, orders: Connection[Any, Any]) -> None:
    orders.send(Told())  # it has begun
    while True:
        try:
            method, arguments = await asyncio.to_thread(orders.recv)
        except EOFError:
            return
        orders.send(await getattr(clients, method)(*arguments))


class Crew:
    """Processes of clients."""

    def __init__(self, orders: list[Connection[Any, Any]], processes: list[psutil.Process]) -> None:
        self._orders = orders
        self.processes = processes

    def order(self, method: str, *arguments: Sequence[Any]) -> None:
        """Let each process do this, with its own of each of the arguments."""
        for number, orders in enumerate(self._orders):
            orders.send((method, [each[number] for each in arguments]))

    def answers(self) -> Told:
        """What they tell, in one."""
        told: list[Told] = [orders.recv() for orders in self._orders]
        return functools.reduce(Told.and_also, told)

    def shares(self, n: int) -> list[int]:
        """So many, in as equal parts as there are processes."""
        n_processes = len(self._orders)
        return [n // n_processes + (number < n % n_processes) for number in range(n_processes)]

    def each(self, value: float) -> list[float]:
        """The same for every process."""
        return [value] * len(self._orders)


@contextmanager
def open_crew(port: int, n_processes: int) -> Iterator[Crew]:
    """Processes of clients of the server at this port."""
    spawn = multiprocessing.get_context("spawn")
    ours, processes = [], []
    for number in range(n_processes):
        orders, theirs = spawn.Pipe()
        process = spawn.Process(target=obey, args=(port, number, theirs), daemon=True)
        process.start()
        theirs.close()
        ours.append(orders)
        processes.append(process)
    try:
        crew = Crew(ours, [psutil.Process(process.pid) for process in processes])
        crew.answers()
        yield crew
    finally:
        for orders in ours:
            orders.close()
        for process in processes:
            process.join(2)
            process.kill()
