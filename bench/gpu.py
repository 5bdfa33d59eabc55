"""What does it cost on a GPU? First whether it says the same there, then how fast.

Everything with full-size **random weights**. First parity: the audio of the GPU in float32 against
the CPU's, of Soprano and of an RVC voice (v2, 48 kHz). Then what ``bench/soprano.py`` measures, in
bfloat16, for up to 256 listeners; ``bench/rvc.py``, for up to 200; and ``bench/chain.py``, for up
to 64. Plain ``python3 bench/gpu.py`` will do, with the packages of ``requirements/full.txt`` on its
path, and takes 5 minutes at most.

The floor of a step on an H100 (3.35 TB/s) is 45 µs for the weights, and for 256 slots 0.6 ms more
for the whole of the cache, which graphs always look at. Predicted: a step 0.6 ms at 8 slots and
1.5 ms at 256; first audio of one listener 5 ms; 256 listeners in real time, with a factor below
0.1.

A block of 320 ms of RVC is 60 GFLOP, which an H100 computes in 0.2 ms; it is some 900 kernels,
started one by one (there are no graphs for it yet). Predicted: 6 ms for one block, 25 ms for one of
32 listeners at once, so 200 listeners in real time with a factor of 0.5.

A part that fails or takes too long says so, and the next begins. To try the script without a GPU:
``python3 bench/gpu.py --device cpu --tiny``.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

if __name__ == "__main__":  # in this folder, "import soprano" would find bench/soprano.py
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench import chain, rvc, soprano
from bench.common import Figure, Result, argument_parser, report
from bench.models import COLUMNS, Files
from pipeline.cli.logs import open_log
from stages.errors import CannotStart
from stages.neural import accelerator
from stages.tts.soprano.model import SopranoOptions
from tests.random_soprano import FULL, TINY, build
from tests.soprano.speaking import SENTENCE, open_engine, say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from stages.audio.format import Samples

FIGURES = (
    Figure(
        "Soprano: first audio, one listener",
        "soprano: 1 at once", "first_audio_ms", "ms", at_most=10, predicted="5",
    ),
    Figure(
        "Soprano, 256 listeners: real-time factor",
        "soprano: 256 at once", "real_time_factor", at_most=1, predicted="below 0.1",
    ),
    Figure(
        "Soprano: a step at 256 slots",
        "soprano: step, 256 of 256", "ms", "ms", at_most=3, predicted="1.5",
    ),
    Figure("RVC: a block of 320 ms", "rvc: a block, 320 ms", "ms", "ms", predicted="6"),
    Figure(
        "RVC, 200 listeners: real-time factor",
        "rvc: 200 at once, 320 ms", "real_time_factor", at_most=1, predicted="0.5",
    ),
)  # fmt: skip

PARITY_STATES = 60
"""The two may come to other tokens where two logits are equal but for rounding; then they say
different things from there on, which the row shows as the first sample that differs."""

AUDIBLE = 1e-3

WITHIN_S = 270.0
"""For all parts; with the start and the end 5 minutes."""
EXIT_WITHIN_S = 3.0
"""Of having said everything; a process that a GPU holds cannot even be killed."""

CPU = torch.device("cpu")


def sound_on(device: torch.device, folder: Path) -> Samples:
    """The sentence in float32."""
    engine = open_engine(
        folder, SopranoOptions(device=device, n_slots=8), force_length=lambda _text: PARITY_STATES
    )
    sound = say(engine, SENTENCE)
    engine.close()
    return sound


def soprano_parity(asked: argparse.Namespace) -> Iterator[Result]:
    """How far the GPU's audio is from the CPU's."""
    device = accelerator.choose_device(asked.device)
    with tempfile.TemporaryDirectory() as folder:
        size = TINY if asked.tiny else FULL
        model = build(Path(folder) / "soprano", size, dtype=torch.float32)
        here, there = sound_on(CPU, model), sound_on(device, model)
    difference = abs(here - there)
    differs = (difference > AUDIBLE).nonzero()[0]
    n_same = int(differs[0]) if len(differs) else len(here)
    yield {
        "case": "float32",
        "samples": len(here),
        "same_samples": n_same,
        "difference": float(difference[:n_same].max(initial=0)),
    }


@torch.inference_mode()
def converted_on(device: torch.device, files: Files) -> Samples:
    """A stream's audio in float32."""
    bench = rvc.Bench(files, device, torch.float32)
    stream = bench.stream(32)
    sounds = []
    while stream.is_due:
        sounds += bench.converter.advance([stream])
    return np.concatenate(sounds)


