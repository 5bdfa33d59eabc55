"""How many listeners can one server speak to at once, without a gap?

N listeners are fed word by word at speaking rate, each at its own place in a text of sentences
of 1 to 25 words (175 words a minute, as fast as espeak speaks: half of all listeners are always
about to run dry). Each point starts its own server, lets everybody in during a ramp, measures
for some seconds, then flushes and waits for what is still to come.

first_audio  from sending the token that settles a segment's boundary to its first binary
             message, over all segments whose boundary was sent in the measured time; in a
             burst over each listener's first segment
gap          silence that is the server's fault. A listener plays what it gets at once; a message
             that comes after it has run dry is late. Inside a segment all of that counts; before
             a segment what exceeds 100 ms since its boundary was sent, the time first audio may
             take: before that the silence is the writer's. A listener's very first sound is no gap
realtime     audio seconds received per wall second, of all listeners
cpu ms/s     server CPU a second of speech; the one figure that other work here hardly moves
client_late  how late the client itself was to send a word, p99: near 0, or the client broke

With ``--burst`` everybody sends a paragraph of a minute at once, as language models do; that
measures throughput: how much sound the server makes when it is never waiting.

The floor: one second of speech costs espeak 1 ms of a core (0.57 ms a first piece, 2 ms for a
sentence of 2.3 s), resampling 22 to 48 kHz 0.4 ms, encoding and one copy into the kernel
(192 KB) 0.2 ms: 1.6 ms. A listener at speaking rate hears 0.9 s of speech a second and sends
2.9 tokens (at the 0.15 ms each of a small WebSocket library in Python: 0.4 ms). So 2 ms of a
core a second and listener, and a server whose Python holds one core breaks near 500.

Predicted: Python around the floor doubles it to 5 ms, so 100 listeners take half a core, 150
three quarters, and at 200 the tail (p99 of first audio) grows past 100 ms before there are
gaps, since urgent requests go first but the loop's own queue has no order. A pitch shift adds
2 ms a second of speech: 50 listeners take a third of a core. Burst: 250 to 300 s a second.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
import time
from bisect import bisect_right
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.common import (
    BYTES_PER_SAMPLE,
    RATE,
    Client,
    Meter,
    Playback,
    Result,
    arguments,
    percentiles,
    report,
    running_server,
)

WORDS_PER_S = 175 / 60
RAMP_S = 1.0
DRAIN_WITHIN_S = 20.0
SETTLE_S = 0.3
LISTENERS = [1, 10, 50, 100, 150, 200]
MOST_IN_A_BURST = 100  # each is a minute of speech, of which the server makes 8 a second
FIRST_AUDIO_WITHIN_S = 0.1
BOUNDARIES = (".", "!", "?", ",", ";")
TEXT = """
Yes! The old harbour was quiet when we arrived, and nobody had lit the lamps along the quay. Who
would? It had been raining since the morning, so the boats stayed where they were. We walked
slowly past the last warehouse, a long building of brown brick with a green door, until we could
hear the music. Come in! She opened the window and let in the smell of the sea. There is a train
at half past seven; the next one leaves an hour later. I would like two tickets, please. How far
is it from the station to the market square, and can we go there on foot? Good. He said that the
road was closed, that the bridge had been washed away in the night, and that no one could tell
when it would be open again. Take your time! Nothing that matters was ever done in a hurry.
"""


class Point(NamedTuple):
    listeners: int
    pitch_shift: float
    burst: bool


class Said(NamedTuple):
    """A token was sent: so many characters in all, at this time."""

    n_chars: int
    at: float


class Listener(Client):
    """Sends text, plays what comes back, and writes down when it came."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[Said] = []
        self.first_audio: list[tuple[float, float]] = []  # (boundary sent at, seconds)
        self.gaps: list[tuple[float, float]] = []  # (heard at, seconds)
        self.received: list[tuple[float, int]] = []  # (at, samples)
        self.late: list[float] = []
        self.errors = 0
        self.flushed = asyncio.Event()
        self._playback = Playback()
        self._n_chars_heard = 0
        self._boundary_at = 0.0
        self._has_begun = False

    def say(self, text: str, due: float) -> None:
        """Send a token that was due at this time."""
        at = self.send({"token": text})
        self.said.append(Said((self.said[-1].n_chars if self.said else 0) + len(text), at))
        self.late.append(at - due)

    def on_text(self, message: dict[str, Any], now: float) -> None:
        match message:
            case {"event": "segment_start", "text": text}:
                # Settled by the token that brought the segment's last character: here the
                # space behind a mark comes with the mark. The last one is cut by the flush.
                self._n_chars_heard += len(text)
                sent = bisect_right(self.said, self._n_chars_heard - 1, key=lambda said: said[0])
                self._boundary_at = self.said[sent].at if text.endswith(BOUNDARIES) else math.inf
                self._has_begun = False
            case {"event": "flushed"}:
                self.flushed.set()
            case {"error": _}:
                self.errors += 1

    def on_audio(self, payload: memoryview, now: float) -> None:
        n_samples = len(payload) // BYTES_PER_SAMPLE
        due = self._playback.dry_at
        if not self._has_begun:
            self._has_begun = True
            self.first_audio.append((self._boundary_at, now - self._boundary_at))
            due = max(due, self._boundary_at + FIRST_AUDIO_WITHIN_S)
        if now > due and self.received:
            self.gaps.append((now, now - due))
        self._playback.play(n_samples, now)
        self.received.append((now, n_samples))


