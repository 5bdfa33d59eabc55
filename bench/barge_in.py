"""How soon does the server fall silent after a cancel?

A client asks for minutes of speech and cancels at a random moment of it, over and over on one
connection. Timed from sending the cancel to the last whole message of old sound (``silent``; 0
if none came any more), and to the ``cancelled`` event, which nothing old may follow.

at once    the client reads as fast as it can, so the server is making sound all the time
playing    it reads at 192 KB/s like a player without a buffer, with a small SO_RCVBUF; from the
           cancel on it reads as fast as it can, to throw away what is of no use any more
stubborn   the same, but it goes on reading at 192 KB/s: what the kernels hold is heard out

The floor: a round trip (0.6 ms). The message that is under way cannot be torn, and what the
kernel has taken cannot be taken back: 64 KB of message, 2 x 64 KB of send buffer (the kernel
doubles it) and what the receive buffer holds, here 2 x 8 KB. A reader at full speed has those
208 KB in 0.2 ms; a stubborn one needs 1.1 s.

Predicted: p50 2 ms at once and playing; p95 5 ms, since a step of espeak (one segment, up to 200
characters: 10 ms) shares Python's lock with the loop that answers. With 20 listeners busy p95
15 ms. Stubborn: 700 ms, as half of the send buffer is the kernel's own bookkeeping.
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.common import (
    BYTES_PER_SAMPLE,
    RATE,
    Client,
    Meter,
    Result,
    Server,
    arguments,
    percentiles,
    report,
    running_server,
)

SENTENCE = "It had been raining since the early morning, so all the boats stayed where they were. "
SPEECH = SENTENCE * 100  # ten minutes, a second or more of work
RECEIVE_BUFFER = 8 * 1024
PACE_EVERY_S = 0.01
WARM_UP = 3


class Case(NamedTuple):
    reading: str
    others: int
    pitch_shift: float

    @property
    def is_slow(self) -> bool:
        """Each cancel takes its time."""
        return self.reading == "stubborn"


class Interrupter(Client):
    """Reads as it is told to: at once, or so many bytes a second."""

    def __init__(self) -> None:
        super().__init__()
        self.audio_at = 0.0
        self.n_audio = 0
        self.has_audio = asyncio.Event()
        self.cancelled_at = asyncio.get_running_loop().create_future()
        self._pacing: asyncio.TimerHandle | None = None
        self._allowance = 0.0

    def on_audio(self, payload: memoryview, now: float) -> None:
        self.audio_at = now
        self.n_audio += len(payload) // BYTES_PER_SAMPLE
        self.has_audio.set()

    def on_text(self, message: dict[str, Any], now: float) -> None:
        if message.get("event") == "cancelled":
            self.cancelled_at.set_result(now)

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
        """Ask for speech and cancel; seconds to the last old sound, and to `cancelled`."""
        self.has_audio.clear()
        self.cancelled_at = asyncio.get_running_loop().create_future()
        self.pace(real_time=case.reading != "at once")
        self.send({"token": SPEECH})
        async with asyncio.timeout(10):
            await self.has_audio.wait()
            await asyncio.sleep(moment_s)
            self.pace(real_time=case.is_slow)
            sent_at = self.send({"cancel": True})
            cancelled_at = await self.cancelled_at
        return max(0.0, self.audio_at - sent_at), cancelled_at - sent_at


class Neighbour(Client):
    """Keeps the server busy: speaks a sentence as often as one listens to it."""

    async def chatter(self) -> None:
        await asyncio.sleep(random.random() * 4)
        while True:
            for word in SENTENCE.split():
                self.send({"token": word + " "})
                await asyncio.sleep(0.34)


async def measure(server: Server, case: Case, cancels: int) -> Result:
    chance = random.Random(1)
    neighbours = [Neighbour() for _ in range(case.others)]
    for neighbour in neighbours:
        await neighbour.connect(server.port, f"pitch_shift={case.pitch_shift}")
    chatters = [asyncio.create_task(neighbour.chatter()) for neighbour in neighbours]
    if chatters:
        await asyncio.sleep(4)
    client = Interrupter()
    await client.connect(
        server.port,
        f"events=true&pitch_shift={case.pitch_shift}",
        None if case.reading == "at once" else RECEIVE_BUFFER,
    )
    longest_s = 0.15 if case.reading == "at once" else 0.2
    for _ in range(WARM_UP):
        await client.interrupt_once(case, 0.05)
    meter = Meter(server)
    times = [
        await client.interrupt_once(case, chance.uniform(0, longest_s)) for _ in range(cancels)
    ]
    usage = meter.read()
    for chatter in chatters:
        chatter.cancel()
    for one in (client, *neighbours):
        one.transport.abort()
    return {
        **case._asdict(),
        **percentiles("silent_ms", [1000 * silent for silent, _ in times]),
        **percentiles("cancelled_ms", [1000 * cancelled for _, cancelled in times]),
        **usage,
    }


def main() -> None:
    options = arguments(
        __doc__,
        ("--cancels", {"type": int, "default": 100, "help": "of each case; a fifth of stubborn"}),
        ("--others", {"type": int, "default": 20, "help": "other listeners, where there are any"}),
    )
    cases = [
        Case("at once", 0, 0.0),
        Case("at once", 0, 4.0),
        Case("playing", 0, 0.0),
        Case("stubborn", 0, 0.0),
        Case("at once", options.others, 0.0),
        Case("playing", options.others, 0.0),
    ]
    columns = {
        "reading": "reading",
        "others": "others",
        "pitch_shift": "pitch",
        "silent_ms_p50": "silent p50",
        "silent_ms_p95": "p95",
        "silent_ms_p99": "p99",
        "cancelled_ms_p50": "cancelled",
        "cancelled_ms_p95": "p95",
        "cancelled_ms_p99": "p99",
        "server_cpu": "server cpu",
        "others_cpu": "others cpu",
    }
    with running_server(options.server_options) as server:
        results = (
            asyncio.run(measure(server, case, options.cancels // (5 if case.is_slow else 1) or 1))
            for case in cases
        )
        report("barge_in", options.server_options, columns, results)


if __name__ == "__main__":
    main()
