"""Does anything grow while clients come and go, behave and misbehave, for ten minutes or an hour?

At any time there are ``--clients`` of them, and as one goes the next one's kind is drawn:

behaves    hears a sentence out, and closes; half of them with a pitch shift
barges in  asks for minutes of speech and cancels it, five times over
crashes    asks for minutes of speech, and resets the connection in the midst of it
stalls     asks for minutes of speech and reads none of it, until it is cut off or has had enough
asks       by HTTP, for a sentence
babbles    sends bytes that are neither HTTP nor TLS

Every ``--every`` seconds the server is looked at: resident memory, descriptors, and Trio's tasks by
its own /metrics. What counts is the least-squares slope of each, over all but the first third, in
which caches and arenas find their size; beside it its standard error, for noise has a slope too.
Those who behave must hear as much sound each time.

    python bench/soak.py                  ten minutes
    python bench/soak.py --minutes 60     an hour

The floor: nothing grows. Predicted: no slope beyond two standard errors in descriptors and tasks;
memory within 100 kB a minute of none.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import itertools
import json
import math
import random
import re
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.common import (
    HOST,
    Client,
    Meter,
    Result,
    Server,
    arguments,
    report,
    rss_mb,
    running_server,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

SENTENCE = "The boats stayed where they were today!"
SPEECH = "It had been raining since the morning, so the boats stayed where they were. " * 60
STALLS_FOR_S = 6.0
SMALL = 8 * 1024
WITHIN_S = 30
KB_PER_MB = 1024
MOST_SHOWN = 200  # looks that go into the result, for a plot as wide
SEED = 1


class Sample(NamedTuple):
    minutes: float
    rss_kb: float
    n_fds: float
    n_tasks: float


class Visitor(Client):
    """Counts what it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.n_audio = 0
        self.flushed = asyncio.Event()
        self.cancelled = asyncio.Event()

    def on_audio(self, payload: memoryview, now: float) -> None:
        self.n_audio += len(payload)

    def on_text(self, message: dict[str, Any], now: float) -> None:
        if message.get("event") == "flushed":
            self.flushed.set()
        elif message.get("event") == "cancelled":
            self.cancelled.set()


class Crowd:
    """All clients, and what they have to say about it."""

    def __init__(self, server: Server) -> None:
        self.visits: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._server = server
        self._chance = random.Random(SEED)
        self._heard: dict[int, int] = {}
        self._kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "behaves": self._behave,
            "barges in": self._barge_in,
            "crashes": self._crash,
            "stalls": self._stall,
            "asks": self._ask,
            "babbles": self._babble,
        }

    async def visit_until(self, end: float) -> None:
        """One client after another."""
        while time.perf_counter() < end:
            kind = self._chance.choice(list(self._kinds))
            try:
                async with asyncio.timeout(WITHIN_S):
                    await self._kinds[kind]()
            except (OSError, TimeoutError, RuntimeError) as error:
                self.failures[f"{kind}: {error!r}"] += 1
                await asyncio.sleep(0.1)
            self.visits[kind] += 1

    async def _connected(self, query: str, receive_buffer: int | None = None) -> Visitor:
        client = Visitor()
        await client.connect(self._server.port, f"events=true{query}", receive_buffer)
        return client

    async def _behave(self) -> None:
        pitch_shift = self._chance.choice((0, 4))
        client = await self._connected(f"&pitch_shift={pitch_shift}")
        client.send({"token": SENTENCE, "flush": True})
        await client.flushed.wait()
        await client.close()
        expected = self._heard.setdefault(pitch_shift, client.n_audio)
        if client.n_audio != expected:
            raise RuntimeError(f"heard {client.n_audio} bytes instead of {expected}")

    async def _barge_in(self) -> None:
        client = await self._connected("")
        for _ in range(5):
            client.cancelled.clear()
            client.send({"token": SPEECH})
            await asyncio.sleep(self._chance.random() / 10)
            client.send({"cancel": True})
            await client.cancelled.wait()
        await client.close()

    async def _crash(self) -> None:
        client = await self._connected("")
        client.send({"token": SPEECH})
        await asyncio.sleep(self._chance.random() / 5)
        client.transport.abort()

    async def _stall(self) -> None:
        client = await self._connected("", SMALL)
        client.transport.pause_reading()
        client.send({"token": SPEECH})
        await asyncio.sleep(STALLS_FOR_S)
        client.transport.abort()

    async def _ask(self) -> None:
        reader, writer = await asyncio.open_connection(HOST, self._server.port)
        body = json.dumps({"text": SENTENCE}).encode()
        head = f"POST /api/speak HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.read(-1)
        writer.close()
        if b" 200 " not in answer[:20]:
            raise RuntimeError(f"answered {answer[:20]!r}")

    async def _babble(self) -> None:
        reader, writer = await asyncio.open_connection(HOST, self._server.port)
        with contextlib.suppress(ConnectionError):
            writer.write(self._chance.randbytes(200))
            await reader.read(-1)
        writer.close()


