"""Does one hostile client make ten others wait?

Ten listeners each ask for a short sentence, hear it at the rate of playing, and ask again;
timed from asking to the first binary message. One disturber (bench/hostile.py) comes and goes:

stalls           asks for minutes of speech, and reads none of it
tokens, flushes, configs, bad messages, pings, pongs, fragments
                 sends these as fast as they are taken, and reads all that comes
bad frames       a frame that breaks the WebSocket protocol; connects again, and again
no http          the same with 200 bytes that are no HTTP; bad upgrades: with ones of a version 12
connects         connects and closes

All thirteen kinds take 16 minutes, so three are measured unless ``--kinds`` says otherwise.

Rounds of ``--seconds`` take turns: nobody there ("alone"), the disturber at a second server that
has nothing else to do ("elsewhere"), and the disturber at theirs ("beside").

change    of first audio's p95, beside against alone; `+-`: half of a bootstrap's 90 % interval
machine   the same of elsewhere: what two cores have left for the listeners and their server where
          the disturber, pinned to one of them, and a server that has no one to serve take all they
          can. The share of the change that is not the server's doing is less than that
noise     of alone, the even rounds against the odd ones: what such a p95 differs by anyhow

The floor: no change. Target: less than 10 %. Predicted, before ADR 14: stalls 0 %; floods
double it, since each of the loop's turns then has a message of theirs in it (0.2 ms) and a sentence
takes ten turns, and since the model thread has to win Python's lock from a loop that never sleeps;
reconnecting 50 %, as a connection costs 1 ms.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import Figure, Playback, Result, percentiles, report
from bench.hostile import DISTURBERS, disturbing
from bench.meter import Meter
from bench.serving import Client, Server, running_server, serving_parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

CONDITIONS = "alone", "elsewhere", "beside"
COLUMNS = {
    f"{condition}_ms_p{percent}": f"{condition} p50" if percent == 50 else "p95"
    for condition in CONDITIONS
    for percent in (50, 95)
} | {
    "change_percent": "change %",
    "change_error": "+-",
    "machine_percent": "machine %",
    "noise_percent": "noise %",
    "alone_cpu": "alone cpu",
    "beside_cpu": "beside cpu",
    "disturber_cpu": "disturber cpu",
    "others_cpu": "others cpu",
}
WORST = "the worst"
FIGURES = (
    Figure(
        "first audio's p95 beside the worst: how much later",
        WORST, "change_percent", "%", at_most=10,
    ),
    Figure(
        "the same, beside a second server that it disturbs instead: what the cores have left",
        WORST, "machine_percent", "%",
    ),
    Figure("what it differs by with no disturber, at most", WORST, "noise_percent", "%"),
)  # fmt: skip

SENTENCE = "The boats stayed!"
KINDS = ["stalls", "tokens", "bad messages"]  # one does not read, one floods, one sends garbage
SETTLE_S = 0.5  # of each round, in which a disturber starts or what it left is dealt with
PAUSE_S = 0.2  # at most, between two sentences: or ten listeners would fall into step
RESAMPLES = 1000
SEED = 1

Rounds = list[list[float]]
"""The waits of each round, in ms."""


class Listener(Client):
    """Asks for a sentence, hears it to its end, and asks again."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[tuple[float, float]] = []
        """When it asked, and the ms to first audio."""

    async def listen(self, chance: random.Random) -> None:
        """For ever."""
        await asyncio.sleep(chance.random())
        while True:
            self.playback = Playback()
            asked_at, _ = await self.ask({"token": SENTENCE, "flush": True}, "flushed")
            if self.playback.first_at is None:
                raise RuntimeError("nothing was spoken")
            self.waits.append((asked_at, 1000 * (self.playback.first_at - asked_at)))
            heard_s = max(0.0, self.playback.dry_at - time.perf_counter())
            await asyncio.sleep(heard_s + chance.random() * PAUSE_S)


