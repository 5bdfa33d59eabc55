"""Does memory stay flat over a thousand connections, and how soon is a new server ready?

Each connection says "Hello there!", hears it out, and closes as WebSockets do, eight of them at
a time. The server's memory (RSS) is read now and then; what counts is its slope over the second
half, long after every cache and arena has found its size. Starting is timed from making the process
to the first 200 of /health/ready, files in the page cache, the middle one of some starts.

The floor: 0 KB a connection. For the start Python alone takes 20 ms, and numpy, pydantic, trio
and FastAPI have to be imported: 0.6 s of work.

Predicted: less than 0.1 KB a connection (100 KB in a thousand: noise); 5 ms of server CPU each,
so 200 connections a second; ready after 1.0 s.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.common import (
    HOST,
    Client,
    Meter,
    Result,
    Server,
    arguments,
    percentiles,
    report,
    rss_mb,
    running_server,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_A_TIME = 8
SAMPLES = 40
WARM_UP = 500  # what the allocator and the caches take to find their size
KB_PER_MB = 1024


class Visitor(Client):
    """Knows when the server has said everything."""

    def __init__(self) -> None:
        super().__init__()
        self.n_audio = 0
        self.flushed = asyncio.Event()

    def on_audio(self, payload: memoryview, now: float) -> None:
        self.n_audio += len(payload)

    def on_text(self, message: dict[str, Any], now: float) -> None:
        if message.get("event") == "flushed":
            self.flushed.set()


async def visit(port: int) -> float:
    """Connect, hear a sentence out, close; returns how long that took."""
    began = time.perf_counter()
    client = Visitor()
    await client.connect(port, "events=true")
    client.send({"token": "Hello there!", "flush": True})
    async with asyncio.timeout(10):
        await client.flushed.wait()
    assert client.n_audio, "nothing was spoken"
    await client.close()
    return time.perf_counter() - began


async def measure_memory(server: Server, connections: int) -> Result:
    await _visit_often(server, WARM_UP)
    per_sample = max(1, connections // SAMPLES)
    times: list[float] = []
    counts, sizes_kb = [], []
    meter = Meter(server)
    while len(times) < connections:
        times += await _visit_often(server, per_sample)
        counts.append(len(times))
        sizes_kb.append(rss_mb(server.process) * KB_PER_MB)
    usage = meter.read()
    half = len(counts) // 2
    slope = statistics.linear_regression(counts[half:], sizes_kb[half:]).slope
    return {
        "case": "connections",
        **percentiles("visit_ms", [1000 * seconds for seconds in times]),
        "per_s": round(len(times) / usage["wall_s"], 1),
        "kb_per_connection": round(slope, 3),
        "rss_growth_mb": round((sizes_kb[-1] - sizes_kb[0]) / KB_PER_MB, 2),
        "server_cpu_ms_each": round(1000 * usage["server_cpu"] * usage["wall_s"] / len(times), 2),
        **usage,
    }


async def _visit_often(server: Server, n: int) -> list[float]:
    todo = iter(range(n))
    times: list[float] = []

    async def visit_again() -> None:
        times.extend([await visit(server.port) for _ in todo])

    async with asyncio.TaskGroup() as visitors:
        for _ in range(AT_A_TIME):
            visitors.create_task(visit_again())
    return times


def measure_starts(starts: int, server_options: list[str]) -> Result:
    times = []
    for _ in range(starts + 1):
        with running_server(server_options) as server:
            while not _is_ready(server.port):
                time.sleep(0.002)
            times.append(1000 * (time.perf_counter() - server.started_at))
    return {"case": "start", **percentiles("ready_ms", times[1:])}


def _is_ready(port: int) -> bool:
    with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=5)) as connection:
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False


def main() -> None:
    options = arguments(
        __doc__,
        ("--connections", {"type": int, "default": 1000}),
        ("--starts", {"type": int, "default": 5}),
    )
    columns = {
        "case": "case",
        "ready_ms_p50": "ready p50 ms",
        "visit_ms_p50": "visit p50 ms",
        "visit_ms_p95": "p95",
        "per_s": "per s",
        "kb_per_connection": "KB each",
        "rss_growth_mb": "growth MB",
        "server_rss_peak_mb": "rss peak MB",
        "server_cpu_ms_each": "cpu ms each",
        "others_cpu": "others cpu",
    }

    report(
        "connections",
        options.server_options,
        columns,
        measure_all(options.starts, options.connections, options.server_options),
    )


def measure_all(starts: int, connections: int, server_options: list[str]) -> Iterator[Result]:
    """The starts, then one server that is visited."""
    yield measure_starts(starts, server_options)
    with running_server(server_options) as server:
        yield asyncio.run(measure_memory(server, connections))


if __name__ == "__main__":
    main()
