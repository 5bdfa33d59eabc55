"""Does anybody else lose anything while strangers attack?

Twenty listeners, who come from an address of their own (127.0.0.2), each ask for sentences, hear
them at the rate of playing, and compare every sample with what the server said while it was quiet.
Beside them a monitor asks for ``GET /health/live``, from the attackers' own address, and newcomers
come (127.0.0.3), each for one word, timed from connecting to its first sound.

Each attack (bench/hostile.py) goes on for ``--seconds``, first at a second server, so that what the
cores have left is known ("elsewhere"), then at theirs ("beside"); then all go on at once, for
``--minutes``. At the end ``--killed`` clients die in mid-sentence, all at once.

health     ms to the answer
newcomer   ms from connecting to the first sound; one that was turned away waited 10 s
gaps       pieces of sound that a listener got after all before had been heard; longest in ms
wrong      sentences of which a sample differed, or which did not come
rss        the whole server, its children too, at its largest

The floor: what "elsewhere" has. Targets: health's p99 at most 50 ms; a newcomer's wait at most
twice that of elsewhere at the median; no gap, nothing wrong; at most 400 MB; places free in 1 s.
Predicted: health 10 ms; newcomers 1.5 times; 250 MB; 0.6 s.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import Figure, Playback, Result, percentiles, report
from bench.hostile import disturbing
from bench.meter import KB_PER_MB, with_children
from bench.serving import HOST, SPEECH, Client, Server, running_server, serving_parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

ATTACKS = (
    "connects",
    "half open",
    "sips",
    "forty floods",
    "dies",
    "hoards",
    "stalls",
    "tokens, flushes",
    "bad frames",
    "no http",
)
COLUMNS = {
    "health_ms_p99": "health p99",
    "elsewhere_health_ms_p99": "elsewhere",
    "newcomer_ms_p50": "newcomer p50",
    "newcomer_ms_p95": "p95",
    "elsewhere_newcomer_ms_p50": "elsewhere p50",
    "newcomer_times": "times",
    "turned_away": "turned away",
    "sentences": "sentences",
    "wrong": "wrong",
    "gaps": "gaps",
    "longest_gap_ms": "longest ms",
    "rss_peak_mb": "rss MB",
    "server_cpu": "server cpu",
}
WORST, ALL, KILLED = "the worst", "all at once", "killed"
FIGURES = (
    Figure(
        "health's p99 beside the worst attack", WORST, "health_ms_p99", "ms",
        at_most=50, predicted="10",
    ),
    Figure(
        "a newcomer's first sound, times that of elsewhere", WORST, "newcomer_times",
        at_most=2, predicted="1.5",
    ),
    Figure("sentences that were not as on a quiet server", WORST, "wrong", at_most=0),
    Figure("gaps", WORST, "gaps", at_most=0),
    Figure("memory", WORST, "rss_peak_mb", "MB", at_most=400, predicted="250"),
    Figure("all attacks at once: sentences that were not so", ALL, "wrong", at_most=0),
    Figure("gaps", ALL, "gaps", at_most=0),
    Figure("memory", ALL, "rss_peak_mb", "MB", at_most=400, predicted="250"),
    Figure(
        "clients killed in mid-sentence: places free", KILLED, "free_after_s", "s",
        at_most=1, predicted="0.6",
    ),
)  # fmt: skip

LISTENER, NEWCOMER = "127.0.0.2", "127.0.0.3"
SENTENCES = (
    "The boats stayed where they were today!",
    "Nobody had been out since the morning!",
    "It rained on all of them, and on the pier!",
)
WORD = "Hello!"
HEALTH_EVERY_S, NEWCOMER_EVERY_S, RSS_EVERY_S = 0.05, 0.25, 0.25
SETTLE_S = 1.0
GIVE_UP_S = 10.0
PLACES = 512
SEED = 1


class Hearer(Client):
    """A listener that keeps a digest of what it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.digest = hashlib.sha256()

    def on_audio(self, payload: memoryview, now: float) -> None:
        super().on_audio(payload, now)
        self.digest.update(payload)

    async def hear(self, sentence: str) -> str:
        """Have a sentence spoken; returns the digest of its sound."""
        self.playback, self.digest = Playback(), hashlib.sha256()
        await self.ask({"token": sentence, "flush": True}, "flushed")
        return self.digest.hexdigest()


