"""Where engines are slower than speech, is a sentence heard without a gap, and is the wait told?

In this process, without a server: Soprano and RVC through our stages and our model thread, for
one listener, sentence after sentence, each played as it comes; once as it is made (``asap``) and
once held back (``smooth``). The wait that is told with each ``segment_start`` stands beside the
real one. Lengths vary by 10 % about the voice's usual pace, which is learnt from the sentences
before.

**The weights are random**, as those of ``bench/chain.py``: they cost what trained ones do. Where
the real-time factor is below 0.9 nothing is held back, and there is nothing to see.

Predicted on 2 cores with AVX2 alone, where the factor is 3: 9 s of gaps in a sentence of 5 s as it
is made, and none held back, after 10 s of which 10 % are told too many or too few.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import trio

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.chain import open_chain
from bench.common import Figure, Playback, Result, report
from bench.models import COLUMNS as MODEL_COLUMNS
from bench.models import Files, chosen, model_parser
from pipeline.cli.logs import open_log
from pipeline.rehearsal import rehearse
from pipeline.speak_text import speak_text
from stages.items import PcmFrame, SegmentStarted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    import torch

    from pipeline.service import Service
    from stages.items import Outgoing, PacingMode

FIGURES = (
    Figure("silence in a sentence, as it is made", "asap", "gap_ms", "ms", predicted="9000"),
    Figure("silence in a sentence, held back", "smooth", "gap_ms", "ms", at_most=0, predicted="0"),
    Figure(
        "the wait that was told, off by at the most",
        "smooth", "told_off_percent", "%", at_most=20, predicted="10",
    ),
)  # fmt: skip

COLUMNS = {**MODEL_COLUMNS, "told_ms": "told ms", "held_ms": "held ms", "told_off_percent": "off %"}

SENTENCES = (
    "The quick brown fox jumps over the lazy dogs of the village near the river bank tonight.",
    "Nobody had told the captain that the harbour was closed.",
    "It rained for eleven days, and on the twelfth the mayor opened the library to all of us.",
    "She laughed, and the lamp went out.",
)
CHARS_PER_STATE = 88 / 79
SPREAD = 0.1


def n_states(text: str) -> int:
    """The length of a sentence: about 17 characters a second."""
    spread = SPREAD if len(text) % 2 else -SPREAD
    return round(len(text) / CHARS_PER_STATE * (1 + spread))


async def measure_all(
    files: Files, runs: int, device: torch.device, dtype: torch.dtype
) -> list[Result]:
    """Both ways, one after the other."""
    results = []
    async with open_chain(files, 1, device, dtype, force_length=n_states) as service:
        await rehearse(service)
        ways: tuple[PacingMode, ...] = ("asap", "smooth")
        for pacing in ways:
            heard = [
                await _listen(service, text, pacing) for _ in range(runs) for text in SENTENCES
            ]
            worst = {
                key: max(each[key] for each in heard) for key in ("gap_ms", "told_off_percent")
            }
            usual = {
                key: round(statistics.median(each[key] for each in heard), 3)
                for key in ("first_audio_ms", "told_ms", "held_ms")
            }
            factor = service.pace.factor(service.style)
            results.append({"case": pacing, "real_time_factor": factor, **usual, **worst})
    return results


async def _listen(service: Service, text: str, pacing: PacingMode) -> Result:
    playback, started = Playback(), []

    async def hear(item: Outgoing) -> None:
        if isinstance(item, SegmentStarted):
            started.append((time.perf_counter(), item.pacing.hold_s))
        if isinstance(item, PcmFrame):
            playback.play(item.n_samples, time.perf_counter())
        await trio.lowlevel.checkpoint()

    began = time.perf_counter()
    config = {"index_rate": 0.0, "pacing": pacing, "segmentation": "sentence"}
    await speak_text(service, text, hear, config)
    started_at, told_s = started[0]
    first_at = playback.first_at or 0.0
    held_s = first_at - started_at
    return {
        "first_audio_ms": 1000 * (first_at - began),
        "gap_ms": round(1000 * sum(playback.gaps_s), 1),
        "told_ms": 1000 * told_s,
        "held_ms": 1000 * held_s,
        # Of waits that somebody minds.
        "told_off_percent": round(100 * abs(told_s / held_s - 1), 1) if held_s > 1 else 0.0,
    }


def measure(asked: argparse.Namespace) -> Iterator[Result]:
    """Build the models, and listen."""
    device, dtype = chosen(asked)
    with tempfile.TemporaryDirectory() as folder:
        files = Files.build(Path(folder), tiny=asked.tiny)
        yield from trio.run(measure_all, files, asked.runs, device, dtype)


def main() -> None:
    open_log("warning", "text", show_texts=False)
    report(COLUMNS, FIGURES, measure(model_parser(__doc__).parse_args()))


if __name__ == "__main__":
    main()
