"""Do Soprano and RVC together keep real time, and how soon is their first sound?

In this process, without a server: a sentence of 5 s, from text to sound, through our stages and
our model thread, for one listener and for several at once. Beside it the naive chain, which lets
the package speak the whole sentence (``SopranoTTS.infer``) and has rvc-python's own offline
``Pipeline`` convert the whole of it; both as they are (float32), and the latter under autocast to
bfloat16 as well, which neither does. The offline conversion stands on a row of its own.

**The weights are random**, of the architecture and size of the published ones (``--tiny``: of tiny
ones): they prove nothing about how a voice sounds. The pitch is Praat's (pm).

The floor of a second of speech is the sum of its parts alone: Soprano's 0.27 s (`bench/soprano.py`)
and RVC's 0.55 s in blocks of 320 ms (`bench/rvc.py`), 0.82 s. The first block needs 360 ms of
speech, which are nine of Soprano's states: 150 ms for these and 110 ms for the block, so no sound
before 260 ms.

Predicted on 2 cores with AVX-512 BF16: the first sound after 300 ms.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import trio

sys.path.pop(0)  # this folder, where "import soprano" would find bench/soprano.py
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.common import Result, report
from bench.rvc_models import COLUMNS, IN_RATE, Files, options
from pipeline import speak_text
from pipeline.cli.logs import open_log
from pipeline.dialects.native import MAX_PENDING_BYTES
from pipeline.executor import open_executor
from pipeline.service import Service
from pipeline.voices import Voices
from stages.items import Style
from stages.neural import accelerator
from stages.pitch_only import PitchOnlyConverter
from stages.rvc.engine import RvcEngine, RvcOptions
from stages.rvc.network.content_file import read_content_model
from stages.segmenter import SegmenterOptions
from stages.tts.soprano.engine import SopranoEngine
from stages.tts.soprano.model import SopranoOptions
from tests.rvc.conversions import hubert_of
from tests.rvc_upstream import synthesizer as upstream_synthesizer
from tests.rvc_upstream import upstream
from tests.soprano.reference import Reference

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from stages.audio.format import Samples

SENTENCE = (
    "The quick brown fox jumps over the lazy dogs of the village near the river bank tonight."
)
SENTENCE_STATES = 79
"""5 s of Soprano's: 78 tokens of 64 ms."""


class Naive:
    """rvc-python's own pipeline on the same files, and the package's own Soprano before it."""

    def __init__(self, files: Files) -> None:
        saved = torch.load(files.voice, weights_only=True)
        network = upstream_synthesizer("v2", saved["config"], has_pitch=True)
        del network.enc_q
        network.load_state_dict({name: w.float() for name, w in saved["weight"].items()})
        network.dec.remove_weight_norm()
        network.flow.remove_weight_norm()
        self._network = network
        self._content = hubert_of(read_content_model(files.hubert))
        config = SimpleNamespace(
            x_pad=1, x_query=6, x_center=38, x_max=41, is_half=False, device=torch.device("cpu")
        )
        self._rate = int(saved["config"][-1])
        self._pipeline: Any = upstream("modules.vc.pipeline").Pipeline(self._rate, config, "")

    def extract_features(
        self, source: torch.Tensor, padding_mask: torch.Tensor, output_layer: int
    ) -> tuple[torch.Tensor]:
        """As fairseq's model has it."""
        assert output_layer == 12
        assert not padding_mask.any()
        return (self._content(source).last_hidden_state.float(),)

    def convert(self, speech_16k: Samples, *, autocast: bool) -> Samples:
        """The whole of it, with pm and without an index."""
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            made: Samples = self._pipeline.pipeline(
                self, self._network, 0, speech_16k, "", [0, 0, 0],
                0, "pm", "", 0, 1, 3, self._rate, 0, 1, "v2", 0.33,
            )  # fmt: skip
        return made


@torch.inference_mode()
def naive_chain(files: Files, runs: int) -> Iterator[Result]:
    """Offline conversion alone, and behind the package's whole sentence: its first sound."""
    naive = Naive(files)
    reference = Reference(files.soprano)
    for autocast in (False, True):
        name = "bf16 autocast" if autocast else "fp32"
        offline, chain, sound_s = [], [], 0.0
        for number in range(1 + runs):
            began = time.perf_counter()
            with contextlib.redirect_stdout(io.StringIO()):
                sound, _ = reference.infer(SENTENCE, SENTENCE_STATES)
            spoken_s = time.perf_counter() - began
            sound_s = len(sound) / IN_RATE
            began = time.perf_counter()
            naive.convert(sound[::2].astype(np.float32), autocast=autocast)
            converted_s = time.perf_counter() - began
            if number:  # the first warms up
                offline.append(converted_s)
                chain.append(spoken_s + converted_s)
        yield {
            "case": f"Pipeline, {name}",
            "first_ms": round(1000 * statistics.median(offline), 1),
            "factor": round(statistics.median(offline) / sound_s, 3),
        }
        yield {
            "case": f"naive chain, {name}",
            "first_ms": round(1000 * statistics.median(chain), 1),
            "factor": round(statistics.median(chain) / sound_s, 3),
        }


