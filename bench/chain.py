"""Do Soprano and RVC together keep real time, and how soon is their first audio?

In this process, without a server: a sentence of 5 s, from text to sound, through our stages and
our model thread, for one listener and for several at once. Beside it the naive chain, which lets
the package speak the whole sentence (``SopranoTTS.infer``) and has rvc-python's own offline
``Pipeline`` convert the whole of it; both as they are (float32), and the latter under autocast to
bfloat16 as well, which neither does. The offline conversion stands on a row of its own.

**The weights are random**, of the architecture and size of the published ones (``--tiny``: of tiny
ones): they cost what trained ones do and say nothing about how a voice sounds. The pitch is
Praat's (pm).

The floor of a second of speech is the sum of its parts alone: Soprano's 0.27 s (`bench/soprano.py`)
and RVC's 0.55 s in blocks of 320 ms (`bench/rvc.py`), 0.82 s. The first block needs 360 ms of
speech, which are nine of Soprano's states: 150 ms for these and 110 ms for the block, so no audio
before 260 ms.

Predicted on 2 cores with AVX-512 BF16: first audio after 300 ms.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import trio

if __name__ == "__main__":  # in this folder, "import soprano" would find bench/soprano.py
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import Figure, Playback, Result, report
from bench.models import COLUMNS, SOPRANO_RATE, Files, chosen, median_of, model_parser
from pipeline.cli.logs import open_log
from pipeline.dialects.native import MAX_PENDING_BYTES
from pipeline.executor import open_executor
from pipeline.service import Service
from pipeline.speak_text import speak_text
from pipeline.voices import Voices
from stages.audio.format import PIPELINE_RATE
from stages.items import PcmFrame, Style
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
    from collections.abc import AsyncIterator, Callable, Iterator

    from stages.audio.format import Samples
    from stages.items import Outgoing

FACTOR = "real_time_factor"
FIGURES = (
    Figure(
        "a sentence of 5 s: first audio",
        "1 at once", "first_audio_ms", "ms", at_most=450, predicted="300",
    ),
    Figure(
        "how many times sooner than the naive chain",
        "beside the naive chain", "times_sooner", at_least=6,
    ),
    Figure(
        "the same, with the naive chain's conversion under autocast to bfloat16",
        "beside the naive chain", "times_sooner_than_bf16", at_least=6,
    ),
    Figure("real-time factor", "1 at once", FACTOR, at_most=1),
    Figure(
        "silence in all between first audio and last", "1 at once", "gap_ms", "ms", at_most=0
    ),
)  # fmt: skip

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
    """Offline conversion alone, and behind the package's whole sentence: its first audio."""
    naive = Naive(files)
    reference = Reference(files.soprano)
    for autocast, name in ((False, "fp32"), (True, "bf16 autocast")):
        offline: list[Result] = []
        whole: list[Result] = []
        for _ in range(1 + runs):
            began = time.perf_counter()
            with contextlib.redirect_stdout(io.StringIO()):
                sound, _ = reference.infer(SENTENCE, SENTENCE_STATES)
            spoken_at = time.perf_counter()
            naive.convert(sound[::2].astype(np.float32), autocast=autocast)
            ended_at = time.perf_counter()
            sound_s = len(sound) / SOPRANO_RATE
            for measured, since in ((offline, spoken_at), (whole, began)):
                took_s = ended_at - since
                measured.append({"first_audio_ms": 1000 * took_s, FACTOR: took_s / sound_s})
        yield {"case": f"Pipeline, {name}", **median_of(offline)}
        yield {"case": f"naive chain, {name}", **median_of(whole)}


async def chain(
    files: Files, n_listeners: list[int], runs: int, device: torch.device, dtype: torch.dtype
) -> list[Result]:
    """Text in, audio out, through the stages and the model thread."""
    results = []
    async with open_chain(
        files, max(n_listeners), device, dtype, force_length=lambda _: SENTENCE_STATES
    ) as service:
        for n in n_listeners:
            measured = [await _listen(service, n) for _ in range(1 + runs)]
            results.append({"case": f"{n} at once", **median_of(measured)})
    return results


