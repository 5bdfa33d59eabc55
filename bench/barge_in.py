"""How soon does the server fall silent after a cancel?

A client asks for minutes of speech and cancels at a random moment of it, over and over on one
connection. Timed from sending the cancel to the last whole message of old audio (``silent``; 0
if none came any more), and to the ``cancelled`` event, which nothing old may follow. "+4" is with a
pitch shift of 4 semitones; "beside 20" with twenty others who keep the server busy.

at once    the client reads as fast as it can, so the server is making speech all the time
playing    it reads at 192 kB/s like a player without a buffer, with a small SO_RCVBUF; from the
           cancel on it reads as fast as it can, to throw away what is of no use any more
stubborn   the same, but it goes on reading at 192 kB/s: what the kernels hold is played

The floor: a round trip (0.6 ms). The message that is under way cannot be torn, and what the
kernel has taken cannot be taken back: 64 kB of message, 2 x 64 kB of send buffer (the kernel
doubles it) and what the receive buffer holds, here 2 x 8 kB. A reader at full speed has those
208 kB in 0.2 ms; a stubborn one needs 1.1 s.

Predicted: p50 2 ms at once and playing; p95 5 ms, since a step of espeak-ng (one segment, up to 200
characters: 10 ms) shares Python's lock with the loop that answers. With 20 listeners busy p95
15 ms. Stubborn: 700 ms, as half of the send buffer is the kernel's own bookkeeping.
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import Figure, Result, percentiles, report
from bench.meter import Meter
from bench.serving import (
    BYTES_PER_SAMPLE,
    RATE,
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
    from collections.abc import Iterator

COLUMNS = {
    "silent_ms_p50": "silent p50",
    "silent_ms_p95": "p95",
    "silent_ms_p99": "p99",
    "cancelled_ms_p50": "cancelled",
    "cancelled_ms_p95": "p95",
    "cancelled_ms_p99": "p99",
    "server_cpu": "server cpu",
    "others_cpu": "others cpu",
}
P50, P95 = "silent_ms_p50", "silent_ms_p95"
FIGURES = (
    Figure("cancel to the last byte of old audio, p50", "at once", P50, "ms", predicted="2"),
    Figure("the same, p95", "at once", P95, "ms", at_most=30, predicted="5"),
    Figure("beside 20 listeners, p50", "at once, beside 20", P50, "ms"),
    Figure("the same, p95", "at once, beside 20", P95, "ms", at_most=30, predicted="15"),
)

PACE_EVERY_S = 0.01
WARM_UP = 3


class Case(NamedTuple):
    reading: str
    others: int = 0
    pitch_shift: int = 0

    @property
    def name(self) -> str:
        shift = f", {self.pitch_shift:+}" if self.pitch_shift else ""
        return self.reading + shift + (f", beside {self.others}" if self.others else "")

    @property
    def is_slow(self) -> bool:
        """Each cancel takes its time."""
        return self.reading == "stubborn"


class Interrupter(Client):
    """Reads as it is told to: at once, or so many bytes a second."""

    def __init__(self) -> None:
        super().__init__()
        self.audio_at = 0.0
        self.has_audio = asyncio.Event()
        self._pacing: asyncio.TimerHandle | None = None
        self._allowance = 0.0

    def on_audio(self, payload: memoryview, now: float) -> None:
        super().on_audio(payload, now)
        self.audio_at = now
        self.has_audio.set()

    def pace(self, *, real_time: bool) -> None:
        """From now on read in real time, or as fast as can be."""
        if real_time and self._pacing is None:
            self._allow()
        elif not real_time and self._pacing is not None:
            self._pacing.cancel()
            self._pacing = None
            self.transport.resume_reading()

    def _allow(self) -> None:
        per_tick = RATE * BYTES_PER_SAMPLE * PACE_EVERY_S
        self._allowance = min(self._allowance + per_tick, 2 * per_tick)
        self.transport.resume_reading()
        self._pacing = asyncio.get_running_loop().call_later(PACE_EVERY_S, self._allow)

    def get_buffer(self, size_hint: int) -> memoryview:
        buffer = super().get_buffer(size_hint)
        return buffer if self._pacing is None else buffer[: max(1, int(self._allowance))]

    def buffer_updated(self, n_bytes: int) -> None:
        if self._pacing is not None:
            self._allowance -= n_bytes
            if self._allowance < 1:
                self.transport.pause_reading()
        super().buffer_updated(n_bytes)

    async def interrupt_once(self, case: Case, moment_s: float) -> tuple[float, float]:
        """Ask for speech and cancel; ms to the last old audio, and to `cancelled`."""
        self.has_audio.clear()
        self.pace(real_time=case.reading != "at once")
        self.send({"token": SPEECH})
        async with asyncio.timeout(WITHIN_S):
            await self.has_audio.wait()
        await asyncio.sleep(moment_s)
        self.pace(real_time=case.is_slow)
        sent_at, cancelled_at = await self.ask({"cancel": True}, "cancelled")
        return 1000 * max(0.0, self.audio_at - sent_at), 1000 * (cancelled_at - sent_at)


async def chatter(client: Client) -> None:
    """Speak at speaking rate, to keep the server busy."""
    await asyncio.sleep(random.random() * 4)
    while True:
        for word in SPEECH.split():
            client.send({"token": word + " "})
            await asyncio.sleep(0.34)


async def measure_case(server: Server, case: Case, cancels: int) -> Result:
    chance = random.Random(1)
    query = f"pitch_shift={case.pitch_shift}"
    neighbours = [Client() for _ in range(case.others)]
    for neighbour in neighbours:
        await neighbour.connect(server.port, query)
    chatters = [asyncio.create_task(chatter(neighbour)) for neighbour in neighbours]
    if chatters:
        await asyncio.sleep(4)
    client = Interrupter()
    at_once = case.reading == "at once"
    await client.connect(server.port, f"events=true&{query}", None if at_once else SMALL)
    for _ in range(WARM_UP):
        await client.interrupt_once(case, 0.05)
    meter = Meter(server)
    times_ms = [
        await client.interrupt_once(case, chance.uniform(0, 0.15 if at_once else 0.2))
        for _ in range(cancels)
    ]
    usage = meter.read()
    for chat in chatters:
        chat.cancel()
    for one in (client, *neighbours):
        one.transport.abort()
    silent_ms, cancelled_ms = zip(*times_ms, strict=True)
    return {
        "case": case.name,
        **percentiles("silent_ms", silent_ms),
        **percentiles("cancelled_ms", cancelled_ms),
        **usage,
    }


def measure(asked: argparse.Namespace) -> Iterator[Result]:
    """All cases on one server."""
    with running_server(asked.server_options) as server:
        for case in (
            Case("at once"),
            Case("at once", pitch_shift=4),
            Case("playing"),
            Case("stubborn"),
            Case("at once", asked.others),
            Case("playing", asked.others),
        ):
            n_cancels = max(1, asked.cancels // (5 if case.is_slow else 1))
            yield asyncio.run(measure_case(server, case, n_cancels))


def main() -> None:
    parser = serving_parser(__doc__)
    parser.add_argument(
        "--cancels", type=int, default=100, help="of each case; a fifth of stubborn"
    )
    parser.add_argument("--others", type=int, default=20, help="listeners, where there are any")
    report(COLUMNS, FIGURES, measure(parser.parse_args()))


if __name__ == "__main__":
    main()
