"""Where does each millisecond between a text's end and its first sound go?

Listeners, each with a connection of its own, ask for one sentence at a time and hear it out before
the next. The server's ledger, `latency_ms` of `segment_end`, says how long the segment took in each
part of its way: `wait` for the boundary to be sure, `queue` until the model thread took it up,
`tts` to the first speech, `rvc` to the first of it converted, `send` to the kernel. What the ledger
does not see is between it and the client's own clock: the message to the server, its parsing, the
loop's turn, the kernel, and the client that reads (``wire``).

All listeners ask at once, which is what a queue is; their number doubles from 1. Before the next
sentence they throw the last one away, since nobody plays it: far ahead of the ear they would have
to wait (ADR 14).

The floor: a ping, measured beside it. The parts and the wire add up to the client's own figure,
sentence by sentence, so no percentile of the sum is promised.

Predicted for espeak-ng and one listener: wait 0, queue 0.2 (a thread wakes), tts 0.7 (espeak-ng's
first sound is 0.3), rvc 0.1 (a resampler) or, with a pitch shift, 1, send 0.3, wire 1.0: 3 ms in
all. With eight who ask at once the queue takes over: seven steps of 1 ms before the last.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.common import (
    Client,
    Meter,
    Result,
    Server,
    arguments,
    percentiles,
    report,
    running_server,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SENTENCE = "The boats stayed where they were today!"  # 40 characters, and its mark acts at once
PARTS = ("wait", "queue", "tts", "rvc", "send")
WARM_UP = 10
WITHIN_S = 60


class Case(NamedTuple):
    listeners: int
    pitch_shift: float


class Asker(Client):
    """Asks for a sentence, and knows when its first sound came and what the ledger says."""

    def __init__(self) -> None:
        super().__init__()
        self.first_at: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.ledger: dict[str, float | None] = {}
        self.flushed = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.ponged = asyncio.Event()

    def on_audio(self, payload: memoryview, now: float) -> None:
        if not self.first_at.done():
            self.first_at.set_result(now)

    def on_text(self, message: dict[str, Any], now: float) -> None:
        if not message:
            self.ponged.set()
        elif message.get("event") == "segment_end":
            self.ledger = message["latency_ms"]
        elif message.get("event") == "flushed":
            self.flushed.set()
        elif message.get("event") == "cancelled":
            self.cancelled.set()

    async def ask(self) -> dict[str, float]:
        """One sentence: milliseconds by part, with the whole by our own clock."""
        self.first_at = asyncio.get_running_loop().create_future()
        self.flushed.clear()
        asked_at = self.send({"token": SENTENCE, "flush": True})
        async with asyncio.timeout(WITHIN_S):
            whole = 1000 * (await self.first_at - asked_at)
            await self.flushed.wait()
            await self._throw_away()
        parts = {part: self.ledger[part] or 0.0 for part in PARTS}
        return {**parts, "wire": whole - (self.ledger["first_audio"] or 0.0), "whole": whole}

    async def _throw_away(self) -> None:
        """What nobody has played: who is a minute ahead of the ear has to wait for others."""
        self.cancelled.clear()
        self.send({"cancel": True})
        await self.cancelled.wait()

    async def round_trip_ms(self) -> float:
        """The floor."""
        self.ponged.clear()
        sent_at = self.ping()
        async with asyncio.timeout(WITHIN_S):
            await self.ponged.wait()
        return 1000 * (time.perf_counter() - sent_at)


async def measure(server: Server, case: Case, rounds: int) -> Result:
    askers = [Asker() for _ in range(case.listeners)]
    for asker in askers:
        await asker.connect(server.port, f"events=true&pitch_shift={case.pitch_shift}")
    for _ in range(WARM_UP):
        await asyncio.gather(*(asker.ask() for asker in askers))
    meter = Meter(server)
    asked: list[dict[str, float]] = []
    pings: list[float] = []
    for _ in range(rounds):
        asked += await asyncio.gather(*(asker.ask() for asker in askers))
        pings.append(await askers[0].round_trip_ms())
    usage = meter.read()
    for asker in askers:
        await asker.close()
    figures: Result = {}
    for part in (*PARTS, "wire", "whole"):
        figures |= percentiles(f"{part}_ms", [each[part] for each in asked])
    name = f"{case.listeners} at once" + (f", {case.pitch_shift:+g}" if case.pitch_shift else "")
    return {"case": name, **figures, **percentiles("ping_ms", pings), **usage}


def measure_all(cases: list[Case], rounds: int, server_options: list[str]) -> Iterator[Result]:
    """One server for all, since start-up is not what is asked."""
    with running_server(server_options) as server:
        for case in cases:
            yield asyncio.run(measure(server, case, rounds))


def main() -> None:
    options = arguments(
        __doc__,
        ("--rounds", {"type": int, "default": 200}),
        ("--listeners", {"type": int, "default": 8, "help": "at most; from 1, doubling"}),
    )
    doubling = [2**power for power in range(options.listeners.bit_length())]
    cases = [Case(n, shift) for shift in (0.0, 4.0) for n in doubling if n <= options.listeners]
    columns = {"case": "case"}
    for part in (*PARTS, "wire", "whole"):
        columns |= {f"{part}_ms_p50": f"{part} p50 ms", f"{part}_ms_p95": "p95"}
    columns |= {"ping_ms_p50": "ping p50 ms", "others_cpu": "others cpu"}
    report(
        "stage_cost",
        options.server_options,
        columns,
        measure_all(cases, options.rounds, options.server_options),
    )


if __name__ == "__main__":
    main()