@asynccontextmanager
async def open_chain(
    files: Files,
    n_listeners: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    force_length: Callable[[str], int],
) -> AsyncIterator[Service]:
    """A service whose voice is Soprano with RVC. `force_length`: see `SopranoEngine`."""
    soprano = SopranoEngine(
        files.soprano,
        SopranoOptions(device=device, dtype=dtype, n_slots=n_listeners),
        force_length=force_length,
    )
    voices = Voices(soprano.voices())
    voices.offer_rvc(files.voice.parent, None, "soprano")
    rvc = RvcEngine(
        voices.entries,
        RvcOptions(files.hubert, files.rmvpe, device, dtype),
    )
    async with open_executor() as executor:
        service = Service(
            executor=executor,
            synthesizers=[soprano],
            converter=PitchOnlyConverter(),
            voice_converters=[rvc],
            voices=voices,
            style=Style("anna", segmentation="sentence"),
            segmenter_options=SegmenterOptions(),
            max_listeners=n_listeners,
            max_pending_bytes=MAX_PENDING_BYTES,
            idle_timeout_s=float("inf"),
        )
        await service.install_engines()
        yield service


async def _listen(service: Service, n_listeners: int) -> Result:
    """Everybody asks for the sentence at once, and plays what comes."""
    heard = [Playback() for _ in range(n_listeners)]

    async def listen(playback: Playback) -> None:
        async def hear(item: Outgoing) -> None:
            if isinstance(item, PcmFrame):
                playback.play(item.n_samples, time.perf_counter())
            await trio.lowlevel.checkpoint()

        await speak_text(service, SENTENCE, hear, {"index_rate": 0.0, "pacing": "asap"})

    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for playback in heard:
            nursery.start_soon(listen, playback)
    wall_s = time.perf_counter() - began
    sound_s = sum(playback.n_samples for playback in heard) / PIPELINE_RATE
    first_s = [(playback.first_at or 0.0) - began for playback in heard]
    return {
        "first_audio_ms": 1000 * statistics.median(first_s),
        "speech_s_per_s": sound_s / wall_s,
        FACTOR: wall_s * n_listeners / sound_s,
        "gap_ms": 1000 * max(sum(each.gaps_s) for each in heard),
    }


def measure(asked: argparse.Namespace) -> Iterator[Result]:
    """Upstream, then the chain."""
    device, dtype = chosen(asked)
    results: dict[str, Result] = {}
    with tempfile.TemporaryDirectory() as folder:
        files = Files.build(Path(folder), tiny=asked.tiny)
        if not asked.without_upstream:
            for result in naive_chain(files, asked.runs):
                results[result["case"]] = result
                yield result
        for result in trio.run(chain, files, asked.listeners, asked.runs, device, dtype):
            results[result["case"]] = result
            yield result
    if {"naive chain, fp32", "1 at once"} <= results.keys():
        ours_ms = results["1 at once"]["first_audio_ms"]
        naive_ms, bf16_ms = (
            results[f"naive chain, {name}"]["first_audio_ms"] for name in ("fp32", "bf16 autocast")
        )
        yield {
            "case": "beside the naive chain",
            "times_sooner": round(naive_ms / ours_ms, 2),
            "times_sooner_than_bf16": round(bf16_ms / ours_ms, 2),
        }


def chain_parser(docstring: str | None) -> argparse.ArgumentParser:
    """What can be asked of `measure`."""
    parser = model_parser(docstring)
    parser.add_argument("--listeners", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--without-upstream", action="store_true")
    return parser


def main() -> None:
    open_log("warning", "text", show_texts=False)
    report(COLUMNS, FIGURES, measure(chain_parser(__doc__).parse_args()))


if __name__ == "__main__":
    main()
