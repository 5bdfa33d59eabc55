"""What becomes of listeners before a thousand GPUs, by how their balancers choose a server?

A simulation (bench/fleet_model.py), so what it says is no better than what it is told, and that has
random weights: how many listeners a GPU speaks to at once (``voices``) is the most that the bench
of GPUs has of the chain, Soprano and RVC, without a gap, and the time to a first sound beside so
many is that bench's as well, straight lines between what it measured. Places are as many as let
more be spoken to than can be at one moment in a hundred, if all are taken and each is spoken to for
``duty`` of the time. A server takes as long to refuse as to answer a bad token (the bench of first
audio); a client is back as soon as the bench of a cluster says, or, before that has run, in 63 ms
(docs/adr/0050-fleet.md). All else is assumed, and an option: sessions, swing, failures.

A day is shortened to 45 minutes while sessions keep their length, so its swing is 32 times as steep
as a real one. Ten servers are killed in it and ten hang: far more than do. Llama 3's training lost
16,384 GPUs 419 times in 54 days (arXiv 2407.21783), one in 51,000 hours of a GPU, one in two days
among a thousand. All servers are started anew once, a twentieth of them drained at the same moment.
All policies meet the same arrivals and failures; balancers, four unless told, count their own
connections alone.

refused     newcomers without a place, of those who came
with room   those among the refused and lost, while some server had a free place
cut         utterances that were broken off, of 100,000 conversations
lost        conversations that had to leave their place and got no other, likewise
first       from asking for a place to the first sound, of newcomers
back        from a failure to the first new sound
crowded     listeners beside more than their GPU can speak to

The floor: one pool of all places refuses nobody below full load (Erlang B: see the first case).
Each hang costs its listeners what the checks take, 1.9 to 2.2 s as deploy/haproxy/configure.py has
them; each kill the way back and a first sound.

Predicted: ``leastconn`` with agents and retries refuses nobody while there is room. ``random``
alone refuses at the peak what Erlang B says of one GPU's 11 places, 13 %, so 7 % over the day;
round robin hardly less; two choices 1 %. Retries make up for a bad choice: a tenth of a percent of
random's newcomers is left. Without agents an update costs all that come to a draining server, a
fortieth of newcomers, unless they are retried. Nobody is cut by an update.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import ROOT, Figure, Result, argument_parser, report
from bench.fleet_balancer import Policy
from bench.fleet_model import Fleet
from bench.fleet_plan import Plan, erlang_b, places_for, servers_for

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from bench.fleet_balancer import Choice
    from bench.fleet_plan import Tally

COLUMNS = {
    "refused_percent": "refused %",
    "with_room_percent": "with room %",
    "cut_per_100k": "cut /100k",
    "lost_per_100k": "lost /100k",
    "first_ms_p50": "first p50 ms",
    "first_ms_p95": "p95",
    "first_ms_p99": "p99",
    "back_ms_p50": "back p50",
    "back_ms_p95": "p95",
    "tries_each": "tries",
    "crowded_percent": "crowded %",
    "conversations": "conversations",
    "run_s": "run s",
}
CHOICES: tuple[Choice, ...] = ("leastconn", "two choices", "round robin", "random")
BEST = Policy("leastconn", agents=True, retry=True)
POLICIES = (
    BEST,
    Policy("leastconn", agents=True),
    *(Policy(choice, retry=retry) for choice, retry in product(CHOICES, (True, False))),
)
ROOM, CUT = "with_room_percent", "cut_per_100k"
FIGURES = (
    Figure("refused or lost while there was room: leastconn with agents and retries",
           BEST.name, ROOM, "%", at_most=0, predicted="0"),
    Figure("the same, random choice", "random", ROOM, "%", predicted="7"),
    Figure("the same, random choice with retries", "random + retry", ROOM, "%", predicted="0.1"),
    Figure("the same, two random choices", "two choices", ROOM, "%", predicted="1"),
    Figure("the same, two random choices with retries", "two choices + retry", ROOM, "%",
           predicted="0"),
    Figure("cut by an update of all servers, of 100,000 conversations", "update alone", CUT,
           at_most=0, predicted="0"),
    Figure("to the first sound, p95: leastconn with agents and retries", BEST.name, "first_ms_p95",
           "ms"),
    Figure("from a failure to the first new sound, p95", BEST.name, "back_ms_p95", "ms",
           predicted="2000"),
)  # fmt: skip

GPU, FIRST_AUDIO, CLUSTER = (
    ROOT / "bench" / "results" / f"{name}.json" for name in ("gpu", "first_audio", "cluster")
)
TINY = {"gpus": 20, "hours": 0.1, "kills": 2, "hangs": 2}
MANY = 16
"""Balancers."""
RISK = 0.01
BACK_S = 0.063
"""Where it has not been measured: the slowest of ten, see docs/adr/0050-fleet.md."""


class Measured(NamedTuple):
    """What other benches measured of one server."""

    voices: int
    """The most listeners whom a GPU was seen to speak to at once without a gap."""
    n_spoken_to: Sequence[int]
    first_audio_ms: Sequence[float]
    """Beside so many."""
    try_s: float
    """What a server takes that refuses."""
    back_s: float
    """From a server's end to its client's next request."""

    def first_audio_s(self, n: int) -> float:
        """Straight lines, and beyond the last figure in proportion."""
        beyond = max(1.0, n / self.n_spoken_to[-1])
        ms = float(np.interp(n, self.n_spoken_to, self.first_audio_ms))
        return beyond * ms / 1000


def results(path: Path) -> dict[str, Result]:
    """Those of a bench, by case; none where it has not run."""
    return json.loads(path.read_text("utf-8"))["results"] if path.exists() else {}


def measured(engine: str) -> Measured:
    """What is known of an engine (`gpu`'s cases "ENGINE: N at once") and of connections."""
    by_number = {
        int(case.removeprefix(f"{engine}: ").removesuffix(" at once")): result
        for case, result in results(GPU).items()
        if case.startswith(f"{engine}: ") and case.endswith(" at once")
    }
    numbers = sorted(by_number)
    answered_ms = results(FIRST_AUDIO)["floor: bad token"]["first_audio_ms_p50"]
    back_ms = results(CLUSTER).get("kill -9", {}).get("back_ms_p95")
    return Measured(
        max(n for n in numbers if not by_number[n]["gap_ms"]),
        numbers,
        [by_number[n]["first_audio_ms"] for n in numbers],
        answered_ms / 1000,
        BACK_S if back_ms is None else back_ms / 1000,
    )


def plan_of(asked: argparse.Namespace, known: Measured) -> Plan:
    """The plan that all policies meet."""
    voices = asked.voices or known.voices
    places = asked.places or places_for(voices, asked.duty, RISK)
    return Plan(
        places=[places] * asked.gpus,
        voices=[voices] * asked.gpus,
        first_audio_s=known.first_audio_s,
        load=asked.load,
        horizon_s=3600 * asked.hours,
        day_s=3600 * asked.hours,
        swing=asked.swing,
        session_s=asked.session_s,
        utterance_s=asked.utterance_s,
        duty=asked.duty,
        n_balancers=asked.balancers,
        try_s=known.try_s,
        back_s=known.back_s,
        restart_s=asked.restart_s,
        grace_s=asked.grace_s,
        n_kills=asked.kills,
        n_hangs=asked.hangs,
        update_batch=0.05,
        seed=asked.seed,
    )


def summary(case: str, tally: Tally, run_s: float) -> Result:
    """A run's result."""
    asked = max(1, tally.arrivals)
    return {
        "case": case,
        "conversations": tally.began + tally.arrivals,
        "refused_percent": round(100 * tally.refused / asked, 3),
        "with_room_percent": round(100 * tally.refused_with_room / asked, 3),
        "cut_per_100k": round(1e5 * tally.cut / asked, 1),
        "lost_per_100k": round(1e5 * tally.lost / asked, 1),
        **in_ms("first_ms", tally.first_s),
        **in_ms("back_ms", tally.back_s),
        "tries_each": round(tally.tries / asked, 3),
        "crowded_percent": round(100 * tally.crowded / max(1, tally.speaking.total()), 3),
        "moved": tally.moved,
        "run_s": round(run_s, 1),
    }


def in_ms(name: str, seconds: Sequence[float]) -> Result:
    """Three percentiles; nothing where there is no value."""
    if not seconds:
        return {}
    values = np.percentile(seconds, (50, 95, 99)) * 1000
    return {f"{name}_p{p}": round(float(v), 1) for p, v in zip((50, 95, 99), values, strict=True)}


def play(case: str, plan: Plan, policy: Policy) -> Result:
    """One run."""
    began = time.perf_counter()
    tally = Fleet(plan, policy).run()
    return summary(case, tally, time.perf_counter() - began)


def measure(asked: argparse.Namespace) -> Iterator[Result]:
    """The floor; each policy; then what else may be, under the best of them."""
    vars(asked).update(asked.tiny)
    plan = plan_of(asked, measured(asked.engine))
    n_places = sum(plan.places)
    each = plan.places[0]
    yield {
        "case": "floor",
        "gpus": len(plan.places),
        "voices_each": plan.voices[0],
        "places_each": each,
        "peak_listeners": round(plan.load * n_places),
        "gpus_for_1000_listeners": servers_for(1000, each, 0.001),
        "refused_percent_by_one_pool": round(100 * erlang_b(plan.load * n_places, n_places), 4),
        "refused_percent_by_one_gpu": round(100 * erlang_b(plan.load * each, each), 2),
    }
    for policy in POLICIES:
        yield play(policy.name, plan, policy)
    calm = plan._replace(n_kills=0, n_hangs=0, update_batch=0.0)
    mixed = [max(1, n // 2) if server % 3 == 0 else n for server, n in enumerate(plan.places)]
    fewer = [max(1, n // 2) if server % 3 == 0 else n for server, n in enumerate(plan.voices)]
    many = plan._replace(n_balancers=MANY)
    for case, other, policy in (
        ("update alone", calm._replace(update_batch=plan.update_batch), BEST),
        (
            "update alone, told at once",
            calm._replace(update_batch=plan.update_batch, told_s=0.0),
            BEST,
        ),
        ("nothing happens", calm, BEST),
        ("a third of the GPUs half as fast", plan._replace(places=mixed, voices=fewer), BEST),
        ("one balancer", plan._replace(n_balancers=1), BEST),
        (f"{MANY} balancers", many, BEST),
        (f"{MANY}, 10 retries", many, BEST._replace(retries=10)),
        (f"{MANY}, who is full says drain", many, BEST._replace(full_drains=True)),
    ):
        yield play(case, other, policy)


def options() -> argparse.ArgumentParser:
    """All that is assumed."""
    parser = argument_parser(__doc__)
    parser.add_argument("--engine", default="chain", help="whose figures gpu.json is asked for")
    parser.add_argument("--gpus", type=int, default=1000)
    parser.add_argument("--voices", type=int, help="listeners a GPU speaks to at once; measured")
    parser.add_argument("--places", type=int, help="conversations a GPU holds; computed")
    parser.add_argument("--duty", type=float, default=0.4, help="part of a session that is heard")
    parser.add_argument("--session-s", type=float, default=180.0, help="mean, exponential")
    parser.add_argument("--utterance-s", type=float, default=6.0, help="mean, exponential")
    parser.add_argument("--load", type=float, default=0.85, help="of all places, at the peak")
    parser.add_argument("--swing", type=float, default=0.6, help="how much less at night")
    parser.add_argument("--hours", type=float, default=0.75, help="a day is shortened to these")
    parser.add_argument("--balancers", type=int, default=4)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--hangs", type=int, default=10)
    parser.add_argument("--grace-s", type=float, default=60.0, help="from drain to end")
    parser.add_argument("--restart-s", type=float, default=60.0, help="from end to ready")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--tiny", action="store_const", const=TINY, default={}, help="20 GPUs for six minutes"
    )
    return parser


def main() -> None:
    asked = options().parse_args()
    report(COLUMNS, FIGURES, measure(asked))


if __name__ == "__main__":
    main()