async def chain(files: Files, asked: argparse.Namespace, where: tuple[Any, Any]) -> list[Result]:
    """Text in, sound out, through the stages and the model thread."""
    device, dtype = where
    soprano = SopranoEngine(
        files.soprano,
        SopranoOptions(device=device, dtype=dtype, n_slots=max(asked.chains)),
        force_length=lambda _: SENTENCE_STATES,
    )
    voices = Voices(soprano.voices())
    voices.offer_rvc(files.voice.parent, None, "soprano")
    rvc = RvcEngine(
        voices.entries,
        RvcOptions(files.hubert, files.hubert.with_name("rmvpe.pt"), device, dtype),
    )
    results = []
    async with open_executor() as executor:
        service = Service(
            executor=executor,
            synthesizers=[soprano],
            converter=PitchOnlyConverter(),
            voice_converters=[rvc],
            voices=voices,
            style=Style("anna", segmentation="sentence"),
            segmenter_options=SegmenterOptions(),
            max_listeners=max(asked.chains),
            max_pending_bytes=MAX_PENDING_BYTES,
            idle_timeout_s=float("inf"),
        )
        await service.install_engines()
        for n_listeners in asked.chains:
            runs = [await _chains(service, n_listeners) for _ in range(1 + asked.runs)][1:]
            middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            results.append(
                {
                    "case": "chain",
                    "listeners": n_listeners,
                    "block_ms": 320,
                    **{key: round(value, 3) for key, value in middle.items()},
                }
            )
    return results


async def _chains(service: Service, n_listeners: int) -> dict[str, float]:
    listeners = [_Listener() for _ in range(n_listeners)]
    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for listener in listeners:
            nursery.start_soon(
                speak_text.speak,
                service,
                speak_text.once(SENTENCE),
                listener.play,
                {"index_rate": 0.0},
            )
    wall_s = time.perf_counter() - began
    sound_s = sum(listener.sound_s for listener in listeners)
    return {
        "first_ms": 1000 * statistics.median(each.first - began for each in listeners),
        "s_per_s": sound_s / wall_s,
        "factor": wall_s * n_listeners / sound_s,
        "gap_ms": 1000 * max(listener.gap_s for listener in listeners),
    }


class _Listener:
    """Plays what comes at once."""

    def __init__(self) -> None:
        self.first = 0.0
        self.sound_s = 0.0
        self.gap_s = 0.0
        self._dry_at = 0.0

    async def play(self, data: bytes) -> None:
        now = time.perf_counter()
        self.first = self.first or now
        if self._dry_at:
            self.gap_s += max(0.0, now - self._dry_at)
        seconds = len(data) / 4 / 48_000
        self._dry_at = max(self._dry_at, now) + seconds
        self.sound_s += seconds
        await trio.lowlevel.checkpoint()


def measure_all(asked: argparse.Namespace) -> Iterator[Result]:
    """Upstream, then the chain."""
    accelerator.keep_kernels()
    accelerator.keep_kernels()  # as the server does
    device = accelerator.choose_device(asked.device)
    dtype = accelerator.choose_dtype(asked.dtype, device)
    with tempfile.TemporaryDirectory() as folder:
        files = Files.build(Path(folder), tiny=asked.tiny)
        if not asked.without_upstream:
            yield from naive_chain(files, asked.runs)
        yield from trio.run(chain, files, asked, (device, dtype))


def chain_options(docstring: str | None) -> argparse.ArgumentParser:
    """What can be asked of `measure_all`."""
    parser = options(docstring)
    parser.add_argument("--chains", type=int, nargs="*", default=[1, 2], help="listeners at once")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--without-upstream", action="store_true")
    return parser


def main() -> None:
    open_log("warning", "text", show_texts=False)
    report("chain", [], COLUMNS, measure_all(chain_options(__doc__).parse_args()))


if __name__ == "__main__":
    main()
