"""What does it cost to encode a listener's sound, and how soon are there bytes?

In this process, without a server: a minute of a voice-like sound through each encoder, pushed 20 ms
at a time, in processor time. ``% of real time`` is all of it; a push that completes no frame costs
nothing, so p50 and p99 are of those that give bytes. ``needs`` is the sound that must come before
the first bytes can, at any speed: at the pace of real time it would be the wait. ``first bytes`` is
the time from an engine's first piece of sound, espeak-ng's of 80 ms, to the first bytes behind the
head, in an encoder that is opened for it.

``loop_ms`` is what Trio's thread has to do for 240 ms of Opus, which is one of espeak-ng's pieces,
when it encodes them itself, and when a worker thread does. ``FFmpeg`` is the import of PyAV, which
a server does when the first listener asks for a codec.

The floor is bare PCM, which is a copy.

Predicted: Opus 0.5 % (libopus says 200 times real time on such a core), MP3 1.5, AAC 1.5, FLAC 0.3,
G.711 0.2; Opus needs 20 ms, MP3 two frames of 24; first bytes after 1 ms, and 2 for MP3.
"""

from __future__ import annotations

import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import trio

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import Figure, Result, argument_parser, percentiles, report
from stages.audio.encoders import FORMATS, SoundFormat, new_encoder
from stages.audio.encoders.opus import OpusPackets
from tests.audio.listening import voice_like

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stages.audio.format import Samples

COLUMNS = {
    "percent": "% of real time",
    "push_ms_p50": "a push, p50 ms",
    "push_ms_p99": "p99",
    "needs_ms": "needs ms",
    "first_ms": "first bytes ms",
    "open_ms": "to open ms",
    "kbit_s": "kbit/s",
}
FIGURES = (
    Figure("MP3, of real time", "mp3", "percent", "%", at_most=3, predicted="1.5"),
    Figure("Opus in Ogg", "opus", "percent", "%", at_most=3, predicted="0.5"),
    Figure("AAC", "aac", "percent", "%", at_most=3, predicted="1.5"),
    Figure("FLAC", "flac", "percent", "%", at_most=3, predicted="0.3"),
    Figure("G.711, mu-law", "mulaw, 8000 Hz", "percent", "%", at_most=3, predicted="0.2"),
    Figure("first bytes of MP3", "mp3", "first_ms", "ms", at_most=40, predicted="2"),
    Figure("first bytes of Opus", "opus", "first_ms", "ms", at_most=40, predicted="1"),
    Figure("MP3 needs", "mp3", "needs_ms", "ms", predicted="48"),
    Figure("Opus needs", "opus", "needs_ms", "ms", at_most=40, predicted="20"),
    Figure("240 ms of Opus, the loop's share", "in a worker thread", "loop_ms", "ms", at_most=1),
)

RATE = 48_000
MS = RATE // 1000
PIECE_MS = 20
FIRST_PIECE_MS = 80
MESSAGE_MS = 240
CASES: tuple[tuple[SoundFormat, int], ...] = (
    *((name, RATE) for name in FORMATS),
    *(("mp3", rate) for rate in (24_000, 22_050)),
    ("opus", 16_000),
    *(("mulaw", 8_000), ("alaw", 8_000)),
)


def measure_encoder(name: SoundFormat, rate: int, sound: Samples, tries: int) -> Result:
    encoder = new_encoder(name, rate)
    encoder.start()
    pushes_ms, n_bytes = [], 0
    began_ns = time.process_time_ns()
    for piece in np.split(sound, len(sound) // (PIECE_MS * MS)):
        pushed_ns = time.process_time_ns()
        data = encoder.push(piece)
        if data:
            pushes_ms.append((time.process_time_ns() - pushed_ns) / 1e6)
        n_bytes += len(data)
    n_bytes += len(encoder.flush())
    sound_s = len(sound) / RATE
    return {
        "case": name if rate == RATE else f"{name}, {rate} Hz",
        "percent": (time.process_time_ns() - began_ns) / 1e7 / sound_s,
        **percentiles("push_ms", pushes_ms),
        "needs_ms": needs_ms(name, rate, sound),
        **first_bytes(name, rate, sound, tries),
        "kbit_s": n_bytes * 8 / 1000 / sound_s,
    }


def needs_ms(name: SoundFormat, rate: int, sound: Samples) -> int:
    """The milliseconds of sound without which there are no bytes."""
    encoder = new_encoder(name, rate)
    pieces = np.split(sound, len(sound) // MS)
    return next(n for n, piece in enumerate(pieces, start=1) if encoder.push(piece))


def first_bytes(name: SoundFormat, rate: int, sound: Samples, tries: int) -> Result:
    """At the median of so many tries: what an engine's first pieces become, and an encoder's
    opening, by the clock."""
    firsts_ms, opens_ms = [], []
    first, second = sound[: FIRST_PIECE_MS * MS], sound[FIRST_PIECE_MS * MS :][: MESSAGE_MS * MS]
    for _ in range(tries):
        began = time.perf_counter()
        encoder = new_encoder(name, rate)
        opened = time.perf_counter()
        if not encoder.push(first):
            encoder.push(second)
        firsts_ms.append(1000 * (time.perf_counter() - began))
        opens_ms.append(1000 * (opened - began))
    return {"first_ms": float(np.median(firsts_ms)), "open_ms": float(np.median(opens_ms))}


async def measure_loop(sound: Samples) -> list[Result]:
    """The processor time of Trio's thread for a piece, in both ways."""
    pieces = np.split(sound, len(sound) // (MESSAGE_MS * MS))
    off_loop = partial(trio.to_thread.run_sync, abandon_on_cancel=True)
    results = []
    for case in ("on the loop", "in a worker thread"):
        opus = OpusPackets(RATE)
        opus.push(pieces[0])
        began_ns = time.thread_time_ns()
        for piece in pieces:
            if case == "on the loop":
                opus.push(piece)
            else:
                await off_loop(opus.push, piece)
        results.append(
            {"case": case, "loop_ms": (time.thread_time_ns() - began_ns) / 1e6 / len(pieces)}
        )
    return results


def measure_import(tries: int) -> Result:
    """By processes that have imported numpy, as every server has."""
    program = """
import time, numpy
def resident_mb():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
before, began = resident_mb(), time.perf_counter()
import av
print(1000 * (time.perf_counter() - began), resident_mb() - before)
"""
    told = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        for _ in range(tries)
    ]
    import_ms, memory_mb = np.median(
        [list(map(float, each.stdout.split())) for each in told], axis=0
    )
    return {"case": "FFmpeg", "import_ms": float(import_ms), "memory_mb": float(memory_mb)}


def measure(seconds: int) -> Iterator[Result]:
    sound = voice_like(seconds * RATE)
    for name, rate in CASES:
        yield measure_encoder(name, rate, sound, tries=20)
    yield from trio.run(measure_loop, sound)
    yield measure_import(tries=5)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="of sound, a multiple of 6")
    report(COLUMNS, FIGURES, measure(parser.parse_args().seconds))


if __name__ == "__main__":
    main()
