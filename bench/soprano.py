"""What does Soprano cost here, how soon is its first audio, and how many can it speak to?

In this process, without a server: our engine, driven as the executor drives it (who has heard
least goes first), beside the package's own ``infer_stream`` and ``infer``, on the same weights in
the same run, for sentences of 60 characters. **The weights are random**, of the architecture and
size of Soprano-1.1-80M (``--tiny``: of a tiny one): they cost what trained ones do and say nothing
about how it sounds. A random model hardly ever stops, so lengths are forced: 1.05 states a
character, 15 characters a second, as in speech.

Several listeners of the package take turns, one sentence after the other, as its own server has it.

The floors, from what was measured in this run: a step reads all weights of the layers and the head
(bytes over memory bandwidth); a state of the decoder is four frames of its multiplications (FLOPs
over the rate of a large matrix product); first audio is a prompt, three steps and a decode.

Predicted on 2 cores with AVX-512 BF16 (35 GB/s): a step 10 ms against a floor of 4.4; first audio
of 60 characters 90 ms; a real-time factor of 0.25 for one; 8 listeners 16 times real time.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if __name__ == "__main__":  # in this folder, "import soprano" would find this file
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import Figure, Playback, Result, report
from bench.forced import states_of
from bench.models import COLUMNS, chosen, median_of, model_parser, timed_ms
from stages.neural import accelerator
from stages.tts.soprano import checkpoint
from stages.tts.soprano.decoder import FRAMES_PER_STATE, SAMPLE_RATE, Piece, n_samples_of
from stages.tts.soprano.device_loop import MAX_STEPS
from stages.tts.soprano.engine import SopranoEngine
from stages.tts.soprano.model import EMPTY_ROW, SopranoModel, SopranoOptions
from stages.tts.soprano.sequence import FIRST_CHUNK
from stages.tts.soprano.text import normalise
from tests.engine_driver import step
from tests.random_soprano import FULL, TINY, build
from tests.soprano.reference import Reference
from tests.soprano.speaking import SENTENCE, request_for

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from stages.neural.transfers import Fetched

FACTOR, SPEED = "real_time_factor", "speech_s_per_s"
FIGURES = (
    Figure(
        "first audio, one listener",
        "1 at once", "first_audio_ms", "ms", at_most=200, predicted="90",
    ),
    Figure(
        "how many times sooner than the package's stream",
        "beside the package", "times_sooner", at_least=1.5,
    ),
    Figure("real-time factor, one listener", "1 at once", FACTOR, at_most=0.3, predicted="0.25"),
    Figure("the package's stream", "package: infer_stream", FACTOR),
    Figure("the package's whole sentences", "package: infer", FACTOR),
    Figure(
        "eight listeners at once: speech made in a second",
        "8 at once", SPEED, "s", at_least=10, predicted="16",
    ),
    Figure(
        "how many times the package's, which takes turns",
        "beside the package", "times_faster", at_least=3,
    ),
    Figure("a step for one", "step, 1 of 8", "ms", "ms", predicted="10"),
    Figure("its floor, reading the weights", "step, 1 of 8", "floor_ms", "ms", predicted="4.4"),
)  # fmt: skip

FORCED = states_of(SENTENCE)
SOUND_S = n_samples_of(FORCED) / SAMPLE_RATE

PRODUCT_SIZE = 2048
"""Of the square matrices that the rate of arithmetic is measured with."""
DECODER_WEIGHTS = 8 * 2 * 768 * 2304 + 512 * 768 + 768 * 2050
"""Of its matrices."""
READ_BYTES = 1 << 28
"""For the bandwidth: more than any cache holds."""


class Machine:
    """How fast this one reads memory and multiplies."""

    def __init__(self, device: torch.device, dtype: torch.dtype, repeats: int) -> None:
        memory = torch.ones(READ_BYTES // 4, device=device)
        self.bytes_per_s = READ_BYTES / (timed_ms(memory.sum, repeats) / 1000)
        self.flops = {
            kind: self._rate(torch.ones(PRODUCT_SIZE, PRODUCT_SIZE, device=device, dtype=kind))
            for kind in {torch.float32, dtype}
        }

    @staticmethod
    def _rate(matrix: torch.Tensor) -> float:
        return 2 * PRODUCT_SIZE**3 / (timed_ms(lambda: matrix @ matrix, 5) / 1000)


class Parts:
    """What the engine asks of the model, in the shapes it uses on this device."""

    def __init__(self, folder: Path, options: SopranoOptions, machine: Machine) -> None:
        read = checkpoint.read(folder, options.dtype)
        self._prompt = read.prompt(normalise(SENTENCE)[0])
        self._config = read.config
        self._model = SopranoModel(read, options)
        self._model.install()
        self._machine = machine
        self._bytes_per_weight = options.dtype.itemsize
        self._flops = machine.flops[options.dtype]

    def measure(self, chunk_states: int, repeats: int) -> Iterator[Result]:
        """Prompts, steps and the decoder."""
        shapes = self._model.shapes
        for n_rows in shapes.prompt_rows:
            yield self._read_prompts(n_rows, repeats)
        for width in shapes.widths:
            for n_used in [width] if shapes.fixed else [1, width]:
                yield self._step(width, n_used, repeats)
        for n_states in sorted({FIRST_CHUNK, chunk_states}):
            for n_rows in (1, 8):
                yield self._decode(n_states, n_rows, repeats)

    def _read_prompts(self, n_prompts: int, repeats: int) -> Result:
        prompts = range(n_prompts), [self._prompt] * n_prompts, [0.0] * n_prompts
        prefill: Callable[[], object]
        if self._model.shapes.fixed:
            prefill = partial(self._run, partial(self._model.launch_prefill, *prompts))
        else:
            prefill = partial(self._model.prefill, *prompts)
        arithmetic_s = 2 * self._n_weights * len(self._prompt) * n_prompts / self._flops
        floor_s = max(arithmetic_s, self._read_s)
        case = f"prompt, {n_prompts} x {len(self._prompt)} tokens"
        return part(case, timed_ms(prefill, repeats), floor_s)

    def _step(self, width: int, n_used: int, repeats: int) -> Result:
        """In the middle of the sentence; in launches, one of `MAX_STEPS`."""
        if self._model.shapes.fixed:
            for slot in range(width):  # a row has room for so many states and no more
                self._run(partial(self._model.launch_prefill, [slot], [self._prompt], [0.0]))
            n_steps = dict.fromkeys(range(width), MAX_STEPS)
            draws = dict.fromkeys(range(width), [0.0] * MAX_STEPS)
            last = len(self._prompt) + FORCED // 2
            launch = partial(self._model.launch_steps, n_steps, draws, last)
            ms = timed_ms(partial(self._run, launch), repeats) / MAX_STEPS
            return part(f"step, {width} of {width}", ms, self._read_s)
        row = (5, len(self._prompt) + FORCED // 2, FORCED // 2)
        rows = [row] * n_used + [EMPTY_ROW] * (width - n_used)
        step = partial(self._model.step, 0, rows, [0.0] * width)
        return part(f"step, {n_used} of {width}", timed_ms(step, repeats), self._read_s)

    def _decode(self, n_states: int, n_rows: int, repeats: int) -> Result:
        """A piece in the middle; the weights are read once, whatever the rows."""
        pieces = [Piece(slot, 20, 20 + n_states, is_last=False) for slot in range(n_rows)]
        decode: Callable[[], object]
        if self._model.shapes.fixed:
            decode = partial(self._run, partial(self._model.launch_decode, pieces))
        else:
            decode = partial(self._model.decode, pieces)
        ms = timed_ms(decode, repeats)
        flops = 2 * DECODER_WEIGHTS * FRAMES_PER_STATE * n_states * n_rows
        floor_s = max(
            4 * DECODER_WEIGHTS / self._machine.bytes_per_s,
            flops / self._machine.flops[torch.float32],
        )
        return part(f"decoder, {n_rows} x {n_states} states", ms, floor_s)

    def _run(self, launch: Callable[[], Fetched]) -> None:
        """What an engine does on a GPU, and wait for it."""
        with self._model.stream():
            launch().result()

    @property
    def _n_weights(self) -> int:
        """That a step reads: the layers' and the head's."""
        config = self._config
        heads = (2 * config.n_heads + 2 * config.n_kv_heads) * config.head_dim
        layer = config.hidden_size * (heads + 3 * config.intermediate_size)
        return config.n_layers * layer + config.hidden_size * config.vocab_size

    @property
    def _read_s(self) -> float:
        return self._n_weights * self._bytes_per_weight / self._machine.bytes_per_s


def part(case: str, ms: float, floor_s: float) -> Result:
    """What one part costs."""
    return {"case": case, "ms": round(ms, 2), "floor_ms": round(1000 * floor_s, 2)}


def listen(engine: SopranoEngine, n_listeners: int) -> Result:
    """All ask for the sentence at once; each plays what it gets."""
    heard = {request_for(SENTENCE): Playback(SAMPLE_RATE) for _ in range(n_listeners)}
    live = list(heard)
    began = time.perf_counter()
    while live:
        live.sort(key=lambda request: heard[request].n_samples)
        step(engine, *engine.choose(live))
        now = time.perf_counter() - began
        for request in live:
            n_new = sum(map(len, request.emitted)) - heard[request].n_samples
            if n_new:
                heard[request].play(n_new, now)
        for request in [request for request in live if request.finished]:
            engine.leave(request)
            live.remove(request)
    wall_s = time.perf_counter() - began
    sound_s = sum(playback.n_samples for playback in heard.values()) / SAMPLE_RATE
    first_ms = [1000 * (playback.first_at or 0.0) for playback in heard.values()]
    gaps_s = [gap_s for playback in heard.values() for gap_s in playback.gaps_s]
    return {
        "first_audio_ms": statistics.median(first_ms),
        "first_audio_ms_max": max(first_ms),
        SPEED: sound_s / wall_s,
        FACTOR: wall_s * n_listeners / sound_s,
        "gap_ms": 1000 * max(gaps_s, default=0.0),
    }


def package(reference: Reference, runs: int) -> Iterator[Result]:
    """The package on the same weights, greedy, stopped after as many tokens."""
    streams, offlines = [], []
    for _ in range(1 + runs):
        streams.append(_stream(reference))
        began = time.perf_counter()
        reference.infer(SENTENCE, FORCED)
        took_s = time.perf_counter() - began
        offlines.append({"first_audio_ms": 1000 * took_s, FACTOR: took_s / SOUND_S})
    for case, measured in (("infer_stream", streams), ("infer", offlines)):
        result = median_of(measured)
        yield {"case": f"package: {case}", **result, SPEED: round(1 / result[FACTOR], 2)}


def _stream(reference: Reference) -> Result:
    """First audio and the real-time factor of `infer_stream`."""
    first_s = 0.0
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its latency
        for _ in reference.stream(SENTENCE, FORCED):
            first_s = first_s or time.perf_counter() - began
    return {"first_audio_ms": 1000 * first_s, FACTOR: (time.perf_counter() - began) / SOUND_S}


def beside_package(results: dict[str, Result]) -> Result:
    """How many times better than the package we are."""
    streamed, offline = results["package: infer_stream"], results["package: infer"]
    sooner = streamed["first_audio_ms"] / results["1 at once"]["first_audio_ms"]
    faster = results["8 at once"][SPEED] / offline[SPEED]
    return {
        "case": "beside the package",
        "times_sooner": round(sooner, 2),
        "times_faster": round(faster, 2),
    }


@torch.inference_mode()
def measure(asked: argparse.Namespace) -> Iterator[Result]:
    """Build the model, and measure it."""
    with tempfile.TemporaryDirectory() as folder:
        model = build(Path(folder) / "soprano", TINY if asked.tiny else FULL)
        yield from measure_model(model, asked)


def measure_model(model: Path, asked: argparse.Namespace) -> Iterator[Result]:
    """The machine, the parts, the listeners, the package."""
    device, dtype = chosen(asked)
    results: dict[str, Result] = {}
    machine = Machine(device, dtype, asked.repeats)
    yield {
        "case": "machine",
        "gb_per_s": round(machine.bytes_per_s / 1e9, 1),
        **{f"gflops_{str(kind)[6:]}": round(r / 1e9) for kind, r in machine.flops.items()},
        "runs_on": accelerator.describe(device, dtype),
    }
    how = SopranoOptions(device=device, dtype=dtype, chunk_states=asked.chunk_size)
    yield from Parts(model, how, machine).measure(how.chunk_states, asked.repeats)
    engine = SopranoEngine(model, how, force_length=states_of)
    engine.load()
    engine.install()
    for n_listeners in asked.listeners:
        case = f"{n_listeners} at once"
        runs = [listen(engine, n_listeners) for _ in range(1 + asked.runs)]
        results[case] = {"case": case, **median_of(runs)}
        yield results[case]
    engine.close()
    if asked.without_package:
        return
    for result in package(Reference(model, device.type), asked.runs):
        results[result["case"]] = result
        yield result
    if {"1 at once", "8 at once"} <= results.keys():
        yield beside_package(results)


def soprano_parser(docstring: str | None) -> argparse.ArgumentParser:
    """What can be asked of `measure`."""
    parser = model_parser(docstring)
    parser.add_argument("--listeners", type=int, nargs="*", default=[1, 2, 4, 8, 16])
    parser.add_argument("--chunk-size", type=int, default=3, help="states a piece of sound")
    parser.add_argument("--repeats", type=int, default=30, help="of each part")
    parser.add_argument("--without-package", action="store_true")
    parser.set_defaults(runs=5)
    return parser


def main() -> None:
    report(COLUMNS, FIGURES, measure(soprano_parser(__doc__).parse_args()))


if __name__ == "__main__":
    main()
