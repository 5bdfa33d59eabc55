"""What does Soprano cost here, how soon is its first sound, and how many can it speak to?

In this process, without a server: our engine, driven as the executor drives it (who has heard
least goes first), beside the package's own ``infer_stream`` and ``infer``, on the same weights in
the same run. **The weights are random**, of the architecture and size of Soprano-1.1-80M
(``--tiny``: of a tiny one): they prove nothing about how it sounds. A random model hardly ever
stops, so lengths are forced: 1.05 states a character, 15 characters a second, as in speech.

Several listeners of the package take turns, one sentence after the other, as its own server has it.

The floors, from what was measured in this run: a step reads all weights of the layers and the head
(bytes over memory bandwidth); a state of the decoder is four frames of its multiplications (FLOPs
over the rate of a large matrix product); first audio is a prompt, three steps and a decode.

Predicted on 2 cores with AVX-512 BF16 (35 GB/s): a step 10 ms against a floor of 4.4; first audio
of 60 characters 90 ms; a real-time factor of 0.25 for one; 8 listeners 16 times real time.
"""

from __future__ import annotations

import argparse
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

sys.path.pop(0)  # this folder, where "import soprano" would find bench/soprano.py
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.common import Result, report
from stages.neural import accelerator
from stages.tts.soprano import checkpoint
from stages.tts.soprano.decoder import FRAMES_PER_STATE, SAMPLE_RATE, Piece, n_samples_of
from stages.tts.soprano.engine import SopranoEngine
from stages.tts.soprano.model import EMPTY_ROW, SopranoModel, SopranoOptions
from stages.tts.soprano.sequence import FIRST_CHUNK
from stages.tts.soprano.text import normalise
from tests.random_soprano import FULL, TINY, build
from tests.soprano.reference import Reference
from tests.soprano.speaking import request_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.engine_driver import DrivenRequest

SENTENCE = "The quick brown fox jumps over the lazy dogs of the village."
STATES_PER_CHAR = 1.05
FORCED = round(STATES_PER_CHAR * len(SENTENCE))
SOUND_S = n_samples_of(FORCED) / SAMPLE_RATE

PRODUCT_SIZE = 2048
"""Of the square matrices that the rate of arithmetic is measured with."""
DECODER_WEIGHTS = 8 * 2 * 768 * 2304 + 512 * 768 + 768 * 2050
"""Of its matrices."""
READ_BYTES = 1 << 28
"""For the bandwidth: more than any cache holds."""


def states_of(text: str) -> int:
    """As many as a text of this length would take."""
    return round(STATES_PER_CHAR * len(text))


