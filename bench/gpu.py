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
"""

from __future__ import annotations

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
from pipeline.logs import open_log
from stages.tts.soprano.engine import SopranoEngine
from stages.tts.soprano.model import SopranoOptions
from tests.random_soprano import FULL, build
from tests.soprano.driver import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from stages.audio.format import Samples

PARITY_STATES = 60
"""The two may come to other tokens where two logits are equal but for rounding; then they say
different things from there on, which the row shows as the first sample that differs."""

AUDIBLE = 1e-3


def sound_on(device: str, folder: Path) -> Samples:
    """The sentence in float32."""
    options = SopranoOptions(device=torch.device(device), n_slots=8)
    engine = SopranoEngine(folder, options, force_length=lambda _text: PARITY_STATES)
    engine.load()
    engine.install()
    sound = say(engine, soprano.SENTENCE)
    engine.close()
    return sound


def parity(folder: Path) -> Result:
    """How far the GPU's sound is from the CPU's."""
    here, there = sound_on("cpu", folder), sound_on("cuda:0", folder)
    difference = abs(here - there)
    differs = (difference > AUDIBLE).nonzero()[0]
    return {
        "case": "parity, float32",
        "samples": len(here),
        "same_samples": int(differs[0]) if len(differs) else len(here),
        "difference": float(difference[: differs[0] if len(differs) else None].max(initial=0)),
    }


@torch.inference_mode()
def converted_on(device: str, files: rvc_models.Files) -> Samples:
    """A stream's sound in float32."""
    bench = rvc.Bench(files, torch.device(device), torch.float32)
    stream = bench.stream(32)
    sounds = []
    while stream.is_due:
        sounds += bench.converter.advance([stream])
    return np.concatenate(sounds)


def rvc_parity(files: rvc_models.Files) -> Result:
    """How far the GPU's conversion is from the CPU's: the largest difference, of sound that is
    some 0.5 high."""
    here, there = converted_on("cpu", files), converted_on("cuda:0", files)
    return {
        "case": "RVC parity, float32",
        "samples": len(here),
        "difference": float(abs(here - there).max()),
    }


def measure_all(options: argparse.Namespace) -> Iterator[Result]:
    """Parity, then `bench/soprano.py`; and the same of RVC."""
    with tempfile.TemporaryDirectory() as folder:
        yield parity(build(Path(folder) / "soprano", FULL, dtype=torch.float32))
    yield from soprano.measure_all(options)
    with tempfile.TemporaryDirectory() as folder:
        yield rvc_parity(rvc_models.Files.build(Path(folder), tiny=False))
    how = rvc.rvc_options(None).parse_args(["--device", "cuda"])
    how.listeners = [8, 32, 128, 200]
    yield from rvc.measure_all(how)
    how = chain.chain_options(None).parse_args(["--device", "cuda", "--without-upstream"])
    how.chains = [1, 8, 64]
    yield from chain.measure_all(how)


def main() -> None:
    open_log("warning", "text", show_texts=False)
    parser = soprano.options(__doc__)
    parser.set_defaults(listeners=[1, 8, 32, 128, 256], device="cuda")
    asked = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("bench/gpu.py: there is no CUDA device here; nothing was measured")
    columns = {
        **soprano.COLUMNS, **rvc_models.COLUMNS, "same_samples": "same", "difference": "differ"
    }  # fmt: skip
    report("gpu", [], columns, measure_all(asked))


if __name__ == "__main__":
    main()
