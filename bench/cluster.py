"""What does a balancer cost, and what does it save? HAProxy before light servers on one machine.

first audio   one listener, one server: to connect, a ping, and first audio (see the bench of that
              name, ``!``), direct, direct once more, and through the balancer, in turns: ``added``
              is what lies between the medians, and what lies between the direct ones is chance
listeners     how many can be spoken to at once without a gap, by 1, 2, 3 and 4 servers: fed word
              by word at speaking rate, as in the bench of many listeners. Two runs with a gap at a
              number make it too many. ``balancer cpu`` is its part of a core
failures      listeners of three servers, while one is killed (``kill -9``) or hangs (``SIGSTOP``):
              from the signal to each of its listeners' first new sound, by way of a new connection
              and a sentence. ``seen`` is when its end is seen, ``back`` when there is a connection
leaving       utterances that are still being sent while their server drains, or ends by SIGTERM
              (and is started anew), or the balancer reads its configuration anew: ``in the middle``
              is how many there were. Cut is who did not get every sample; lost who got an error
              or none; newcomers who were turned away are refused

Servers, balancer and clients share the cores: what all of them took is told. The floor of the
listeners is what a second of sound takes of a core, measured first with few listeners: all cores
divided by that of servers, balancer and clients together is what there could be. The floor of a
failure is the network's word that a connection has ended, some milliseconds, and a visit (connect,
upgrade, first audio: 10 ms). A server that hangs is found out by the balancer's checks, two
of which must fail: 1.9 to 2.2 s.

Predicted: 0.3 ms more to first audio, 0.2 to a ping. On two cores one server speaks to 130, two to
200, limited by the cores; three and four to as many within a tenth, each costing but its memory.
The balancer takes a twentieth of what the servers take: two copies of 192 kB a second and
listener. kill -9: 100 ms at the median, 200 at p95, since ten come back to two servers at once.
SIGSTOP: 1.9 s. Nobody is cut by a drain, by SIGTERM or by a reload.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.cluster_faults import addresses, cluster_of, measure_failures, measure_leaving
from bench.common import Figure, Result, argument_parser, busy_seconds, percentiles, report
from bench.first_audio import WARM_UP, Hearer
from bench.sessions import RAMP_S, SETTLE_S, Listener, Point, drain, summary, talk

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from tests.cluster.balanced import Cluster

COLUMNS = {
    "ms_p50": "p50 ms",
    "ms_p95": "p95",
    "listeners": "listeners",
    "first_audio_ms_p50": "first p50 ms",
    "first_audio_ms_p95": "p95",
    "gaps": "gaps",
    "servers_cpu": "servers cpu",
    "balancer_cpu": "balancer cpu",
    "client_cpu": "client cpu",
    "others_cpu": "others cpu",
    "seen_ms_p50": "seen p50 ms",
    "back_ms_p50": "back p50 ms",
    "back_ms_p95": "p95",
    "sound_ms_p50": "sound p50 ms",
    "sound_ms_p95": "p95",
    "utterances": "utterances",
    "in_the_middle": "in the middle",
    "cut": "cut",
    "lost": "lost",
    "refused": "refused",
}
ADDED, FEW = "first audio: added", "few listeners"
FIGURES = (
    Figure("through the balancer: later to first audio, p50", ADDED, "ms_p50", "ms", at_most=0.5,
           predicted="0.3"),
    Figure("the same between two direct connections", "first audio: chance", "ms_p50", "ms"),
    Figure("a second of sound: of a core, the servers", FEW, "servers_ms_per_audio_s", "ms"),
    Figure("the same, the balancer", FEW, "balancer_ms_per_audio_s", "ms", predicted="0.4"),
    Figure("listeners without a gap, one server", "1 server", "listeners", predicted="130"),
    Figure("the same, 2 servers", "2 servers", "listeners", predicted="200"),
    Figure("the same, 4 servers", "4 servers", "listeners", predicted="200"),
    Figure("4 servers: of what one server a core has", "4 servers", "of_one_a_core", at_least=0.9,
           predicted="1"),
    Figure("kill -9: to a new first sound, p50", "kill -9", "sound_ms_p50", "ms", predicted="100"),
    Figure("the same, p95", "kill -9", "sound_ms_p95", "ms", at_most=250, predicted="200"),
    Figure("SIGSTOP: to a new first sound, p95", "SIGSTOP", "sound_ms_p95", "ms", at_most=2500,
           predicted="2000"),
    *(Figure(f"cut or lost across {what}", case, "cut_or_lost", at_most=0, predicted="0")
      for what, case in (("a drain", "drain"), ("SIGTERM", "SIGTERM"), ("a reload", "reload"))),
)  # fmt: skip

QUERY = "events=true"
PLACES = 400
"""Of each server, where the machine is to be the limit."""
FEW_LISTENERS = 30
FIRST_GUESS = 100
GROWTH, FINE = 1.3, 1.05
"""By how much more listeners are tried, and how finely the limit is looked for."""


class Usage:
    """Cores that each took between its making and `read`."""

    def __init__(self, cluster: Cluster) -> None:
        servers = [psutil.Process(server.pid) for server in cluster.servers]
        worker = psutil.Process(int(cluster.balancer.info()["Pid"]))
        self._who = {
            "servers_cpu": [each for one in servers for each in (one, *one.children())],
            "balancer_cpu": [worker],
            "client_cpu": [psutil.Process()],
        }
        self._at = time.perf_counter()
        self._before = self._seconds()

    def read(self) -> Result:
        """`others_cpu` is everything else on this machine: near 0, or distrust the figures."""
        wall_s = time.perf_counter() - self._at
        after = self._seconds()
        cores = {name: (after[name] - self._before[name]) / wall_s for name in after}
        cores["others_cpu"] = max(0.0, 2 * cores["others_cpu"] - sum(cores.values()))
        return {name: round(value, 3) for name, value in cores.items()}

    def _seconds(self) -> dict[str, float]:
        own = {
            name: sum(sum(each.cpu_times()[:2]) for each in processes)
            for name, processes in self._who.items()
        }
        return {**own, "others_cpu": busy_seconds()}


# First audio.


async def in_turns(cluster: Cluster, repeats: int) -> dict[str, dict[str, list[float]]]:
    """Milliseconds, by what was timed and by which way it went. Each time on a new connection, as
    who has much to hear yet is served behind all others."""
    direct = cluster.servers[0].port
    ways = {"direct": direct, "direct again": direct, "balanced": cluster.port}
    times: dict[str, dict[str, list[float]]] = {
        what: {way: [] for way in ways} for what in ("connect", "ping", "first audio")
    }
    names, sources, n_bytes = list(ways), addresses(), 0
    for turn in range(-WARM_UP, repeats):
        for way in names[turn % 3 :] + names[: turn % 3]:
            hearer = Hearer()
            came_at = time.perf_counter()
            await hearer.connect(ways[way], source=next(sources))
            connected_at = time.perf_counter()
            pinged_at, answered_at = await hearer.ping()
            sent_at = await hearer.hear("!", n_bytes)
            n_bytes = hearer.n_bytes
            heard_at = hearer.playback.first_at or 0.0
            await hearer.close()
            if turn >= 0:
                times["connect"][way].append(1000 * (connected_at - came_at))
                times["ping"][way].append(1000 * (answered_at - pinged_at))
                times["first audio"][way].append(1000 * (heard_at - sent_at))
    return times


def measure_first_audio(asked: argparse.Namespace) -> Iterator[Result]:
    """Direct and through the balancer, in turns."""
    with cluster_of([8], asked) as cluster:
        times = asyncio.run(in_turns(cluster, asked.repeats))
    for what, by_way in times.items():
        found = {way: percentiles("ms", values) for way, values in by_way.items()}
        yield from ({"case": f"{what}: {way}", **values} for way, values in found.items())
        for name, way in (("added", "balanced"), ("chance", "direct again")):
            later = {
                key: round(found[way][key] - found["direct"][key], 3)
                for key in ("ms_p50", "ms_p95")
            }
            yield {"case": f"{what}: {name}", **later}


# Listeners.


async def fed(cluster: Cluster, n_listeners: int, seconds: float) -> Result:
    """So many listeners, fed at speaking rate through the balancer."""
    listeners = [Listener() for _ in range(n_listeners)]
    for listener, source in zip(listeners, addresses(), strict=False):
        await listener.connect(cluster.port, QUERY, source=source)
    await asyncio.sleep(SETTLE_S)
    begin = time.perf_counter() + RAMP_S
    end = begin + seconds
    async with asyncio.TaskGroup() as talking:
        for seed, listener in enumerate(listeners):
            talking.create_task(talk(listener, seed, end))
            await asyncio.sleep(RAMP_S / n_listeners)
        await asyncio.sleep(begin - time.perf_counter())
        usage = Usage(cluster)
        await asyncio.sleep(seconds)
        used = usage.read()
    await drain(listeners)
    for listener in listeners:
        listener.transport.abort()
    heard = summary(Point(n_listeners, 0, at_once=False), listeners, begin, end)
    return {"listeners": n_listeners, **heard, **used}


def most_fed(cluster: Cluster, guess: int, seconds: float) -> Result:
    """The most of them who hear no gap."""

    def tried(n: int) -> Result | None:
        for _ in range(2):
            point = asyncio.run(fed(cluster, n, seconds))
            said = f"   {n}: {point['gaps']} gaps, first p95 {point['first_audio_ms_p95']} ms"
            print(said, file=sys.stderr, flush=True)
            if not (point["gaps"] or point["lost"] or point["errors"]):
                return point
        return None

    return most_that(tried, guess)


def most_that(tried: Callable[[int], Result | None], guess: int) -> Result:
    """The result of the largest number that succeeds, looked for from a guess."""
    good, bad, best = 0, None, None
    n = guess
    while bad is None or bad > FINE * good + 1:
        point = tried(n)
        if point is None:
            bad = n
        else:
            good, best = n, point
        n = round(GROWTH * n) if bad is None else (good + bad) // 2
    return best or {"listeners": 0}


def measure_listeners(asked: argparse.Namespace) -> Iterator[Result]:
    """The floor, then as many servers as are asked for."""
    cores = len(os.sched_getaffinity(0))
    most: dict[int, int] = {}
    guess = asked.guess
    for n_servers in asked.servers:
        with cluster_of([PLACES] * n_servers, asked) as cluster:
            warm = asyncio.run(fed(cluster, FEW_LISTENERS, asked.seconds))
            if not most:
                yield floor(warm, cores)
            best = most_fed(cluster, guess, asked.seconds)
        guess = most[n_servers] = best["listeners"]
        case = f"{n_servers} server{'s' * (n_servers > 1)}"
        of_one_a_core = round(guess / most[cores], 3) if most.get(cores) else None
        yield {"case": case, **best, "of_one_a_core": of_one_a_core}
        guess = max(guess, FEW_LISTENERS)


def floor(few: Result, cores: int) -> Result:
    """What a second of sound takes of a core, and how many listeners that would make."""
    cost = {
        who: 1000 * few[f"{who}_cpu"] / max(few["realtime"], 0.1)
        for who in ("servers", "balancer", "client")
    }
    each_s = few["realtime"] / few["listeners"]  # of sound, in a second
    most = 1000 * cores / (sum(cost.values()) * each_s) if sum(cost.values()) else 0
    return {
        "case": FEW,
        **few,
        **{f"{who}_ms_per_audio_s": round(ms, 2) for who, ms in cost.items()},
        "listeners_of_all_cores": round(most),
    }


PARTS: dict[str, Callable[[argparse.Namespace], Iterable[Result]]] = {
    "first audio": measure_first_audio,
    "listeners": measure_listeners,
    "failures": measure_failures,
    "leaving": measure_leaving,
}


def measure(asked: argparse.Namespace) -> Iterator[Result]:
    """The parts that are asked for."""
    for part in asked.parts:
        yield from PARTS[part](asked)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("server_options", nargs="*", help="after --, for each server.py")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--repeats", type=int, default=300, help="of first audio, each way")
    parser.add_argument("--servers", type=int, nargs="+", default=(1, 2, 3, 4), metavar="N")
    parser.add_argument("--guess", type=int, default=FIRST_GUESS, help="listeners tried first")
    parser.add_argument("--seconds", type=float, default=5.0, help="measured at each number")
    parser.add_argument("--listeners", type=int, default=24, help="beside failures")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--stops", type=int, default=5)
    parser.add_argument("--utterances", type=int, default=200, help="in the middle of a change")
    parser.add_argument("--changes", nargs="+", default=("drain", "SIGTERM", "reload"))
    report(COLUMNS, FIGURES, measure(parser.parse_args()))


if __name__ == "__main__":
    main()