def median_ms(function: Callable[[], object], repeats: int) -> float:
    """Of a call, after three that warm up."""
    times = []
    for number in range(3 + repeats):
        began = time.perf_counter()
        function()
        synchronize()
        if number >= 3:
            times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def synchronize() -> None:
    """Until a GPU has done what it was told."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


class Machine:
    """How fast this one reads memory and multiplies."""

    def __init__(self, device: torch.device, dtype: torch.dtype, repeats: int) -> None:
        memory = torch.ones(READ_BYTES // 4, device=device)
        self.bytes_per_s = READ_BYTES / (median_ms(memory.sum, repeats) / 1000)
        self.flops = {
            kind: self._rate(torch.ones(PRODUCT_SIZE, PRODUCT_SIZE, device=device, dtype=kind))
            for kind in {torch.float32, dtype}
        }

    @staticmethod
    def _rate(matrix: torch.Tensor) -> float:
        return 2 * PRODUCT_SIZE**3 / (median_ms(lambda: matrix @ matrix, 5) / 1000)


class Parts:
    """What the engine asks of the model, in the shapes it uses on this device."""

    def __init__(self, folder: Path, options: SopranoOptions, machine: Machine) -> None:
        read = checkpoint.read(folder, options.dtype)
        self._prompt = read.tokenizer.prompt(normalise(SENTENCE)[0])
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
        prefill = partial(
            self._model.prefill, range(n_prompts), [self._prompt] * n_prompts, [0.0] * n_prompts
        )
        arithmetic_s = 2 * self._n_weights * len(self._prompt) * n_prompts / self._flops
        floor_s = max(arithmetic_s, self._read_s)
        case = f"prompt, {len(self._prompt)} tokens"
        return part(case, n_prompts, median_ms(prefill, repeats), floor_s)

    def _step(self, width: int, n_used: int, repeats: int) -> Result:
        """In the middle of the sentence."""
        row = (5, len(self._prompt) + FORCED // 2, FORCED // 2)
        rows = [row] * n_used + [EMPTY_ROW] * (width - n_used)
        step = partial(self._model.step, 0, rows, [0.0] * width)
        return part(f"step, width {width}", n_used, median_ms(step, repeats), self._read_s)

    def _decode(self, n_states: int, n_rows: int, repeats: int) -> Result:
        """A piece in the middle; the weights are read once, whatever the rows."""
        pieces = [Piece(slot, 20, 20 + n_states, is_last=False) for slot in range(n_rows)]
        ms = median_ms(partial(self._model.decode, pieces), repeats)
        flops = 2 * DECODER_WEIGHTS * FRAMES_PER_STATE * n_states * n_rows
        floor_s = max(
            4 * DECODER_WEIGHTS / self._machine.bytes_per_s,
            flops / self._machine.flops[torch.float32],
        )
        return part(f"decoder, {n_states} states", n_rows, ms, floor_s)

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


def part(case: str, rows: int, ms: float, floor_s: float) -> Result:
    """What one part costs."""
    return {"case": case, "rows": rows, "ms": round(ms, 2), "floor_ms": round(1000 * floor_s, 2)}


def listen(engine: SopranoEngine, n_listeners: int) -> Result:
    """All ask for the sentence at once. Gaps: how long a listener who plays at once waits in all
    between its first sound and its last."""
    requests = [request_for(SENTENCE) for _ in range(n_listeners)]
    heard = {id(request): 0 for request in requests}
    first: dict[int, float] = {}
    dry_at: dict[int, float] = {}
    gap_s = 0.0
    live: list[DrivenRequest] = list(requests)
    began = time.perf_counter()
    while live:
        live.sort(key=lambda request: heard[id(request)])
        batch = engine.choose(live)
        engine.step(batch)
        now = time.perf_counter() - began
        for request in live:
            n_new = sum(map(len, request.emitted)) - heard[id(request)]
            if n_new:
                first.setdefault(id(request), now)
                gap_s = max(gap_s, now - dry_at.get(id(request), now))
                dry_at[id(request)] = max(dry_at.get(id(request), now), now) + n_new / SAMPLE_RATE
                heard[id(request)] += n_new
        for request in [request for request in live if request.finished]:
            engine.leave(request)
            live.remove(request)
    wall_s = time.perf_counter() - began
    sound_s = sum(heard.values()) / SAMPLE_RATE
    return {
        "first_audio_ms": round(1000 * statistics.median(first.values()), 1),
        "first_audio_ms_max": round(1000 * max(first.values()), 1),
        "sound_s_per_s": round(sound_s / wall_s, 2),
        "real_time_factor": round(wall_s / (sound_s / n_listeners), 3),
        "longest_gap_ms": round(1000 * gap_s, 1),
    }


def median_of(runs: list[Result]) -> Result:
    """Key by key."""
    return {key: round(statistics.median(run[key] or 0 for run in runs), 3) for key in runs[0]}


def package(reference: Reference, runs: int) -> Iterator[Result]:
    """The package on the same weights, greedy, stopped after as many tokens."""
    firsts, streams, offlines = [], [], []
    for number in range(1 + runs):
        first_s, stream_s = _stream(reference)
        began = time.perf_counter()
        reference.infer(SENTENCE, FORCED)
        offline_s = time.perf_counter() - began
        if number:  # the first warms up
            firsts.append(first_s)
            streams.append(stream_s)
            offlines.append(offline_s)
    for case, first, whole in (
        ("package: infer_stream", firsts, streams),
        ("package: infer", offlines, offlines),
    ):
        factor = statistics.median(whole) / SOUND_S
        yield {
            "case": case,
            "rows": 1,
            "first_audio_ms": round(1000 * statistics.median(first), 1),
            "sound_s_per_s": round(1 / factor, 2),
            "real_time_factor": round(factor, 3),
        }


def _stream(reference: Reference) -> tuple[float, float]:
    """Seconds to the first sound and to the last of `infer_stream`."""
    first_s = 0.0
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its latency
        for _ in reference.stream(SENTENCE, FORCED):
            first_s = first_s or time.perf_counter() - began
    return first_s, time.perf_counter() - began


@torch.inference_mode()
def measure_all(asked: argparse.Namespace) -> Iterator[Result]:
    """The machine, the parts, the listeners, the package."""
    device = accelerator.choose_device(asked.device)
    dtype = accelerator.choose_dtype(asked.dtype, device)
    with tempfile.TemporaryDirectory() as folder:
        model = build(Path(folder) / "soprano", TINY if asked.tiny else FULL)
        machine = Machine(device, dtype, asked.repeats)
        yield {
            "case": "machine",
            "gb_per_s": round(machine.bytes_per_s / 1e9, 1),
            **{f"gflops_{str(kind)[6:]}": round(r / 1e9) for kind, r in machine.flops.items()},
            "runs_on": accelerator.in_words(device, dtype),
        }
        how = SopranoOptions(device=device, dtype=dtype, chunk_states=asked.chunk_size)
        yield from Parts(model, how, machine).measure(how.chunk_states, asked.repeats)
        engine = SopranoEngine(model, how, force_length=states_of)
        engine.load()
        engine.install()
        for n_listeners in asked.listeners:
            listen(engine, n_listeners)
            runs = [listen(engine, n_listeners) for _ in range(asked.runs)]
            yield {"case": "listeners", "rows": n_listeners, **median_of(runs)}
        engine.close()
        if not asked.without_package:
            yield from package(Reference(model, device.type), asked.runs)


COLUMNS = {
    "case": "case",
    "rows": "rows",
    "ms": "ms",
    "floor_ms": "floor ms",
    "first_audio_ms": "first ms",
    "first_audio_ms_max": "slowest",
    "sound_s_per_s": "s a second",
    "real_time_factor": "factor",
    "longest_gap_ms": "gap ms",
}


def options(docstring: str | None) -> argparse.ArgumentParser:
    """What can be asked of `measure_all`."""
    parser = argparse.ArgumentParser(
        description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--listeners", type=int, nargs="*", default=[1, 2, 4, 8, 16])
    parser.add_argument("--chunk-size", type=int, default=3, help="states a piece of sound")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--repeats", type=int, default=30, help="of each part")
    parser.add_argument("--runs", type=int, default=5, help="of the listeners and the package")
    parser.add_argument("--tiny", action="store_true", help="a tiny model: to try the script")
    parser.add_argument("--without-package", action="store_true")
    return parser


def main() -> None:
    report("soprano", [], COLUMNS, measure_all(options(__doc__).parse_args()))


if __name__ == "__main__":
    main()
