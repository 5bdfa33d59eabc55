"""Does anything grow while clients come and go, behave and misbehave, for ten minutes or an hour?

There are always ``--clients`` of them; when one goes, the kind of the next is drawn:

behaves    hears a sentence to its end, and closes; half of them with a pitch shift
barges in  asks for minutes of speech and cancels it, five times over
crashes    asks for minutes of speech, and resets the connection in the midst of it
stalls     asks for minutes of speech and reads none of it, until it is cut off or has had enough
asks       by HTTP, for a sentence
babbles    sends bytes that are neither HTTP nor TLS

Every ``--every`` seconds the server is looked at: resident memory, descriptors, Trio's tasks by its
own /metrics, and what its allocators have handed out (bench/heap.py), Python's in blocks, the C
library's in bytes. Resident memory beyond those is memory that nobody holds. What counts is the
least-squares slope of each, over all but the first third, in which caches and allocators find their
size; beside it its standard error, for noise has a slope too. Those who behave must hear as much
audio each time.

    python bench/soak.py                  ten minutes
    python bench/soak.py --minutes 60     an hour

The floor: nothing grows. Predicted: no slope beyond two standard errors in descriptors and tasks;
memory within 100 kB a minute of none, and none that anybody holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import Figure, Result, report
from bench.heap import PROGRAM, ask
from bench.meter import KB_PER_MB, Holdings, Meter
from bench.serving import (
    HOST,
    SENTENCE,
    SMALL,
    SPEECH,
    WITHIN_S,
    Client,
    Server,
    running_server,
    serving_parser,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Iterator, Sequence

COLUMNS = {
    "minutes": "minutes",
    "clients": "clients",
    "rss_kb_per_min": "rss kB/min",
    "rss_kb_per_min_error": "+-",
    "blocks_per_min": "blocks/min",
    "blocks_per_min_error": "+-",
    "malloc_kb_per_min": "malloc kB/min",
    "malloc_kb_per_min_error": "+-",
    "fds_per_min": "fds/min",
    "fds_per_min_error": "+-",
    "tasks_per_min": "tasks/min",
    "tasks_per_min_error": "+-",
    "rss_mb_after_a_third": "rss MB at 1/3",
    "rss_mb_at_the_end": "at the end",
    "server_rss_peak_mb": "peak",
    "visits": "visits",
    "failures": "failures",
    "server_cpu": "server cpu",
    "others_cpu": "others cpu",
}
FIGURES = (
    Figure(
        "memory added in a minute", "soak", "rss_kb_per_min", "kB",
        at_most=100, predicted="0 ± 100",
    ),
    Figure("the same, in its standard errors", "soak", "rss_in_errors", at_most=2),
    Figure(
        "blocks of Python's allocator added, in standard errors",
        "soak", "blocks_in_errors", at_most=2,
    ),
    Figure("bytes of malloc's, likewise", "soak", "malloc_in_errors", at_most=2),
    Figure("file descriptors added in a minute", "soak", "fds_per_min", predicted="0"),
    Figure("tasks added in a minute", "soak", "tasks_per_min", predicted="0"),
)  # fmt: skip

STALLS_FOR_S = 6.0
SEED = 1


class Crowd:
    """All clients, and what they have to say about it."""

    def __init__(self, server: Server) -> None:
        self.n_visits = 0
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
            self.n_visits += 1

    async def _connected(self, query: str = "", receive_buffer: int | None = None) -> Client:
        client = Client()
        await client.connect(self._server.port, f"events=true{query}", receive_buffer)
        return client

    async def _behave(self) -> None:
        pitch_shift = self._chance.choice((0, 4))
        client = await self._connected(f"&pitch_shift={pitch_shift}")
        await client.ask({"token": SENTENCE, "flush": True}, "flushed")
        await client.close()
        expected = self._heard.setdefault(pitch_shift, client.n_bytes)
        if client.n_bytes != expected:
            raise RuntimeError(f"heard {client.n_bytes} bytes instead of {expected}")

    async def _barge_in(self) -> None:
        client = await self._connected()
        for _ in range(5):
            client.send({"token": SPEECH})
            await asyncio.sleep(self._chance.random() / 10)
            await client.ask({"cancel": True}, "cancelled")
        await client.close()

    async def _crash(self) -> None:
        client = await self._connected()
        client.send({"token": SPEECH})
        await asyncio.sleep(self._chance.random() / 5)
        client.transport.abort()

    async def _stall(self) -> None:
        client = await self._connected(receive_buffer=SMALL)
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


async def soak(server: Server, heap_file: Path, asked: argparse.Namespace) -> Result:
    began = time.perf_counter()
    end = began + 60 * asked.minutes
    crowd, meter = Crowd(server), Meter(server)
    minutes: list[float] = []
    held: list[Holdings] = []
    heap: list[dict[str, int]] = []
    async with asyncio.TaskGroup() as everybody:
        for _ in range(asked.clients):
            everybody.create_task(crowd.visit_until(end))
        for number in itertools.count(1):
            await asyncio.sleep(min(began + number * asked.every, end) - time.perf_counter())
            if time.perf_counter() >= end:
                break
            held.append(await asyncio.to_thread(Holdings.of, server))
            heap.append(await asyncio.to_thread(ask, server.process, heap_file))
            minutes.append((time.perf_counter() - began) / 60)
    settled, at = held[len(held) // 3 :], minutes[len(held) // 3 :]
    if len(settled) < 3:
        raise RuntimeError("too short to say anything: there have to be three samples at least")
    rss_kb, rss_error = slope(at, [each.rss_kb for each in settled])
    in_use = heap[len(heap) // 3 :]
    blocks, blocks_error = slope(at, [each["blocks"] for each in in_use])
    malloc_kb, malloc_error = slope(at, [each["in_use"] / 1024 for each in in_use])
    fds, fds_error = slope(at, [each.n_fds for each in settled])
    tasks, tasks_error = slope(at, [each.n_tasks for each in settled])
    return {
        "case": "soak",
        "minutes": asked.minutes,
        "clients": asked.clients,
        "rss_kb_per_min": round(rss_kb, 3),
        "rss_kb_per_min_error": round(rss_error, 3),
        "rss_in_errors": round(rss_kb / rss_error, 2),
        "blocks_per_min": round(blocks, 3),
        "blocks_per_min_error": round(blocks_error, 3),
        "blocks_in_errors": round(blocks / blocks_error, 2),
        "malloc_kb_per_min": round(malloc_kb, 3),
        "malloc_kb_per_min_error": round(malloc_error, 3),
        "malloc_in_errors": round(malloc_kb / malloc_error, 2),
        "fds_per_min": round(fds, 3),
        "fds_per_min_error": round(fds_error, 3),
        "tasks_per_min": round(tasks, 3),
        "tasks_per_min_error": round(tasks_error, 3),
        "rss_mb_after_a_third": round(settled[0].rss_kb / KB_PER_MB, 1),
        "rss_mb_at_the_end": round(settled[-1].rss_kb / KB_PER_MB, 1),
        "visits": crowd.n_visits,
        "failures": sum(crowd.failures.values()),
        "failed": dict(crowd.failures.most_common(10)),
        **meter.read(),
    }


def measure(asked: argparse.Namespace) -> Iterator[Result]:
    """One server, with a short write stall limit, so that those who stall meet it."""
    options = ["--write-stall-s", "2", *asked.server_options]
    with tempfile.TemporaryDirectory() as folder:
        heap_file = Path(folder, "heap")
        with running_server(options, [PROGRAM, str(heap_file)]) as server:
            yield asyncio.run(soak(server, heap_file, asked))


def main() -> None:
    parser = serving_parser(__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two looks")
    report(COLUMNS, FIGURES, measure(parser.parse_args()))


if __name__ == "__main__":
    main()