async def talk(listener: Listener, seed: int, until: float) -> None:
    """Say the text round and round, word by word, from somewhere in it."""
    words = TEXT.split()
    begin = random.Random(seed).randrange(len(words))
    due = time.perf_counter()
    for n in count():
        if due >= until:
            break
        await asyncio.sleep(due - time.perf_counter())
        listener.say(words[(begin + n) % len(words)] + " ", due)
        due += 1 / WORDS_PER_S


async def drain(listeners: list[Listener]) -> bool:
    """Flush, and wait for the rest; False if it did not come."""
    for listener in listeners:
        listener.send({"flush": True})
    try:
        async with asyncio.timeout(DRAIN_WITHIN_S):
            for listener in listeners:
                await listener.flushed.wait()
    except TimeoutError:
        return False
    return True


async def measure(point: Point, seconds: float, server_options: list[str]) -> Result:
    """One server, one point."""
    random.seed(1)
    with running_server(server_options) as server:
        listeners = [Listener() for _ in range(point.listeners)]
        query = f"events=true&pitch_shift={point.pitch_shift}"
        for listener in listeners:
            await listener.connect(server.port, query)
        await asyncio.sleep(SETTLE_S)
        if point.burst:
            begin = time.perf_counter()
            meter = Meter(server)
            for listener in listeners:
                listener.say(" ".join(TEXT.split()) + " ", time.perf_counter())
            drained = await drain(listeners)
            usage = meter.read()
            end = time.perf_counter()
        else:
            begin = time.perf_counter() + RAMP_S
            end = begin + seconds
            async with asyncio.TaskGroup() as talking:
                for seed, listener in enumerate(listeners):
                    talking.create_task(talk(listener, seed, end))
                    await asyncio.sleep(RAMP_S / point.listeners)
                await asyncio.sleep(begin - time.perf_counter())
                meter = Meter(server)
                await asyncio.sleep(seconds)
                usage = meter.read()
            drained = await drain(listeners)
        for listener in listeners:
            listener.transport.abort()
    heard = summary(point, listeners, begin, end)
    cost_ms = 1000 * usage["server_cpu"] / max(heard["realtime"], 0.1)
    return {
        **point._asdict(),
        **heard,
        "drained": drained,
        "server_cpu_ms_per_audio_s": round(cost_ms, 2),
        **usage,
    }


def summary(point: Point, listeners: list[Listener], begin: float, end: float) -> Result:
    """What was heard of what was said between two times."""
    n_firsts = 1 if point.burst else None

    def within(events: list[tuple[float, float]]) -> list[float]:
        return [1000 * seconds for at, seconds in events if begin <= at <= end]

    gaps = [within(listener.gaps) for listener in listeners]
    samples = sum(n for one in listeners for at, n in one.received if begin <= at <= end)
    return {
        **percentiles(
            "first_audio_ms", [ms for one in listeners for ms in within(one.first_audio[:n_firsts])]
        ),
        "gaps": sum(map(len, gaps)),
        "gaps_ms": round(sum(map(sum, gaps)), 1),
        "listeners_with_gaps": sum(map(bool, gaps)),
        "realtime": round(samples / RATE / (end - begin), 1),
        "client_late_ms_p99": percentiles(
            "late", [1000 * late for one in listeners for late in one.late]
        )["late_p99"],
        "errors": sum(one.errors for one in listeners),
        "lost": sum(one.closed.is_set() for one in listeners),
    }


def main() -> None:
    options = arguments(
        __doc__,
        ("--listeners", {"type": int, "nargs": "*", "default": LISTENERS}),
        ("--with-pitch", {"type": int, "nargs": "*", "default": [10, 50]}),
        ("--pitch-shift", {"type": float, "default": 4.0, "help": "of those"}),
        ("--seconds", {"type": float, "default": 4.0, "help": "measured at each point"}),
        ("--burst", {"action": "store_true", "help": "a whole paragraph at once"}),
    )
    if options.burst and options.listeners is LISTENERS:
        options.listeners = [n for n in LISTENERS if n <= MOST_IN_A_BURST]
    points = [Point(n, 0.0, options.burst) for n in options.listeners]
    points += [Point(n, options.pitch_shift, options.burst) for n in options.with_pitch]
    columns = {
        "listeners": "listeners",
        "pitch_shift": "pitch",
        "first_audio_ms_p50": "first p50 ms",
        "first_audio_ms_p95": "p95",
        "first_audio_ms_p99": "p99",
        "gaps": "gaps",
        "gaps_ms": "gaps ms",
        "realtime": "realtime",
        "server_cpu": "server cpu",
        "server_cpu_ms_per_audio_s": "cpu ms/s",
        "client_cpu": "client cpu",
        "others_cpu": "others cpu",
        "client_late_ms_p99": "client late",
        "server_rss_peak_mb": "rss peak MB",
    }
    bench = "burst" if options.burst else "sessions"
    results = (
        asyncio.run(measure(point, options.seconds, options.server_options)) for point in points
    )
    report(bench, options.server_options, columns, results)


if __name__ == "__main__":
    main()
