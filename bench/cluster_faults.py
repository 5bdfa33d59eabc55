"""Listeners of a cluster whose servers fail or leave: what of it do they hear?"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from typing import TYPE_CHECKING, Any

from bench.common import Result, percentiles
from bench.serving import SENTENCE, Client
from bench.sessions import WORDS_PER_S
from tests.cluster.balanced import running_cluster

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Coroutine, Iterator, Sequence
    from contextlib import AbstractContextManager

    from tests.cluster.balanced import Cluster

N_SERVERS = 3
AS_RUN = ("--check", "900ms")
"""As deploy/haproxy/configure.py has it: tests give servers of a busy machine far longer."""
PLACES = 60
N_CALLERS = 30
"""Who speak while servers leave: a third of them with each."""
QUERY = "events=true&segmentation=sentence"
TEXT = (
    "It had been raining since the morning, so the boats stayed where they were. "
    "Nobody had told the captain of it!"
)
WORDS = TEXT.split()
WORD_EVERY_S = 0.1
AGAIN_S = 0.01
"""Until somebody who was refused asks again."""
HEARD_WITHIN_S = 20.0
LOOK_EVERY_S = 0.01


def cluster_of(places: Sequence[int], asked: argparse.Namespace) -> AbstractContextManager[Cluster]:
    """Servers of so many places behind a balancer, as they would run."""
    return running_cluster(places, server_options=asked.server_options, balancer_options=AS_RUN)


def addresses() -> Iterator[str]:
    """Those that clients come from: one alone is held up from its sixtieth connection on."""
    return (f"127.0.2.{1 + n % 200}" for n in itertools.count())


class Voice(Client):
    """One connection, which knows when there was sound."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[dict[str, Any]] = []
        self.sounded = asyncio.Event()
        self.first_at = 0.0
        self.closed_at = 0.0

    def on_audio(self, payload: memoryview, now: float) -> None:
        if not self.n_bytes:
            self.first_at = now
            self.sounded.set()
        self.n_bytes += len(payload)

    def on_text(self, message: dict[str, Any], now: float) -> None:
        super().on_text(message, now)
        if "error" in message:
            self.errors.append(message)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed_at = time.perf_counter()
        super().connection_lost(error)

    async def until(self, event: asyncio.Event) -> bool:
        """Until this, or until the connection has ended: False."""
        waits = [asyncio.ensure_future(each.wait()) for each in (event, self.closed)]
        try:
            await asyncio.wait(waits, timeout=HEARD_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        return event.is_set()


class Comers:
    """Clients who come again until they are let in, each time from another address."""

    def __init__(self, port: int) -> None:
        self.refused = 0
        self._port = port
        self._addresses = addresses()

    async def _come(self) -> Voice:
        while True:
            voice = Voice()
            try:
                await voice.connect(self._port, QUERY, source=next(self._addresses))
            except (ConnectionError, TimeoutError):
                self.refused += 1
                await asyncio.sleep(AGAIN_S)
            else:
                return voice


class Company(Comers):
    """Listeners who are spoken to all the time, and come back when they are cut off."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.dropped = 0
        """Those cut off although no server was made to fail; a machine that is too busy to
        answer the balancer's checks does that."""
        self.seen_s: list[float] = []
        """From the failure to the end of each connection."""
        self.back_s: list[float] = []
        """To the next connection."""
        self.sound_s: list[float] = []
        """To new sound."""
        self.failed_at: float | None = None
        """When a server was made to fail; None once all its listeners have new sound."""
        self.n_hearing = 0

    async def listen(self) -> None:
        """One of them."""
        cut_at: float | None = None
        while True:
            voice = await self._come()
            back_at = time.perf_counter()
            try:
                voice.send({"token": SENTENCE + " "})
                if await voice.until(voice.sounded):
                    self._note(cut_at, back_at, voice.first_at)
                    self.n_hearing += 1
                    await self._talk(voice)
                    self.n_hearing -= 1
                    cut_at = voice.closed_at
            finally:
                voice.transport.abort()

    def _note(self, cut_at: float | None, back_at: float, first_at: float) -> None:
        if cut_at is None:
            return  # it has only come
        if self.failed_at is None:
            self.dropped += 1
            return
        self.seen_s.append(cut_at - self.failed_at)
        self.back_s.append(back_at - self.failed_at)
        self.sound_s.append(first_at - self.failed_at)

    async def _talk(self, voice: Voice) -> None:
        for word in itertools.cycle(WORDS):
            voice.send({"token": word + " "})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(voice.closed.wait(), 1 / WORDS_PER_S)
            if voice.closed.is_set():
                return


async def fail(
    cluster: Cluster,
    company: Company,
    n_failures: int,
    n_listeners: int,
    signal: Callable[[int], None],
) -> None:
    """Let one server after the other fail, wait until all have new sound, and start it anew."""
    listening = [asyncio.create_task(company.listen()) for _ in range(n_listeners)]
    for failure in range(n_failures):
        n = failure % N_SERVERS
        await until(lambda: company.n_hearing == n_listeners == n_sessions(cluster))
        wanted = len(company.sound_s) + cluster.sessions(n)
        company.failed_at = time.perf_counter()
        signal(n)
        await until(lambda: len(company.sound_s) >= wanted)  # noqa: B023 - waited for here
        company.failed_at = None
        cluster.kill(n)
        await asyncio.to_thread(cluster.start, n)
        await asyncio.to_thread(cluster.wait_for_status, n, "UP")
    for each in listening:
        each.cancel()


def n_sessions(cluster: Cluster) -> int:
    """How many the balancer has with all servers."""
    return sum(map(cluster.sessions, range(N_SERVERS)))


async def until(holds: Callable[[], bool]) -> None:
    """Until this holds. Raises TimeoutError where it does not."""
    async with asyncio.timeout(HEARD_WITHIN_S):
        while not holds():
            await asyncio.sleep(LOOK_EVERY_S)


def measure_failures(asked: argparse.Namespace) -> Iterator[Result]:
    """Servers that die, and servers that hang."""
    with cluster_of([PLACES] * N_SERVERS, asked) as cluster:
        for case, n_failures, signal in (
            ("kill -9", asked.kills, cluster.kill),
            ("SIGSTOP", asked.stops, cluster.stop),
        ):
            company = Company(cluster.port)
            if n_failures:
                asyncio.run(fail(cluster, company, n_failures, asked.listeners, signal))
            yield {
                "case": case,
                "failures": n_failures,
                **in_ms("seen_ms", company.seen_s),
                **in_ms("back_ms", company.back_s),
                **in_ms("sound_ms", company.sound_s),
                "refused": company.refused,
                "dropped": company.dropped,
            }


def in_ms(name: str, seconds: Sequence[float]) -> Result:
    """Their percentiles."""
    return percentiles(name, [1000 * each for each in seconds])


# Leaving.


class Callers(Comers):
    """People who say an utterance, word by word, hear it, hang up and come again."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.utterances = self.cut = self.lost = 0
        self.n_bytes = 0
        """Of the whole utterance."""
        self.wanted = True

    async def call(self) -> None:
        """One of them, as long as it is `wanted`."""
        while self.wanted:
            voice = await self._come()
            await self._say(voice)
            self.utterances += 1
            self.lost += bool(voice.errors) or not voice.n_bytes
            self.cut += 0 < voice.n_bytes < self.n_bytes
            voice.transport.abort()

    async def rehearse(self) -> None:
        """Learn how long the utterance is."""
        voice = Voice()
        await voice.connect(self._port, QUERY)
        await self._say(voice)
        self.n_bytes = voice.n_bytes
        voice.transport.abort()

    async def _say(self, voice: Voice) -> None:
        for word in WORDS:
            if voice.closed.is_set():
                return
            voice.send({"token": word + " "})
            await asyncio.sleep(WORD_EVERY_S)
        flushed = voice.expect("flushed")
        voice.send({"flush": True})
        closed = asyncio.ensure_future(voice.closed.wait())
        ends: set[asyncio.Future[Any]] = {flushed, closed}
        await asyncio.wait(ends, timeout=HEARD_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        closed.cancel()


async def drain(cluster: Cluster, n: int) -> None:
    """A server takes no newcomers until everybody has left it, and then again."""
    cluster.drain(n)
    await until(lambda: cluster.sessions(n) == 0)
    cluster.stay(n)
    await asyncio.to_thread(cluster.wait_for_status, n, "UP")


async def terminate(cluster: Cluster, n: int) -> None:
    """A server ends, and is started again."""
    cluster.terminate(n)
    await until(lambda: cluster.servers[n].status is not None)
    await asyncio.to_thread(cluster.start, n)
    await asyncio.to_thread(cluster.wait_for_status, n, "UP")


async def reload(cluster: Cluster, _n: int) -> None:
    """The balancer reads its configuration anew."""
    await asyncio.to_thread(cluster.reload)


CHANGES: dict[str, Callable[[Cluster, int], Coroutine[Any, Any, None]]] = {
    "drain": drain,
    "SIGTERM": terminate,
    "reload": reload,
}


async def change(cluster: Cluster, callers: Callers, name: str, n_utterances: int) -> int:
    """Do it over and over, until so many utterances were in the middle of it; returns how many."""
    await callers.rehearse()
    calling = [asyncio.create_task(callers.call()) for _ in range(N_CALLERS)]
    in_the_middle = 0
    for n in itertools.cycle(range(N_SERVERS)):
        await asyncio.sleep(len(WORDS) * WORD_EVERY_S)
        in_the_middle += n_sessions(cluster) if name == "reload" else cluster.sessions(n)
        await CHANGES[name](cluster, n)
        if in_the_middle >= n_utterances:
            break
    callers.wanted = False
    await asyncio.gather(*calling)
    return in_the_middle


def measure_leaving(asked: argparse.Namespace) -> Iterator[Result]:
    """Drains, ends, and reloads of the balancer."""
    for name in asked.changes:
        with cluster_of([PLACES] * N_SERVERS, asked) as cluster:
            callers = Callers(cluster.port)
            in_the_middle = asyncio.run(change(cluster, callers, name, asked.utterances))
        yield {
            "case": name,
            "utterances": callers.utterances,
            "in_the_middle": in_the_middle,
            "cut": callers.cut,
            "lost": callers.lost,
            "refused": callers.refused,
            "cut_or_lost": callers.cut + callers.lost,
        }
