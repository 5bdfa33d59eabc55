"""Does memory stay flat over a thousand connections, and how soon is a new server ready?

Each connection says "Hello there!", hears it to its end, and closes as WebSockets do, eight of them
at a time. The server's memory (RSS) is read now and then; what counts is its slope over the second
half, when every cache and allocator has found its size. Starting is timed from making the process
to the first 200 of /health/ready, with the files in the page cache; the figure is the median.

The floor: 0 kB a connection. For the start Python alone takes 20 ms, and numpy, pydantic, trio
and FastAPI have to be imported: 0.6 s of work.

Predicted: less than 0.1 kB a connection (100 kB in a thousand: noise); 5 ms of server CPU each,
so 200 connections a second; ready after 1.0 s.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import Figure, Result, percentiles, report
from bench.meter import KB_PER_MB, Meter
from bench.serving import Client, Server, eight_at_a_time, running_server, serving_parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

COLUMNS = {
    "ready_ms_p50": "ready p50 ms",
    "visit_ms_p50": "visit p50 ms",
    "visit_ms_p95": "p95",
    "per_s": "per s",
    "kb_per_connection": "kB each",
    "rss_growth_mb": "growth MB",
    "server_rss_peak_mb": "rss peak MB",
    "server_cpu_ms_each": "cpu ms each",
    "others_cpu": "others cpu",
}
FIGURES = (
    Figure("start to ready, p50", "start", "ready_ms_p50", "ms", at_most=2000, predicted="1,000"),
    Figure(
        "memory left behind by each of 1000 connections",
        "connections", "kb_per_connection", "kB", predicted="below 0.1",
    ),
)  # fmt: skip

SAMPLES = 40
WARM_UP = 500  # what the allocator and the caches take to find their size


async def measure_memory(server: Server, connections: int) -> Result:
    times_ms: list[float] = []

    async def visit() -> None:
        began = time.perf_counter()
        client = Client()
        await client.connect(server.port, "events=true")
        await client.ask({"token": "Hello there!", "flush": True}, "flushed")
        assert client.n_bytes, "nothing was spoken"
        await client.close()
        times_ms.append(1000 * (time.perf_counter() - began))

    await eight_at_a_time(WARM_UP, visit)
    times_ms.clear()
    counts, sizes_kb = [], []
    meter = Meter(server)
    while len(times_ms) < connections:
        await eight_at_a_time(max(1, connections // SAMPLES), visit)
        counts.append(len(times_ms))
        sizes_kb.append(server.process.memory_info().rss / KB_PER_MB)
    usage = meter.read()
    half = len(counts) // 2
    slope = statistics.linear_regression(counts[half:], sizes_kb[half:]).slope
    n = len(times_ms)
    return {
        "case": "connections",
        **percentiles("visit_ms", times_ms),
        "per_s": round(n / usage["wall_s"], 1),
        "kb_per_connection": round(slope, 3),
        "rss_growth_mb": round((sizes_kb[-1] - sizes_kb[0]) / KB_PER_MB, 2),
        "server_cpu_ms_each": round(1000 * usage["server_cpu"] * usage["wall_s"] / n, 2),
        **usage,
    }


def measure_starts(starts: int, server_options: list[str]) -> Result:
    times_ms = []
    for _ in range(1 + starts):  # the first warms up
        with running_server(server_options) as server:
            while not _is_ready(server):
                time.sleep(0.002)
            times_ms.append(1000 * (time.perf_counter() - server.started_at))
    return {"case": "start", **percentiles("ready_ms", times_ms[1:])}


def _is_ready(server: Server) -> bool:
    try:
        status, _ = server.get("/health/ready")
    except OSError:
        return False
    return status == HTTPStatus.OK


def measure(asked: argparse.Namespace) -> Iterator[Result]:
    """The starts, then one server that is visited."""
    yield measure_starts(asked.starts, asked.server_options)
    with running_server(asked.server_options) as server:
        yield asyncio.run(measure_memory(server, asked.connections))


def main() -> None:
    parser = serving_parser(__doc__)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--starts", type=int, default=5)
    report(COLUMNS, FIGURES, measure(parser.parse_args()))


if __name__ == "__main__":
    main()