def rvc_parity(asked: argparse.Namespace) -> Iterator[Result]:
    """How far the GPU's conversion is from the CPU's: the largest difference, of audio whose peaks
    are about 0.5."""
    device = accelerator.choose_device(asked.device)
    torch.backends.cudnn.allow_tf32 = False  # else float32's convolutions have 10 bits there
    with tempfile.TemporaryDirectory() as folder:
        files = Files.build(Path(folder), tiny=asked.tiny)
        here, there = converted_on(CPU, files), converted_on(device, files)
    yield {
        "case": "float32",
        "samples": len(here),
        "difference": float(abs(here - there).max()),
    }


def soprano_speed(asked: argparse.Namespace) -> Iterator[Result]:
    """`bench/soprano.py`, for more listeners."""
    numbers = [1, 8] if asked.tiny else [1, 8, 32, 128, 256]
    how = as_asked(soprano.soprano_parser(None), asked, numbers)
    how.without_package = asked.tiny  # it would take most of the time
    return soprano.measure(how)


def rvc_speed(asked: argparse.Namespace) -> Iterator[Result]:
    """`bench/rvc.py`, for more listeners."""
    numbers = [2] if asked.tiny else [8, 32, 128, 200]
    return rvc.measure(as_asked(rvc.rvc_parser(None), asked, numbers))


def chain_speed(asked: argparse.Namespace) -> Iterator[Result]:
    """`bench/chain.py`, for more listeners, without the packages' chain."""
    numbers = [1] if asked.tiny else [1, 8, 64]
    how = as_asked(chain.chain_parser(None), asked, numbers)
    how.without_upstream = True
    return chain.measure(how)


def as_asked(
    parser: argparse.ArgumentParser, asked: argparse.Namespace, listeners: list[int]
) -> argparse.Namespace:
    """A bench's options by default, but for these."""
    how = parser.parse_args(["--device", asked.device, *(["--tiny"] if asked.tiny else [])])
    how.listeners = listeners
    if asked.tiny:
        how.runs = how.repeats = 1
    return how


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Result]]] = {
    "soprano parity": soprano_parity,
    "rvc parity": rvc_parity,
    "soprano": soprano_speed,
    "rvc": rvc_speed,
    "chain": chain_speed,
}


def measure(asked: argparse.Namespace) -> Iterator[Result]:
    """Each part in a process of its own: an error of a GPU leaves a process that can do nothing
    more there, and what was measured before it, and what comes after, is to be had all the same.
    The time that is left is shared among the parts that are left."""
    spawn = multiprocessing.get_context("spawn")
    end_at = time.monotonic() + WITHIN_S
    for number, part in enumerate(asked.parts):
        within_s = (end_at - time.monotonic()) / (len(asked.parts) - number)
        results, end = spawn.Pipe(duplex=False)
        process = spawn.Process(target=measure_part, args=(part, asked, end))
        process.start()
        end.close()
        by = time.monotonic() + within_s
        try:
            while results.poll(max(0.0, by - time.monotonic())):
                yield results.recv()
            yield {"case": f"{part}: stopped", "after_s": round(within_s)}
            process.kill()
        except EOFError:  # it is through, or gone
            process.join(EXIT_WITHIN_S)
            if process.exitcode not in {0, 1}:  # 1: an exception, of which it has told
                yield {"case": f"{part}: died", "exit_code": process.exitcode}
                process.kill()


def measure_part(part: str, asked: argparse.Namespace, results: Connection[Result, Result]) -> None:
    """Send on what a part measures, and what it fails of."""
    open_log("warning", "text", show_texts=False)
    try:
        for result in PARTS[part](asked):
            results.send({**result, "case": f"{part}: {result['case']}"})
    except Exception as error:
        results.send({"case": f"{part}: failed", "error": f"{type(error).__name__}: {error}"})
        raise


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="tiny models: to try the script")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    asked = parser.parse_args()
    try:
        accelerator.choose_device(asked.device)
    except CannotStart as error:
        sys.exit(f"bench/gpu.py: {error}; nothing was measured")
    report(COLUMNS, FIGURES, measure(asked))


if __name__ == "__main__":
    main()
