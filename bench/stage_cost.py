"""Where does each millisecond between a text's end and its first audio go?

Listeners, each with a connection of its own, ask for one sentence at a time and hear it to its end
before the next. ``latency_ms`` of `segment_end` says how long the segment took in each part of its
way: ``wait`` for the boundary to be sure, ``queue`` until the model thread took it up, ``tts`` to
the first speech, ``rvc`` to the first of it converted, ``send`` to the kernel. What the server does
not see is between that and the client's own clock: the message to the server, its parsing, the
loop's turn, the kernel, and the client that reads (``wire``). "+4" is with a pitch shift.

All listeners ask at once, which makes a queue; their number doubles from 1. Before the next
sentence they cancel the last one, since nobody plays it: far ahead of the ear they would have
to wait (ADR 14).

The floor: a ping, measured beside it. The parts and the wire add up to the client's own figure,
sentence by sentence, so no percentile of the sum is promised.

Predicted for espeak-ng and one listener: wait 0, queue 0.2 (a thread wakes), tts 0.7 (espeak-ng's
first piece is 0.3), rvc 0.1 (a resampler) or, with a pitch shift, 1, send 0.3, wire 1.0: 3 ms in
all. With eight who ask at once the queue takes over: seven steps of 1 ms before the last.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import Figure, Playback, Result, percentiles, report
from bench.meter import Meter
from bench.serving import SENTENCE, Client, Server, running_server, serving_parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

PARTS = ("wait", "queue", "tts", "rvc", "send", "wire", "whole")
COLUMNS = {
    f"{part}_ms_p{percent}": f"{part} p50 ms" if percent == 50 else "p95"
    for part in PARTS
    for percent in (50, 95)
} | {"ping_ms_p50": "ping p50 ms", "others_cpu": "others cpu"}
FIGURES = (
    Figure("one listener: the whole, p50", "1 at once", "whole_ms_p50", "ms", predicted="3"),
    Figure("of it in the queue", "1 at once", "queue_ms_p50", "ms", predicted="0.2"),
    Figure("of it to the first speech", "1 at once", "tts_ms_p50", "ms", predicted="0.7"),
    Figure("of it outside the server's sight", "1 at once", "wire_ms_p50", "ms", predicted="1"),
    Figure("eight at once: the queue", "8 at once", "queue_ms_p50", "ms", predicted="7"),
)

WARM_UP = 10


class Asker(Client):
    """Asks for one sentence at a time."""

    async def hear(self) -> dict[str, float]:
        """One sentence: milliseconds by part."""
        self.playback = Playback()
        asked_at, _ = await self.ask({"token": SENTENCE, "flush": True}, "flushed")
        if self.playback.first_at is None:
            raise RuntimeError("nothing was spoken")
        whole = 1000 * (self.playback.first_at - asked_at)
        # Nobody plays it, and who is a minute ahead of the ear has to wait for others.
        await self.ask({"cancel": True}, "cancelled")
        latency = self.told["segment_end"].message["latency_ms"]
        parts = {part: latency.get(part) or 0.0 for part in PARTS}
        return {**parts, "wire": whole - (latency["first_audio"] or 0.0), "whole": whole}


async def measure_case(server: Server, n_listeners: int, pitch_shift: int, rounds: int) -> Result:
    askers = [Asker() for _ in range(n_listeners)]
    for asker in askers:
        await asker.connect(server.port, f"events=true&pitch_shift={pitch_shift}")
    for _ in range(WARM_UP):
        await asyncio.gather(*(asker.hear() for asker in askers))
    meter = Meter(server)
    heard: list[dict[str, float]] = []
    pings_ms: list[float] = []
    for _ in range(rounds):
        heard += await asyncio.gather(*(asker.hear() for asker in askers))
        sent_at, answered_at = await askers[0].ping()
        pings_ms.append(1000 * (answered_at - sent_at))
    usage = meter.read()
    for asker in askers:
        await asker.close()
    figures: Result = {}
    for part in PARTS:
        figures |= percentiles(f"{part}_ms", [each[part] for each in heard])
    case = f"{n_listeners} at once" + (f", {pitch_shift:+}" if pitch_shift else "")
    return {"case": case, **figures, **percentiles("ping_ms", pings_ms), **usage}


def measure(asked: argparse.Namespace) -> Iterator[Result]:
    """One server for all, since start-up is not what is asked."""
    doubling = [2**power for power in range(asked.listeners.bit_length())]
    with running_server(asked.server_options) as server:
        for pitch_shift in (0, 4):
            for n_listeners in doubling:
                yield asyncio.run(measure_case(server, n_listeners, pitch_shift, asked.rounds))


def main() -> None:
    parser = serving_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--listeners", type=int, default=8, help="at most; from 1, doubling")
    report(COLUMNS, FIGURES, measure(parser.parse_args()))


if __name__ == "__main__":
    main()
