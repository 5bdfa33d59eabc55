"""How soon does a listener hear something after the token that ends a sentence?

One listener, an idle server, base protocol (no events), a sentence of 40 characters sent word
by word; the clock runs from sending the token that settles the boundary (from the full stop in
both ``.`` cases). Two ends are timed: the first binary message is here whole (``first_audio``),
and a player that plays what it gets at once reaches the first sample above -40 dBFS
(``audible``).

The floor, measured in the same run: a round trip through the server's whole message path (a bad
token and its error), one through its WebSocket library alone (ping), and espeak in this process
up to its first piece of 40 ms. First audio is at least the round trip and espeak together, plus
two changes of thread and six of task: about 0.3 ms.

Predicted, for 2 GHz cores that nobody else uses: round trip 0.6 ms, espeak 0.8 ms, so 2.0 ms
for ``!``, ``.`` with a space behind it, and flush; 152 ms for a ``.`` that nothing follows
(boundary_wait is 150). The pitch shifter looks ahead past the first piece, so with a shift
first audio waits for espeak's second one, 300 ms of speech: 5 ms. Audible 15 ms later: 3 ms
of lead-in, and the soft onset of a "th".
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.common import (
    RATE,
    Client,
    Meter,
    Playback,
    Result,
    Server,
    arguments,
    percentiles,
    report,
    running_server,
)
from stages.items import Segment, Style, Timing
from stages.tts.espeak.engine import EspeakEngine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stages.audio.format import Samples
    from stages.items import AudioChunk

WORDS = ["The ", "quick ", "brown ", "fox ", "jumps ", "over ", "the ", "dogs"]
SENTENCE = "".join(WORDS) + "!"
VOICE = "en-us+f3"
AUDIBLE = 0.01  # -40 dBFS; the speech peaks at -6 to -12
QUIET_S = 0.3  # after which the warm-up takes a sentence for finished
WARM_UP = 5

TOKEN_MESSAGES: dict[str, list[dict[str, Any]]] = {
    "!": [{"token": "!"}],
    ". and space": [{"token": "."}, {"token": " "}],
    ". alone": [{"token": "."}],
    "flush": [{"flush": True}],
}


class Hearer(Client):
    """Times the first sound and counts the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.begin()

    def begin(self) -> None:
        self.n_samples = 0
        self.wanted = 0
        self.first_at: float | None = None
        self.audible_at: float | None = None
        self.last_at = 0.0
        self.complete = asyncio.Event()
        self.answered_at = asyncio.get_running_loop().create_future()
        self._playback = Playback()

    def on_audio(self, payload: memoryview, now: float) -> None:
        samples = np.frombuffer(payload, "<f4")
        begins = self._playback.play(len(samples), now)
        if self.first_at is None:
            self.first_at = now
        if self.audible_at is None and (loud := np.flatnonzero(np.abs(samples) > AUDIBLE)).size:
            self.audible_at = begins + int(loud[0]) / RATE
        self.n_samples += len(samples)
        self.last_at = now
        if self.n_samples == self.wanted:
            self.complete.set()

    def on_text(self, message: dict[str, Any], now: float) -> None:
        if not self.answered_at.done():
            self.answered_at.set_result(now)


async def speak_once(client: Hearer, case: str, wanted: int) -> float:
    """Say the sentence and wait for all its sound; returns when the boundary was sent."""
    client.begin()
    client.wanted = wanted
    for word in WORDS:
        client.send({"token": word})
    await asyncio.sleep(0.01)  # the words are taken in: what is timed is the boundary
    sent_at, *_ = [client.send(message) for message in TOKEN_MESSAGES[case]]
    async with asyncio.timeout(5):
        if wanted:
            await client.complete.wait()
        else:
            while not client.n_samples or time.perf_counter() < client.last_at + QUIET_S:
                await asyncio.sleep(0.02)
    await asyncio.sleep(0.005)
    return sent_at