def look(server: Server, began: float) -> Sample:
    with contextlib.closing(http.client.HTTPConnection(HOST, server.port, timeout=10)) as asked:
        asked.request("GET", "/metrics")
        told = asked.getresponse().read().decode()
    found = re.search(r"^voice_tasks (\S+)", told, re.MULTILINE)
    if found is None:
        raise RuntimeError("the server does not tell of its tasks")
    minutes = (time.perf_counter() - began) / 60
    rss_kb = KB_PER_MB * rss_mb(server.process)
    return Sample(minutes, rss_kb, server.process.num_fds(), float(found[1]))


def slope(minutes: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """By least squares: what is added in a minute, and the standard error of that."""
    line = statistics.linear_regression(minutes, values)
    rest = [
        value - (line.intercept + line.slope * at)
        for at, value in zip(minutes, values, strict=True)
    ]
    middle = statistics.fmean(minutes)
    spread = sum((at - middle) ** 2 for at in minutes)
    error = math.sqrt(sum(one**2 for one in rest) / max(1, len(rest) - 2) / spread)
    return line.slope, error


async def soak(server: Server, minutes: float, clients: int, every_s: float) -> Result:
    began = time.perf_counter()
    end = began + 60 * minutes
    crowd, meter = Crowd(server), Meter(server)
    samples: list[Sample] = []
    async with asyncio.TaskGroup() as everybody:
        for _ in range(clients):
            everybody.create_task(crowd.visit_until(end))
        for number in itertools.count(1):
            await asyncio.sleep(min(began + number * every_s, end) - time.perf_counter())
            if time.perf_counter() >= end:
                break
            samples.append(await asyncio.to_thread(look, server, began))
    settled = samples[len(samples) // 3 :]
    if len(settled) < 3:
        raise RuntimeError("too short to say anything: there have to be three samples at least")
    at = [sample.minutes for sample in settled]
    result: Result = {"case": f"{minutes:g} min, {clients} clients"}
    for name, values in (
        ("rss_kb", [sample.rss_kb for sample in settled]),
        ("fds", [sample.n_fds for sample in settled]),
        ("tasks", [sample.n_tasks for sample in settled]),
    ):
        added, error = slope(at, values)
        result |= {f"{name}_per_min": round(added, 3), f"{name}_per_min_error": round(error, 3)}
    failures = sum(crowd.failures.values())
    visits = {"visits": sum(crowd.visits.values()), "failures": failures}
    seen = samples[:: math.ceil(len(samples) / MOST_SHOWN)]
    return {
        **result,
        **visits,
        "failed": dict(crowd.failures.most_common(10)),
        "minutes": [round(sample.minutes, 2) for sample in seen],
        "rss_mb": [round(sample.rss_kb / KB_PER_MB, 2) for sample in seen],
        **meter.read(),
    }


def measure_all(
    minutes: float, clients: int, every_s: float, server_options: list[str]
) -> Iterator[Result]:
    # Little patience, so that those who stall meet it.
    with running_server(["--write-stall-s", "2", *server_options]) as server:
        yield asyncio.run(soak(server, minutes, clients, every_s))


def main() -> None:
    options = arguments(
        __doc__,
        ("--minutes", {"type": float, "default": 10.0}),
        ("--clients", {"type": int, "default": 12}),
        ("--every", {"type": float, "default": 5.0, "help": "seconds between two looks"}),
    )
    columns = {"case": "case"}
    for name in ("rss_kb", "fds", "tasks"):
        columns |= {f"{name}_per_min": f"{name}/min", f"{name}_per_min_error": "+-"}
    columns |= {
        "visits": "visits",
        "failures": "failures",
        "server_cpu": "server cpu",
        "server_rss_peak_mb": "rss peak MB",
        "others_cpu": "others cpu",
    }
    report(
        "soak",
        options.server_options,
        columns,
        measure_all(options.minutes, options.clients, options.every, options.server_options),
    )


if __name__ == "__main__":
    main()
