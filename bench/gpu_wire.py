"""The real server as its clients have it: `bench/forced.py` in a process of its own, with Soprano
and an RVC voice from files, and real WebSockets from other processes. A part of `bench/gpu.py`.

Open loop: conversations come as they please (a Poisson process, the same in every run), however
long the others wait. Closed loop: listeners to whom sentence after sentence is said, each as soon
as the one before it has been heard.

A sentence counts from sending its last word, with which it is flushed, to its first *audible*
sample as it is played. A gap is silence in mid-sentence, by the client's own clock: each message
is played at once, or behind those before it.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, NamedTuple

from bench.common import Result, percentiles
from bench.forced import PROGRAM
from bench.meter import Meter
from bench.models import Files
from bench.serving import running_server
from bench.sessions import most_without_gaps
from bench.wire_clients import open_crew

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from bench.serving import Server
    from bench.wire_clients import Crew, Told

MAX_LISTENERS = 512
START_WITHIN_S = 90.0
SEED = 15


class Plan(NamedTuple):
    """What is measured, and for how long."""

    rates: tuple[float, ...]
    """Of newcomers, a second."""
    listeners: tuple[int, ...]
    interrupt_at: int
    """Of these, beside how many somebody interrupts."""
    window_s: float
    settle_s: float
    """Before each window, so that as many are there as will be."""
    cancels: int
    processes: int
    """Of clients."""


FULL_PLAN = Plan(
    rates=(1, 4, 8, 12, 20, 40),
    listeners=(1, 32, 64, 128, 200, 256, 384, 500),
    interrupt_at=200,
    window_s=3.5,
    settle_s=1.5,
    cancels=12,
    processes=2,
)
TINY_PLAN = Plan(
    rates=(1,),
    listeners=(1, 2),
    interrupt_at=1,
    window_s=2,
    settle_s=0.5,
    cancels=1,
    processes=1,
)
LEAST_ARRIVALS = 8
"""In a window, on the average: a longer one is taken for them where few come."""
INTERRUPTERS = 2
"""In each process."""


def wire(asked: argparse.Namespace) -> Iterator[Result]:
    """The start, the open loop, the closed one."""
    plan = TINY_PLAN if asked.tiny else FULL_PLAN
    with (
        running_server(options(asked), [PROGRAM], START_WITHIN_S) as server,
        open_crew(server.port, plan.processes) as crew,
    ):
        print("  ", *server.log.read_text().splitlines(), sep="\n  ", flush=True)
        yield {"case": "ready", "after_s": round(server.ready_s, 1)}
        yield from open_loop(server, crew, plan)
        yield from closed_loop(server, crew, plan)


def options(asked: argparse.Namespace) -> list[str]:
    """The server's."""
    files = Files(asked.models)
    return [
        *("--engine", "soprano", "--voice", files.voice.stem, "--device", asked.device),
        *("--models", str(files.models), "--voices", str(files.voice.parent)),
        *("--max-listeners", str(MAX_LISTENERS if not asked.tiny else 8)),
        *("--shutdown-grace-s", "0"),
    ]


def open_loop(server: Server, crew: Crew, plan: Plan) -> Iterator[Result]:
    """One rate after the other without a pause; the rows come when all have been heard."""
    chance = random.Random(SEED)
    windows, times = [], []
    end = time.perf_counter() + 0.5
    for rate in plan.rates:
        at, begin = end, end + plan.settle_s
        end = begin + max(plan.window_s, LEAST_ARRIVALS * plan.window_s / 4 / rate)
        while (at := at + chance.expovariate(rate)) < end:
            times.append(at)
        windows.append((begin, end))
    crew.order("arrive", [times[n :: plan.processes] for n in range(plan.processes)])
    usages = [used_within(server, crew, *window) for window in windows]
    told = crew.answers()
    for rate, window, usage in zip(plan.rates, windows, usages, strict=True):
        yield {"case": f"{rate:g} a second", **heard(told.within(*window)), **usage}


def closed_loop(server: Server, crew: Crew, plan: Plan) -> Iterator[Result]:
    """More and more listeners, until the server refuses some or starves them."""
    results: list[Result] = []
    for n in plan.listeners:
        n_more = n - (plan.listeners[len(results) - 1] if results else 0)
        begin = time.perf_counter() + plan.settle_s
        end = begin + plan.window_s
        crew.order("listen", crew.shares(n_more), crew.each(begin), crew.each(end))
        usage = used_within(server, crew, begin, end)
        told = crew.answers()
        whole = told.within(begin, end)._replace(refused=told.refused, lost=told.lost)
        results.append({"case": f"{n} listening", "listeners": n, **heard(whole), **usage})
        yield results[-1]
        if n == plan.interrupt_at:
            crew.order(
                "interrupt", [INTERRUPTERS] * plan.processes, [plan.cancels] * plan.processes
            )
            cancels_ms = [1000 * each.seconds for each in crew.answers().cancels]
            yield {"case": f"cancel beside {n}", **percentiles("silent_ms", cancels_ms)}
        if told.refused or len(whole.gaps) > n:
            break
    crew.order("leave")
    crew.answers()
    # One whom nobody speaks to has no gap.
    bad = ("refused", "lost", "gaps")
    counted = [{**each, "gaps": sum(each[key] for key in bad)} for each in results]
    yield {"case": "without a gap", "most_listeners": most_without_gaps(counted)}


def used_within(server: Server, crew: Crew, begin: float, end: float) -> Result:
    """What server and clients use between two times."""
    time.sleep(max(0.0, begin - time.perf_counter()))
    meter = Meter(server, crew.processes)
    time.sleep(max(0.0, end - time.perf_counter()))
    return meter.read()


def heard(told: Told) -> Result:
    """A row of what clients heard."""
    first = percentiles("first_audio_ms", [1000 * each.seconds for each in told.firsts])
    gaps_ms = [1000 * each.seconds for each in told.gaps]
    connect = percentiles("connect_ms", [1000 * each.seconds for each in told.connects])
    late = percentiles("late_ms", [1000 * each.seconds for each in told.late])
    return {
        "first_audio_ms": first.pop("first_audio_ms_p50"),
        **first,
        "gaps": len(gaps_ms),
        "gap_ms": round(max(gaps_ms, default=0.0), 1),
        "refused": len(told.refused),
        "lost": len(told.lost),
        "connect_ms_p95": connect["connect_ms_p95"],
        "client_late_ms_p99": late["late_ms_p99"],
    }