class Watch:
    """What the peaceful have to say about a time: listeners, a monitor, newcomers."""

    def __init__(self, server: Server, expected: dict[str, str]) -> None:
        self.health_ms: list[float] = []
        self.newcomer_ms: list[float] = []
        self.n_turned_away = 0
        self.n_sentences = 0
        self.n_wrong = 0
        self.gaps_s: list[float] = []
        self.rss_peak_mb = 0.0
        self._server = server
        self._expected = expected

    async def run(self, seconds: float, listeners: Sequence[Hearer]) -> Result:
        """Watch for so long."""
        chance, cpu_s, began = random.Random(SEED), self._cpu_s(), time.perf_counter()
        end = began + seconds
        async with asyncio.TaskGroup() as group:
            for listener in listeners:
                group.create_task(self._listen(listener, end, chance))
            group.create_task(self._ask_for_health(end))
            group.create_task(self._come_anew(end))
            group.create_task(self._look_at_memory(end))
        took_s = time.perf_counter() - began
        return {
            **percentiles("health_ms", self.health_ms),
            **percentiles("newcomer_ms", self.newcomer_ms),
            "turned_away": self.n_turned_away,
            "sentences": self.n_sentences,
            "wrong": self.n_wrong,
            "gaps": len(self.gaps_s),
            "longest_gap_ms": round(1000 * max(self.gaps_s, default=0.0), 1),
            "rss_peak_mb": round(self.rss_peak_mb, 1),
            "server_cpu": round((self._cpu_s() - cpu_s) / took_s, 3),
        }

    async def _listen(self, listener: Hearer, end: float, chance: random.Random) -> None:
        await asyncio.sleep(chance.random())
        while time.perf_counter() < end:
            sentence = chance.choice(SENTENCES)
            self.n_sentences += 1
            try:
                digest = await listener.hear(sentence)
            except (OSError, TimeoutError):
                digest = "nothing"
            self.n_wrong += digest != self._expected[sentence]
            self.gaps_s += listener.playback.gaps_s
            if listener.closed.is_set():
                await listener.connect(self._server.port, "events=true", source=LISTENER)
            heard_s = max(0.0, listener.playback.dry_at - time.perf_counter())
            await asyncio.sleep(heard_s + chance.random() / 5)

    async def _ask_for_health(self, end: float) -> None:
        while (began := time.perf_counter()) < end:
            asked = f"GET /health/live HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
            try:
                async with asyncio.timeout(GIVE_UP_S):
                    reader, writer = await asyncio.open_connection(HOST, self._server.port)
                    writer.write(asked)
                    answer = await reader.read(-1)
                    writer.close()
                if b" 200 " not in answer[:16]:
                    raise ConnectionError(answer[:40])
                self.health_ms.append(1000 * (time.perf_counter() - began))
            except (OSError, TimeoutError):
                self.health_ms.append(1000 * GIVE_UP_S)
            await asyncio.sleep(HEALTH_EVERY_S)

    async def _come_anew(self, end: float) -> None:
        while (began := time.perf_counter()) < end:
            newcomer = Client()
            try:
                async with asyncio.timeout(GIVE_UP_S):
                    await newcomer.connect(self._server.port, "events=true", source=NEWCOMER)
                    await newcomer.ask({"token": WORD, "flush": True}, "flushed")
                first_at = newcomer.playback.first_at
                if first_at is None:
                    raise ConnectionError("nothing was spoken")
                self.newcomer_ms.append(1000 * (first_at - began))
                await newcomer.close()
            except (OSError, TimeoutError):
                self.newcomer_ms.append(1000 * GIVE_UP_S)
                self.n_turned_away += 1
            await asyncio.sleep(NEWCOMER_EVERY_S)

    async def _look_at_memory(self, end: float) -> None:
        while time.perf_counter() < end:
            held = sum(each.memory_info().rss for each in with_children(self._server))
            self.rss_peak_mb = max(self.rss_peak_mb, held / KB_PER_MB**2)
            await asyncio.sleep(RSS_EVERY_S)

    def _cpu_s(self) -> float:
        return sum(sum(each.cpu_times()[:2]) for each in with_children(self._server))