async def measure_kind(
    server: Server, other: Server, kind: str, asked: argparse.Namespace
) -> Result:
    chance = random.Random(SEED)
    listeners = [Listener() for _ in range(asked.listeners)]
    for listener in listeners:
        await listener.connect(server.port, "events=true")
    waits: dict[str, Rounds] = {condition: [] for condition in CONDITIONS}
    cpu: dict[str, list[float]] = {condition: [] for condition in CONDITIONS}
    others_cpu: list[float] = []
    used_s = 0.0  # by the disturber beside them
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(listener.listen(chance)) for listener in listeners]
        await asyncio.sleep(1)
        for condition in CONDITIONS * asked.rounds:
            port = (server if condition == "beside" else other).port
            with contextlib.ExitStack() as stack:
                disturber = None
                if condition != "alone":
                    disturber = stack.enter_context(disturbing(kind, port))
                await asyncio.sleep(SETTLE_S)
                meter, began = Meter(server), time.perf_counter()
                used_before_s = disturber.cpu_s() if disturber else 0.0
                await asyncio.sleep(asked.seconds)
                if disturber and condition == "beside":
                    used_s += disturber.cpu_s() - used_before_s
                ended, usage = time.perf_counter(), meter.read()
            cpu[condition].append(usage["server_cpu"])
            # Of the disturber's and the other server's, only alone tells strangers apart.
            others_cpu += [usage["others_cpu"]] if condition == "alone" else []
            await asyncio.sleep(SETTLE_S)
            waits[condition].append(
                [
                    waited
                    for listener in listeners
                    for asked_at, waited in listener.waits
                    if began <= asked_at < ended
                ]
            )
        for task in tasks:
            task.cancel()
    for listener in listeners:
        await listener.close()
    result: Result = {"case": kind}
    for condition in CONDITIONS:
        result |= percentiles(f"{condition}_ms", flat(waits[condition]))
        result[f"{condition}_cpu"] = round(sum(cpu[condition]) / asked.rounds, 3)
    change, error = compare(waits["alone"], waits["beside"])
    machine, _ = compare(waits["alone"], waits["elsewhere"])
    noise, _ = compare(waits["alone"][::2], waits["alone"][1::2])
    return {
        **result,
        "change_percent": change,
        "change_error": error,
        "machine_percent": machine,
        "noise_percent": noise,
        "disturber_cpu": round(used_s / asked.rounds / asked.seconds, 3),
        "others_cpu": round(sum(others_cpu) / asked.rounds, 3),
    }


def flat(rounds: Rounds) -> list[float]:
    return [wait for waits in rounds for wait in waits]


def p95(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * 95 // 100)]


def compare(before: Rounds, after: Rounds) -> tuple[float, float]:
    """By how many percent the p95 differs, and half of the interval that has 90 % of what is seen
    if the waits are drawn anew from themselves."""
    chance = random.Random(SEED)
    one, two = flat(before), flat(after)
    changes = sorted(
        p95(chance.choices(two, k=len(two))) / p95(chance.choices(one, k=len(one))) - 1
        for _ in range(RESAMPLES)
    )
    low, high = changes[RESAMPLES * 5 // 100], changes[RESAMPLES * 95 // 100]
    return round(100 * (p95(two) / p95(one) - 1), 1), round(100 * (high - low) / 2, 1)


def measure(asked: argparse.Namespace) -> Iterator[Result]:
    """Every kind, on one pair of servers."""
    results, options = [], asked.server_options
    with running_server(options) as server, running_server(options) as other:
        for kind in asked.kinds:
            results.append(asyncio.run(measure_kind(server, other, kind, asked)))
            yield results[-1]
    percents = ("change_percent", "machine_percent", "noise_percent")
    yield {"case": WORST, **{key: max(result[key] for result in results) for key in percents}}


def main() -> None:
    parser = serving_parser(__doc__)
    parser.add_argument("--kinds", nargs="+", choices=DISTURBERS, default=KINDS)
    parser.add_argument("--listeners", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=6, help="of each condition")
    parser.add_argument("--seconds", type=float, default=4.0, help="that a round is measured")
    report(COLUMNS, FIGURES, measure(parser.parse_args()))


if __name__ == "__main__":
    main()
