"""How many listeners can one server speak to at once, without a gap?

N listeners are fed word by word at speaking rate, each at its own place in a text of sentences
of 1 to 25 words (175 words a minute, as fast as espeak-ng speaks: half of all listeners are always
about to run dry). Each point starts its own server, lets everybody in during a ramp, measures
for some seconds, then flushes and waits for the rest: the rows "fed". "+4" is with a pitch shift of
4 semitones.

In the rows "at once" everybody sends a paragraph of a minute at once, as language models do: that
measures throughput, how much speech the server makes when it never waits.

first audio  from sending the token that settles a segment's boundary to its first binary
             message, over all segments whose boundary was sent in the measured time; in a
             burst over each listener's first segment
gap          silence that is the server's fault. A listener plays what it gets at once; a message
             that comes after it has run dry is late. Inside a segment all of that counts; before
             a segment what exceeds 100 ms since its boundary was sent, the time first audio may
             take: before that the silence is the writer's. A listener's first audio is no gap
realtime     seconds of speech received per second, by all listeners
cpu ms/s     server CPU per second of speech; the one figure that other work here hardly moves
client late  how late the client itself was to send a word, p99: if not near 0, the client failed

The floor: one second of speech costs espeak-ng 1 ms of a core (0.57 ms a first piece, 2 ms for a
sentence of 2.3 s), resampling 22 to 48 kHz 0.4 ms, encoding and one copy into the kernel
(192 kB) 0.2 ms: 1.6 ms. A listener at speaking rate hears 0.9 s of speech a second and sends
2.9 tokens (at the 0.15 ms each of a small WebSocket library in Python: 0.4 ms). So 2 ms of a
core a second and listener, and a server whose Python holds one core fails near 500.

Predicted: Python around the floor doubles it to 5 ms, so 100 listeners take half a core, 150
three quarters, and at 200 the tail (p99 of first audio) grows past 100 ms before there are
gaps, since urgent requests go first but the loop's own queue has no order. A pitch shift adds
2 ms a second of speech: 50 listeners take a third of a core. At once: 250 to 300 s a second.
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
from typing import TYPE_CHECKING, Any, NamedTuple

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import Figure, Result, percentiles, report
from bench.meter import Meter
from bench.serving import BYTES_PER_SAMPLE, RATE, Client, running_server, serving_parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

COLUMNS = {
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
P50, P95 = "first_audio_ms_p50", "first_audio_ms_p95"
MOST = "without a gap"
FIGURES = (
    Figure("100 listeners at speaking rate: first audio, p50", "100 fed", P50, "ms"),
    Figure("the same, p95", "100 fed", P95, "ms", at_most=100),
    Figure("gaps that they heard", "100 fed", "gaps", at_most=0),
    Figure("cores that the server uses for them", "100 fed", "server_cpu", predicted="0.5"),
    Figure("50 listeners, 4 semitones up: first audio, p50", "50 fed, +4", P50, "ms"),
    Figure("the same, p95", "50 fed, +4", P95, "ms"),
    Figure(
        "cores that the server uses for them", "50 fed, +4", "server_cpu", predicted="0.33"
    ),
    Figure("most listeners tried without a gap", MOST, "most_listeners", predicted="below 500"),
    Figure("the same, 4 semitones up", f"{MOST}, +4", "most_listeners"),
    Figure(
        "a paragraph to each of 100 at once: speech made in a second",
        "100 at once", "realtime", "s", predicted="250 to 300",
    ),
)  # fmt: skip

PITCH_SHIFT = 4
LISTENERS, WITH_PITCH = (1, 10, 50, 100, 200, 300, 400), (10, 50, 100, 200)  # to where it fails
AT_ONCE, AT_ONCE_WITH_PITCH = (1, 10, 50, 100), (10, 50)
WORDS_PER_S = 175 / 60
RAMP_S = 1.0
DRAIN_WITHIN_S = 20.0
SETTLE_S = 0.3
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
    pitch_shift: int
    at_once: bool

    @property
    def case(self) -> str:
        shift = f", {self.pitch_shift:+}" if self.pitch_shift else ""
        return f"{self.listeners} {'at once' if self.at_once else 'fed'}{shift}"


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
        self._n_chars_heard = 0
        self._boundary_at = 0.0
        self._has_begun = False

    def say(self, text: str, due: float) -> None:
        """Send a token that was due at this time."""
        at = self.send({"token": text})
        self.said.append(Said((self.said[-1].n_chars if self.said else 0) + len(text), at))
        self.late.append(at - due)

    def on_text(self, message: dict[str, Any], now: float) -> None:
        super().on_text(message, now)
        match message:
            case {"event": "segment_start", "text": text}:
                # Settled by the token that brought the segment's last character: here the
                # space behind a mark comes with the mark. The last one is cut by the flush.
                self._n_chars_heard += len(text)
                sent = bisect_right(self.said, self._n_chars_heard - 1, key=lambda said: said[0])
                self._boundary_at = self.said[sent].at if text.endswith(BOUNDARIES) else math.inf
                self._has_begun = False
            case {"error": _}:
                self.errors += 1

    def on_audio(self, payload: memoryview, now: float) -> None:
        due = self.playback.dry_at
        if not self._has_begun:
            self._has_begun = True
            self.first_audio.append((self._boundary_at, now - self._boundary_at))
            due = max(due, self._boundary_at + FIRST_AUDIO_WITHIN_S)
        if now > due and self.received:
            self.gaps.append((now, now - due))
        super().on_audio(payload, now)
        self.received.append((now, len(payload) // BYTES_PER_SAMPLE))


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
    flushed = [listener.expect("flushed") for listener in listeners]
    for listener in listeners:
        listener.send({"flush": True})
    _, late = await asyncio.wait(flushed, timeout=DRAIN_WITHIN_S)
    return not late


async def measure_point(point: Point, seconds: float, server_options: list[str]) -> Result:
    """One server, one point."""
    random.seed(1)
    with running_server(["--max-listeners", str(point.listeners), *server_options]) as server:
        listeners = [Listener() for _ in range(point.listeners)]
        query = f"events=true&pitch_shift={point.pitch_shift}"
        for listener in listeners:
            await listener.connect(server.port, query)
        await asyncio.sleep(SETTLE_S)
        if point.at_once:
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
        "case": point.case,
        "listeners": point.listeners,
        **heard,
        "drained": drained,
        "server_cpu_ms_per_audio_s": round(cost_ms, 2),
        **usage,
    }


def summary(point: Point, listeners: list[Listener], begin: float, end: float) -> Result:
    """What was heard of what was said between two times."""
    n_firsts = 1 if point.at_once else None

    def within(events: list[tuple[float, float]]) -> list[float]:
        return [1000 * seconds for at, seconds in events if begin <= at <= end]

    gaps = [within(listener.gaps) for listener in listeners]
    samples = sum(n for one in listeners for at, n in one.received if begin <= at <= end)
    late = percentiles("late", [1000 * late for one in listeners for late in one.late])
    return {
        **percentiles(
            "first_audio_ms", [ms for one in listeners for ms in within(one.first_audio[:n_firsts])]
        ),
        "gaps": sum(map(len, gaps)),
        "gaps_ms": round(sum(map(sum, gaps)), 1),
        "listeners_with_gaps": sum(map(bool, gaps)),
        "realtime": round(samples / RATE / (end - begin), 1),
        "client_late_ms_p99": late["late_p99"],
        "errors": sum(one.errors for one in listeners),
        "lost": sum(one.closed.is_set() for one in listeners),
    }


def most_without_gaps(results: Iterable[Result]) -> int:
    """The most listeners up to the first point with a gap; 0 if the first has one."""
    most = 0
    for result in sorted(results, key=lambda result: int(result["listeners"])):
        if result["gaps"]:
            break
        most = result["listeners"]
    return most


def measure(asked: argparse.Namespace) -> Iterator[Result]:
    """Fed at speaking rate, with and without a pitch shift, then all at once."""
    for shift, numbers, name in (
        (0, asked.listeners, MOST),
        (PITCH_SHIFT, asked.with_pitch, f"{MOST}, {PITCH_SHIFT:+}"),
    ):
        results = []
        for n in numbers:
            point = Point(n, shift, at_once=False)
            results.append(asyncio.run(measure_point(point, asked.seconds, asked.server_options)))
            yield results[-1]
        yield {"case": name, "most_listeners": most_without_gaps(results)}
    for shift, numbers in ((0, asked.at_once), (PITCH_SHIFT, asked.at_once_with_pitch)):
        for n in numbers:
            point = Point(n, shift, at_once=True)
            yield asyncio.run(measure_point(point, asked.seconds, asked.server_options))


def main() -> None:
    parser = serving_parser(__doc__)
    parser.add_argument("--listeners", type=int, nargs="*", default=LISTENERS)
    parser.add_argument("--with-pitch", type=int, nargs="*", default=WITH_PITCH)
    parser.add_argument("--at-once", type=int, nargs="*", default=AT_ONCE)
    parser.add_argument("--at-once-with-pitch", type=int, nargs="*", default=AT_ONCE_WITH_PITCH)
    parser.add_argument("--seconds", type=float, default=4.0, help="measured at each point")
    report(COLUMNS, FIGURES, measure(parser.parse_args()))


if __name__ == "__main__":
    main()