async def measure_speech(server: Server, case: str, pitch_shift: float, repeats: int) -> Result:
    client = Hearer()
    await client.connect(server.port, f"pitch_shift={pitch_shift}")
    wanted = 0
    for _ in range(WARM_UP):
        await speak_once(client, case, wanted)
        wanted = client.n_samples
    first, audible = [], []
    meter = Meter(server)
    for _ in range(repeats):
        sent_at = await speak_once(client, case, wanted)
        first.append((client.first_at or 0.0) - sent_at)
        audible.append((client.audible_at or 0.0) - sent_at)
    usage = meter.read()
    await client.close()
    return {
        "case": case,
        "pitch_shift": pitch_shift,
        **percentiles("first_audio_ms", [1000 * s for s in first]),
        **percentiles("audible_ms", [1000 * s for s in audible]),
        **usage,
    }


async def measure_round_trip(server: Server, name: str, repeats: int) -> Result:
    client = Hearer()
    await client.connect(server.port)
    times = []
    for _ in range(WARM_UP + repeats):
        client.begin()
        sent_at = client.ping() if name == "ping" else client.send({"token": 1})
        times.append(1000 * (await client.answered_at - sent_at))
        await asyncio.sleep(0.01)
    await client.close()
    return {"case": f"floor: {name}", **percentiles("first_audio_ms", times[WARM_UP:])}


class FirstPiece:
    """A request to the engine, which times what it emits."""

    voice = None
    is_dead = False
    input_ended = True
    has_input = False

    def __init__(self) -> None:
        style = Style(VOICE)
        self.segment = Segment(0, SENTENCE, SENTENCE, style, Timing(arrived=0, cut=0))
        self.emitted_at: list[float] = []

    def take_input(self) -> list[AudioChunk]:
        return []

    def emit(self, samples: Samples) -> None:
        self.emitted_at.append(time.perf_counter())

    def finish(self) -> None:
        pass

    def fail(self, error: Exception) -> None:
        raise error


def measure_espeak(repeats: int) -> list[Result]:
    engine = EspeakEngine()
    engine.load()
    engine.install()
    first, whole = [], []
    for _ in range(WARM_UP + repeats):
        request = FirstPiece()
        began = time.perf_counter()
        engine.step([request])
        whole.append(1000 * (time.perf_counter() - began))
        first.append(1000 * (request.emitted_at[0] - began))
        time.sleep(0.01)
    engine.close()
    return [
        {"case": f"floor: espeak, {what}", **percentiles("first_audio_ms", times[WARM_UP:])}
        for what, times in (("first", first), ("whole", whole))
    ]


def main() -> None:
    options = arguments(
        __doc__,
        ("--repeats", {"type": int, "default": 50, "help": "of each case"}),
        ("--pitch-shift", {"type": float, "nargs": "*", "default": [0.0, 4.0]}),
    )
    columns = {
        "case": "case",
        "pitch_shift": "pitch",
        "first_audio_ms_p50": "first p50 ms",
        "first_audio_ms_p95": "p95",
        "first_audio_ms_p99": "p99",
        "audible_ms_p50": "audible p50",
        "audible_ms_p95": "p95",
        "others_cpu": "others cpu",
    }
    report(
        "first_audio",
        options.server_options,
        columns,
        measure_all(options.repeats, options.pitch_shift, options.server_options),
    )


def measure_all(
    repeats: int, pitch_shifts: list[float], server_options: list[str]
) -> Iterator[Result]:
    """The floors, then every case, on one server."""
    yield from measure_espeak(repeats)
    with running_server(server_options) as server:
        for floor in ("ping", "bad token"):
            yield asyncio.run(measure_round_trip(server, floor, repeats))
        for pitch_shift in pitch_shifts:
            for case in TOKEN_MESSAGES:
                yield asyncio.run(measure_speech(server, case, pitch_shift, repeats))


if __name__ == "__main__":
    main()
