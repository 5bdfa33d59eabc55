"""What does it cost on a GPU? First whether it says the same there, then how fast.

Soprano with full-size **random weights**: the sound of the GPU's graphs in float32 against the
CPU's, then what ``bench/soprano.py`` measures, in bfloat16, for up to 256 listeners. Plain
``python3 bench/gpu.py`` will do, with the packages of ``requirements/full.txt`` on its path.

The floor of a step on an H100 (3.35 TB/s) is 45 µs for the weights, and for 256 slots 0.6 ms more
for the whole of the cache, which graphs always look at. Predicted: a step 0.6 ms at 8 slots and
1.5 ms at 256; first audio of one listener 5 ms; 256 listeners in real time, with a factor below
0.1.

Then RVC likewise, v2 at 48 kHz: a stream of the GPU's in float32 against the CPU's, and what
``bench/rvc.py`` measures, for up to 200 listeners; and ``bench/chain.py``. A block of 320 ms is 60
GFLOP, which an H100 computes in 0.2 ms; it is some 900 kernels, started one by one (there are no
graphs for it yet). Predicted: 6 ms for one block, 25 ms for one of 32 listeners at once, so 200
listeners in real time with a factor of 0.5.

A part that fails says so in its rows, and the next begins. To try the script without a GPU:
``python3 bench/gpu.py --device cpu --tiny --listeners 1 --rvc-listeners 1 --chains 1``.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

sys.path.pop(0)  # this folder, where "import soprano" would find bench/soprano.py
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import chain, rvc, rvc_models, soprano
from bench.common import Result, report
from pipeline.cli.logs import open_log
from stages.errors import CannotStart
from stages.neural import accelerator
from stages.tts.soprano.engine import SopranoEngine
from stages.tts.soprano.model import SopranoOptions
from tests.random_soprano import FULL, TINY, build
from tests.soprano.speaking import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    from stages.audio.format import Samples

PARITY_STATES = 60
"""The two may come to other tokens where two logits are equal but for rounding; then they say
different things from there on, which the row shows as the first sample that differs."""

AUDIBLE = 1e-3

CPU = torch.device("cpu")


def sound_on(device: torch.device, folder: Path) -> Samples:
    """The sentence in float32."""
    options = SopranoOptions(device=device, n_slots=8)
    engine = SopranoEngine(folder, options, force_length=lambda _text: PARITY_STATES)
    engine.load()
    engine.install()
    sound = say(engine, soprano.SENTENCE)
    engine.close()
    return sound


def soprano_parity(asked: argparse.Namespace) -> Iterator[Result]:
    """How far the GPU's sound is from the CPU's."""
    device = accelerator.choose_device(asked.device)
    with tempfile.TemporaryDirectory() as folder:
        size = TINY if asked.tiny else FULL
        model = build(Path(folder) / "soprano", size, dtype=torch.float32)
        here, there = sound_on(CPU, model), sound_on(device, model)
    difference = abs(here - there)
    differs = (difference > AUDIBLE).nonzero()[0]
    yield {
        "case": "parity, float32",
        "samples": len(here),
        "same_samples": int(differs[0]) if len(differs) else len(here),
        "difference": float(difference[: differs[0] if len(differs) else None].max(initial=0)),
    }


@torch.inference_mode()
def converted_on(device: torch.device, files: rvc_models.Files) -> Samples:
    """A stream's sound in float32."""
    bench = rvc.Bench(files, device, torch.float32)
    stream = bench.stream(32)
    sounds = []
    while stream.is_due:
        sounds += bench.converter.advance([stream])
    return np.concatenate(sounds)


def rvc_parity(asked: argparse.Namespace) -> Iterator[Result]:
    """How far the GPU's conversion is from the CPU's: the largest difference, of sound that is
    some 0.5 high."""
    device = accelerator.choose_device(asked.device)
    torch.backends.cudnn.allow_tf32 = False  # else float32's convolutions have 10 bits there
    with tempfile.TemporaryDirectory() as folder:
        files = rvc_models.Files.build(Path(folder), tiny=asked.tiny)
        here, there = converted_on(CPU, files), converted_on(device, files)
    yield {
        "case": "RVC parity, float32",
        "samples": len(here),
        "difference": float(abs(here - there).max()),
    }


def rvc_alone(asked: argparse.Namespace) -> Iterator[Result]:
    """`bench/rvc.py`, for more listeners."""
    how = rvc.rvc_options(None).parse_args(["--device", asked.device])
    how.tiny, how.repeats, how.runs = asked.tiny, asked.repeats, asked.runs
    how.listeners = asked.rvc_listeners
    yield from rvc.measure_all(how)


def chains(asked: argparse.Namespace) -> Iterator[Result]:
    """`bench/chain.py`, for more listeners."""
    how = chain.chain_options(None).parse_args(["--device", asked.device, "--without-upstream"])
    how.tiny, how.runs, how.chains = asked.tiny, asked.runs, asked.chains
    yield from chain.measure_all(how)


PARTS = {
    "soprano-parity": soprano_parity,
    "soprano": soprano.measure_all,
    "rvc-parity": rvc_parity,
    "rvc": rvc_alone,
    "chain": chains,
}


def measure_all(asked: argparse.Namespace) -> Iterator[Result]:
    """Each part in a process of its own: an error of a GPU leaves a process that can do nothing
    more there, and what was measured before it, and what comes after, is to be had all the same."""
    spawn = multiprocessing.get_context("spawn")
    for part in asked.parts:
        results, end = spawn.Pipe(duplex=False)
        process = spawn.Process(target=measure, args=(part, asked, end))
        process.start()
        end.close()
        with contextlib.suppress(EOFError):  # the process is through, or gone
            while True:
                yield results.recv()
        process.join()
        if process.exitcode not in {0, 1}:  # 1: an exception, of which it has told
            yield {"case": f"{part} died", "exit_code": process.exitcode}


def measure(part: str, asked: argparse.Namespace, results: Connection[Result, Result]) -> None:
    """Send on what a part measures, and what it fails of."""
    open_log("warning", "text", show_texts=False)
    try:
        for result in PARTS[part](asked):
            results.send(result)
    except Exception as error:
        results.send({"case": f"{part} failed", "error": f"{type(error).__name__}: {error}"})
        raise


def main() -> None:
    parser = soprano.options(__doc__)
    parser.set_defaults(listeners=[1, 8, 32, 128, 256], device="cuda")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rvc-listeners", type=int, nargs="*", default=[8, 32, 128, 200])
    parser.add_argument("--chains", type=int, nargs="*", default=[1, 8, 64])
    asked = parser.parse_args()
    try:
        accelerator.choose_device(asked.device)
    except CannotStart as error:
        sys.exit(f"bench/gpu.py: {error}; nothing was measured")
    columns = {
        **soprano.COLUMNS, **rvc_models.COLUMNS, "same_samples": "same", "difference": "differ"
    }  # fmt: skip
    report("gpu", [], columns, measure_all(asked))


if __name__ == "__main__":
    main()