async def quiet(server: Server) -> dict[str, str]:
    """The digest of each sentence, while nobody else is there."""
    hearer = Hearer()
    await hearer.connect(server.port, "events=true")
    expected = {sentence: await hearer.hear(sentence) for sentence in SENTENCES}
    await hearer.close()
    return expected


async def besiege(
    server: Server, attacked: Server, kinds: Sequence[str], seconds: float, n_listeners: int
) -> Result:
    """The peaceful at one server while another is attacked, which may be the same."""
    expected = await quiet(server)
    listeners = [Hearer() for _ in range(n_listeners)]
    for listener in listeners:
        await listener.connect(server.port, "events=true", source=LISTENER)
    with contextlib.ExitStack() as attackers:
        for kind in kinds:
            attackers.enter_context(disturbing(kind, attacked.port))
        await asyncio.sleep(SETTLE_S)
        result = await Watch(server, expected).run(seconds, listeners)
    for listener in listeners:
        listener.transport.abort()
    await asyncio.sleep(SETTLE_S)
    return result


async def kill(server: Server, n: int) -> Result:
    """Have clients die in mid-sentence, and wait until their places are free."""
    clients = [Client() for _ in range(n)]
    for client in clients:
        await client.connect(server.port, "events=true", source=LISTENER)
    for client in clients:  # behind all connects: it lets in no more than it can speak to
        client.send({"token": SPEECH})
    while any(client.playback.first_at is None for client in clients):
        await asyncio.sleep(0.01)
    began = time.perf_counter()
    for client in clients:
        client.transport.abort()
    n_taken = n
    while n_taken:
        _, metrics = await asyncio.to_thread(server.get, "/metrics")
        found = re.search(r"^voice_listeners (\d+)", metrics, re.MULTILINE)
        if found is None:
            raise RuntimeError("the server does not tell of its places")
        n_taken = int(found[1])
    return {"killed": n, "free_after_s": round(time.perf_counter() - began, 3)}


def with_elsewhere(beside: Result, elsewhere: Result) -> Result:
    """Both, and how many times as long newcomers wait."""
    times = beside["newcomer_ms_p50"] / elsewhere["newcomer_ms_p50"]
    return {
        **beside,
        "elsewhere_health_ms_p99": elsewhere["health_ms_p99"],
        "elsewhere_newcomer_ms_p50": elsewhere["newcomer_ms_p50"],
        "newcomer_times": round(times, 2),
    }


def measure(asked: argparse.Namespace) -> Iterator[Result]:
    """Each attack, all of them, and the killed, on one pair of servers."""
    options = ["--max-listeners", str(PLACES), "--write-stall-s", "10", *asked.server_options]
    results = []
    with running_server(options) as server, running_server(options) as other:
        how = asked.seconds, asked.listeners
        for kind in asked.attacks:
            elsewhere = asyncio.run(besiege(server, other, [kind], *how))
            beside = asyncio.run(besiege(server, server, [kind], *how))
            results.append({"case": kind, **with_elsewhere(beside, elsewhere)})
            yield results[-1]
        keys = "health_ms_p99", "newcomer_times", "wrong", "gaps", "rss_peak_mb"
        yield {"case": WORST, **{key: max(each[key] for each in results) for key in keys}}
        how = 60 * asked.minutes, asked.listeners
        yield {"case": ALL, **asyncio.run(besiege(server, server, asked.attacks, *how))}
    with running_server(options) as server:
        yield {"case": KILLED, **asyncio.run(kill(server, asked.killed))}


def main() -> None:
    parser = serving_parser(__doc__)
    parser.add_argument("--attacks", nargs="+", choices=ATTACKS, default=ATTACKS)
    parser.add_argument("--seconds", type=float, default=10.0, help="that an attack goes on")
    parser.add_argument("--minutes", type=float, default=10.0, help="that all of them do")
    parser.add_argument("--listeners", type=int, default=20)
    parser.add_argument("--killed", type=int, default=500)
    report(COLUMNS, FIGURES, measure(parser.parse_args()))


if __name__ == "__main__":
    main()
