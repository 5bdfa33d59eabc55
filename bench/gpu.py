"""What does it cost on a GPU? First whether it says the same there, then how fast.

Everything with full-size **random weights**, each part in a process of its own, which has a limit.
First parity: the sound of the GPU in float32 against the CPU's, of Soprano and of an RVC voice (v2,
48 kHz). Then in bfloat16 Soprano alone (`bench/soprano.py`), a block of RVC with its pitch and its
index, the two together in process (`bench/chain.py`), and on the wire: the real server in a process
of its own, with real clients in others (`bench/gpu_wire.py`). A model with random weights never
stops by itself, so the lengths of sentences are forced, 15 characters a second.

On the wire conversations come open loop, at so many a second; each connects, sends a sentence of
39 characters word by word, hears it and leaves. Then listeners who hear one sentence after the
other come in greater and greater numbers, until the server refuses some or starves them. First
sound is the first *audible* sample, as it is played; a gap is silence in mid-sentence.

Published by others and **not measured by us**: Nari Labs' tts_bench has for first audible sound
on an H100, of TTS alone, p95 26 ms at 1 request a second and 77 ms at 20; and for vLLM-Omni 57 and
397 ms.

The floors on an H100 (3.35 TB/s, bfloat16): a step of Soprano reads its weights in 0.05 ms, and
with 256 slots whose caches hold 256 positions 0.2 ms more. A block of RVC of 320 ms is 60 GFLOP,
0.2 ms; of 32 streams 5 ms at the 400 TFLOP/s of large products. First sound of the chain is a
prompt, ten steps, three decodes and a block: 1 ms of reading and arithmetic. 500 listeners are 94
TFLOP/s, a quarter of the card.

Predicted of one graph for a block and several steps launched at once, which has not run on a GPU
yet: a step 0.5 ms at 8 slots and 1.0 at 256; a block 5 ms, and 12 of 32 streams; first sound of
the chain 15 ms alone and p95 30 ms at 20 a second; 400 listeners without a gap.

The machine is taken to have one such card, 16 cores, Python 3.12, and for it torch 2.11 as it
comes, with Triton, and numpy; nothing need be reached from it. What is missing is listed in
``bench/gpu-wheels.txt``: fetched elsewhere into a folder that git ignores (95 MB), and carried.
Where the machine has scipy, or transformers with tokenizers, huggingface-hub and safetensors, they
may stay behind (41 MB).

    python3 -m pip download --no-deps --only-binary=:all: --python-version 3.12 \\
        --implementation cp --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \\
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \\
        -r bench/gpu-wheels.txt -d .wheels
    python3 -m pip install -q --no-index --no-deps --no-compile --target /tmp/site .wheels/*.whl
    PYTHONPATH=/tmp/site python3 bench/gpu.py

It takes 220 s at most: with 70 s in which a machine starts and 10 for the wheels that is 5 minutes.
A part that fails or takes too long says so, and the next begins. To try it all without a GPU, with
tiny models: ``python3 bench/gpu.py --device cpu --tiny``.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if __name__ == "__main__":  # in this folder, "import soprano" would find bench/soprano.py
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import ROOT, Figure, Result, argument_parser, report

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator, Mapping
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerContext, SpawnContext
    from multiprocessing.process import BaseProcess

COLUMNS = {
    "ms": "ms",
    "floor_ms": "floor ms",
    "first_audio_ms": "first p50 ms",
    "first_audio_ms_p95": "p95",
    "first_audio_ms_p99": "p99",
    "first_audio_ms_max": "slowest",
    "real_time_factor": "factor",
    "speech_s_per_s": "s a second",
    "gaps": "gaps",
    "gap_ms": "longest ms",
    "refused": "refused",
    "server_cpu": "server cpu",
    "client_cpu": "client cpu",
}
DIFFERENCE, FACTOR = "difference_millionths", "real_time_factor"
FIRST, P95 = "first_audio_ms", "first_audio_ms_p95"
FIGURES = (
    Figure(
        "Soprano in float32: largest difference from the CPU's",
        "soprano parity: float32", DIFFERENCE, "millionths", at_most=100, predicted="2",
    ),
    Figure(
        "the same of RVC", "rvc parity: float32", DIFFERENCE, "millionths",
        at_most=100, predicted="2",
    ),
    Figure(
        "Soprano: a step at 8 slots", "soprano: step, 8 of 8", "ms", "ms",
        at_most=0.6, predicted="0.5",
    ),
    Figure("its floor", "soprano: step, 8 of 8", "floor_ms", "ms", predicted="0.05"),
    Figure(
        "the same at 256 slots", "soprano: step, 256 of 256", "ms", "ms",
        at_most=1.2, predicted="1.0",
    ),
    Figure("Soprano: first sound, one listener", "soprano: 1 at once", FIRST, "ms", predicted="4"),
    Figure(
        "Soprano, 256 listeners: real-time factor", "soprano: 256 at once", FACTOR,
        predicted="0.1",
    ),
    Figure("RVC: a block of 320 ms", "rvc: a block of 1", "ms", "ms", at_most=5, predicted="5"),
    Figure(
        "the same of 32 streams", "rvc: a block of 32", "ms", "ms", at_most=10, predicted="12"
    ),
    Figure("the same of 64", "rvc: a block of 64", "ms", "ms", predicted="24"),
    Figure(
        "both in process, one listener: first sound", "chain: 1 at once", FIRST, "ms",
        at_most=15, predicted="15",
    ),
    Figure(
        "on the wire, 1 a second: first sound, p50", "wire: 1 a second", FIRST, "ms",
        at_most=15, predicted="16",
    ),
    Figure("the same at 20 a second, p95", "wire: 20 a second", P95, "ms",
        at_most=30, predicted="30",
    ),
    Figure("gaps heard there", "wire: 20 a second", "gaps", at_most=0, predicted="0"),
    Figure("the same at 40 a second", "wire: 40 a second", "gaps", at_most=0, predicted="0"),
    Figure(
        "most listeners tried without a gap", "wire: without a gap", "most_listeners",
        at_least=500, predicted="400",
    ),
    Figure(
        "500 listeners: first sound of a sentence, p95", "wire: 500 listening", P95, "ms",
        at_most=150, predicted="200",
    ),
    Figure(
        "200 listeners: cores that the server uses", "wire: 200 listening", "server_cpu",
        at_most=1, predicted="1.2",
    ),
    Figure(
        "beside them: cancel to the last byte of old sound, p95", "wire: cancel beside 200",
        "silent_ms_p95", "ms", at_most=30, predicted="15",
    ),
)  # fmt: skip


class Part(NamedTuple):
    """Something that is measured in a process of its own."""

    module: str
    function: str
    within_s: float
    """What those before it leave of theirs comes to it."""


MODELS = Part("bench.gpu_parts", "models", 30)  # and what is imported before
PARTS = {
    "soprano parity": Part("bench.gpu_parts", "soprano_parity", 10),
    "rvc parity": Part("bench.gpu_parts", "rvc_parity", 25),
    "soprano": Part("bench.gpu_parts", "soprano_speed", 20),
    "rvc": Part("bench.gpu_parts", "rvc_speed", 20),
    "chain": Part("bench.gpu_parts", "chain_speed", 15),
    "wire": Part("bench.gpu_wire", "wire", 100),
}

TINY_TIMES = 4.0
"""So many times as long for tiny models, which run where much else does."""
TRIAL_WITHIN_S = 60.0
"""Imports included, on a machine where nothing is compiled yet."""
EXIT_WITHIN_S = 3.0
"""Of having said everything; a process that a GPU holds cannot even be killed."""


def measure(parts: Mapping[str, Part], asked: argparse.Namespace) -> Generator[Result]:
    """Each part in a process of its own: an error of a GPU leaves a process that can do nothing
    more there, and what was measured before it, and what comes after, is to be had all the same."""
    by = time.monotonic()
    processes = processes_for(parts, asked.device)
    for name, part in parts.items():
        began = time.monotonic()
        by += part.within_s * (TINY_TIMES if asked.tiny else 1)
        results, end = processes.Pipe(duplex=False)
        process = processes.Process(target=measure_part, args=(name, part, asked, end))
        process.start()
        end.close()
        try:
            while results.poll(max(0.0, by - time.monotonic())):
                yield results.recv()
            yield {"case": f"{name}: stopped", "after_s": round(time.monotonic() - began)}
        except EOFError:  # it is through, or gone
            process.join(EXIT_WITHIN_S)
            if process.exitcode not in {0, 1}:  # 1: an exception, of which it has told
                yield {"case": f"{name}: died", "exit_code": process.exitcode}
        finally:
            end_with_all(process)


def processes_for(parts: Mapping[str, Part], device: str) -> ForkServerContext | SpawnContext:
    """How processes are started: as forks of one that has imported what they need, which takes 10 s
    each time. That one must not have touched the GPU, so one fork tries it first."""
    path = (str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")]))
    os.environ["PYTHONPATH"] = os.pathsep.join(path)
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # asked whether there is one, torch uses it
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(sorted({part.module for part in parts.values()}))
    trial = forks.Process(target=touch, args=(device,))
    trial.start()
    trial.join(TRIAL_WITHIN_S)
    if trial.exitcode == 0:
        return forks
    trial.kill()
    print("forks cannot use this device: each part imports anew", flush=True)
    return multiprocessing.get_context("spawn")


def touch(device: str) -> None:
    """Use a device. Raises where it cannot be used."""
    import torch  # noqa: PLC0415 - in a fork that has it

    torch.zeros(1, device=device)


def measure_part(
    name: str, part: Part, asked: argparse.Namespace, results: Connection[Result, Result]
) -> None:
    """Send on what a part measures, and what it fails of."""
    os.setsid()  # so that what it starts can be ended with it
    try:
        from pipeline.cli.logs import open_log  # noqa: PLC0415 - a process that only waits has none

        open_log("info", "text", show_texts=False)
        for result in getattr(import_module(part.module), part.function)(asked):
            results.send({**result, "case": f"{name}: {result['case']}"})
    except Exception as error:
        results.send({"case": f"{name}: failed", "error": f"{type(error).__name__}: {error}"})
        raise


def end_with_all(process: BaseProcess) -> None:
    """Kill a part and all that it has started: a server that is left would take the GPU from the
    next."""
    process.kill()
    if process.pid:
        with contextlib.suppress(ProcessLookupError):  # it had started nothing, and is gone
            os.killpg(process.pid, signal.SIGKILL)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="tiny models: to try the script")
    parser.set_defaults(dtype="auto")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    asked = parser.parse_args()
    from stages.errors import CannotStart  # noqa: PLC0415 - not for --help, nor for clients
    from stages.neural import accelerator  # noqa: PLC0415 - likewise

    try:
        accelerator.choose_device(asked.device)
    except CannotStart as error:
        sys.exit(f"bench/gpu.py: {error}; nothing was measured")
    with tempfile.TemporaryDirectory(prefix="gpu-bench-") as folder:
        asked.models = Path(folder)
        parts = {"models": MODELS, **{name: PARTS[name] for name in asked.parts}}
        report(COLUMNS, FIGURES, measure(parts, asked))


if __name__ == "__main__":
    main()
