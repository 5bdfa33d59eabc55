"""How soon does a listener hear something after the token that ends a sentence?

One listener, an idle server, the base protocol (no events), and a sentence of 40 characters sent
word by word. The clock starts when the token is sent that settles the boundary (in both ``.`` cases
the full stop). Two moments are timed: when the first binary message has arrived whole (``first``),
and when a player that plays what it gets at once reaches the first sample above -40 dBFS
(``audible``). "+4" is with a pitch shift of 4 semitones.

The floor, measured in the same run: a round trip through the server's whole message path (a bad
token and its error), one through its WebSocket library alone (ping), and espeak-ng in this process
up to its first piece of 40 ms. First audio takes at least the round trip and espeak-ng together,
plus two changes of thread and six of task: about 0.3 ms.

Predicted, for 2 GHz cores that nobody else uses: round trip 0.6 ms, espeak-ng 0.8 ms, so 2.0 ms
for ``!``, ``.`` with a space behind it, and flush; 152 ms for a ``.`` that nothing follows
(boundary_wait is 150). The pitch shifter looks ahead past the first piece, so with a shift
first audio waits for the second one, 300 ms of speech: 5 ms. Audible 15 ms later: 3 ms of lead-in,
and the soft onset of a "th".
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import Figure, Playback, Result, percentiles, report
from bench.meter import Meter
from bench.serving import RATE, Client, Server, running_server, serving_parser
from stages.tts.espeak.engine import EspeakEngine
from tests.engine_driver import DrivenRequest, make_segment

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from stages.audio.format import Samples

COLUMNS = {
    "first_audio_ms_p50": "first p50 ms",
    "first_audio_ms_p95": "p95",
    "first_audio_ms_p99": "p99",
    "audible_ms_p50": "audible p50",
    "audible_ms_p95": "p95",
    "others_cpu": "others cpu",
}
P50, P95 = "first_audio_ms_p50", "first_audio_ms_p95"
FIGURES = (
    Figure("after the `!` of a 40-character sentence, p50", "!", P50, "ms", predicted="2"),
    Figure("after the `!` of a 40-character sentence, p95", "!", P95, "ms", at_most=8),
    Figure("after the `!`, 4 semitones up, p50", "!, +4", P50, "ms", predicted="5"),
    Figure("the same, p95", "!, +4", P95, "ms", at_most=30),
    Figure("after a `.` and a space, p50", ". and space", P50, "ms", predicted="2"),
    Figure("the same, p95", ". and space", P95, "ms"),
    Figure("after a `.` and silence, p50", ". alone", P50, "ms", predicted="152"),
    Figure("the same, p95", ". alone", P95, "ms"),
    Figure("the floor: espeak-ng's first piece, p50", "floor: espeak, first", P50, "ms"),
    Figure("the floor: a ping, p50", "floor: ping", P50, "ms"),
)

WORDS = ["The ", "quick ", "brown ", "fox ", "jumps ", "over ", "the ", "dogs"]
VOICE = "en-us+f3"
AUDIBLE = 0.01  # -40 dBFS; the speech peaks at -6 to -12
QUIET_S = 0.3  # after which the warm-up takes a sentence for finished
WARM_UP = 5

BOUNDARIES: dict[str, list[dict[str, Any]]] = {
    "!": [{"token": "!"}],
    ". and space": [{"token": "."}, {"token": " "}],
    ". alone": [{"token": "."}],
    "flush": [{"flush": True}],
}


class Hearer(Client):
    """Knows when its sentence could be heard, and when it had all of it."""

    def __init__(self) -> None:
        super().__init__()
        self.begin(0)

    def begin(self, n_bytes_wanted: int) -> None:
        self.n_bytes, self._wanted = 0, n_bytes_wanted
        self.audible_at: float | None = None
        self.last_at = 0.0
        self.complete = asyncio.Event()
        self.playback = Playback(RATE)

    def on_audio(self, payload: memoryview, now: float) -> None:
        samples = np.frombuffer(payload, "<f4")
        self.n_bytes += len(payload)
        begins = self.playback.play(len(samples), now)
        if self.audible_at is None and (loud := np.flatnonzero(np.abs(samples) > AUDIBLE)).size:
            self.audible_at = begins + int(loud[0]) / RATE
        self.last_at = now
        if self.n_bytes == self._wanted:
            self.complete.set()

    async def hear(self, boundary: str, n_bytes: int) -> float:
        """Send the sentence and hear all of it, or until silence; returns when its boundary was
        sent."""
        self.begin(n_bytes)
        for word in WORDS:
            self.send({"token": word})
        await asyncio.sleep(0.01)  # the words are taken in: what is timed is the boundary
        sent_at, *_ = [self.send(message) for message in BOUNDARIES[boundary]]
        async with asyncio.timeout(5):
            if n_bytes:
                await self.complete.wait()
            else:
                while not self.n_bytes or time.perf_counter() < self.last_at + QUIET_S:
                    await asyncio.sleep(0.02)
        await asyncio.sleep(0.005)
        return sent_at


async def measure_speech(server: Server, boundary: str, pitch_shift: int, repeats: int) -> Result:
    client = Hearer()
    await client.connect(server.port, f"pitch_shift={pitch_shift}")
    n_bytes = 0
    for _ in range(WARM_UP):
        await client.hear(boundary, n_bytes)
        n_bytes = client.n_bytes
    first, audible = [], []
    meter = Meter(server)
    for _ in range(repeats):
        sent_at = await client.hear(boundary, n_bytes)
        first.append(1000 * ((client.playback.first_at or 0.0) - sent_at))
        audible.append(1000 * ((client.audible_at or 0.0) - sent_at))
    usage = meter.read()
    await client.close()
    return {
        "case": boundary + (f", {pitch_shift:+}" if pitch_shift else ""),
        **percentiles("first_audio_ms", first),
        **percentiles("audible_ms", audible),
        **usage,
    }


async def measure_round_trip(server: Server, name: str, repeats: int) -> Result:
    client = Client()
    await client.connect(server.port)
    times = []
    for _ in range(WARM_UP + repeats):
        sent_at, answered_at = await (
            client.ping() if name == "ping" else client.ask({"token": 1}, "error")
        )
        times.append(1000 * (answered_at - sent_at))
        await asyncio.sleep(0.01)
    await client.close()
    return {"case": f"floor: {name}", **percentiles("first_audio_ms", times[WARM_UP:])}


class TimedRequest(DrivenRequest):
    """Knows when its first samples came."""

    first_at: float | None = None

    def emit(self, samples: Samples) -> None:
        self.first_at = self.first_at or time.perf_counter()
        super().emit(samples)


def measure_espeak(repeats: int) -> Iterator[Result]:
    engine = EspeakEngine()
    engine.load()
    engine.install()
    first, whole = [], []
    for _ in range(WARM_UP + repeats):
        request = TimedRequest(make_segment("".join(WORDS) + "!", VOICE), input_ended=True)
        began = time.perf_counter()
        engine.step([request])
        whole.append(1000 * (time.perf_counter() - began))
        first.append(1000 * ((request.first_at or 0.0) - began))
        time.sleep(0.01)
    engine.close()
    for what, times in (("first", first), ("whole", whole)):
        yield {
            "case": f"floor: espeak, {what}",
            **percentiles("first_audio_ms", times[WARM_UP:]),
        }


def measure(asked: argparse.Namespace) -> Iterator[Result]:
    """The floors, then every case, on one server."""
    yield from measure_espeak(asked.repeats)
    with running_server(asked.server_options) as server:
        for name in ("ping", "bad token"):
            yield asyncio.run(measure_round_trip(server, name, asked.repeats))
        for pitch_shift in (0, 4):
            for boundary in BOUNDARIES:
                yield asyncio.run(measure_speech(server, boundary, pitch_shift, asked.repeats))


def main() -> None:
    parser = serving_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=50, help="of each case")
    report(COLUMNS, FIGURES, measure(parser.parse_args()))


if __name__ == "__main__":
    main()
