"""What does RVC cost here, how soon is its first audio, and how many listeners can be converted?

In this process, without a server. The converter alone, fed with speech as fast as it takes it: what
each part of a block costs beside its arithmetic, and how blocks and listeners come out. A v2 voice
at 48 kHz. `bench/chain.py` has Soprano before it, and rvc-python's own pipeline beside it.

**The weights are random**, of the architecture and size of the published ones (``--tiny``: of tiny
ones): they cost what trained ones do and say nothing about how a voice sounds. The pitch is
Praat's (pm).

The floors are the arithmetic of a part of full size (2 x weights x steps) over the rate of the
decoder's largest convolution in this run.

Predicted on 2 cores with AVX-512 BF16 (450 GFLOP/s): a block of 320 ms 160 ms, of which the decoder
100 and HuBERT 50; one of 640 ms 260 ms; the first 110 ms.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import tempfile
import time
from collections import deque
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if __name__ == "__main__":  # in this folder, "import soprano" would find bench/soprano.py
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import Figure, Result, report
from bench.models import COLUMNS, SOPRANO_RATE, Files, chosen, model_parser, timed_ms
from pipeline.cli.logs import open_log
from stages.conversion_settings import ConversionSettings
from stages.neural import accelerator
from stages.rvc import schedule
from stages.rvc.conversion import Converter
from stages.rvc.engine import MAX_BATCH
from stages.rvc.network.config import FLOW_REACH
from stages.rvc.network.content import FEATURE_REACH, FEATURE_SAMPLES, ContentEncoder
from stages.rvc.network.content_file import read_content_model
from stages.rvc.network.convolution import SoundConv
from stages.rvc.network.synthesizer import Synthesizer
from stages.rvc.pitch.praat import PraatPitch
from stages.rvc.schedule import PITCH_FRAMES
from stages.rvc.streaming import ConversionStream
from stages.rvc.voices.file import read_voice
from stages.rvc.voices.index import read_index
from stages.rvc.voices.loaded import LoadedVoice
from tests.rvc.voices import words

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from stages.rvc.network.config import VoiceConfig

FACTOR = "real_time_factor"
FIGURES = (
    Figure("real-time factor, blocks of 320 ms", "1 at once, 320 ms", FACTOR, at_most=0.55),
    Figure("the same, blocks of 640 ms", "1 at once, 640 ms", FACTOR, at_most=0.4),
    Figure("a block of 320 ms", "a block, 320 ms", "ms", "ms", predicted="160"),
    Figure("its floor, the arithmetic", "a block, 320 ms", "floor_ms", "ms"),
    Figure("a block of 640 ms", "a block, 640 ms", "ms", "ms", predicted="260"),
    Figure("its floor", "a block, 640 ms", "floor_ms", "ms"),
    Figure(
        "the first block, of 160 ms", "the first block", "ms", "ms", at_most=120, predicted="110"
    ),
)

SPEECH_S = 10.0


class Bench:
    """The converter, read once."""

    def __init__(self, files: Files, device: torch.device, dtype: torch.dtype) -> None:
        self.encoder = ContentEncoder(read_content_model(files.hubert), dtype, device)
        self.converter = Converter(self.encoder)
        file = read_voice(files.voice)
        self.synthesizer = Synthesizer(file.config, file.weights, device, dtype)
        self.config = self.synthesizer.config
        self.voice = LoadedVoice(self.synthesizer, None, ConversionSettings(), 0.0, PraatPitch())
        self.indexed = replace(self.voice, index=read_index(files.index, self.config.content_width))
        self.device, self.dtype = device, dtype
        self.speech = words(round(SPEECH_S * 16_000)).repeat(2)  # at 32 kHz, near enough
        self.flops = self._rate()

    def _rate(self) -> float:
        """FLOPs a second of the convolution that most of the time goes to."""
        n, kernel, steps = 128, 11, 3840
        weight = torch.randn(n, n, kernel, device=self.device).to(self.dtype)
        convolve = SoundConv(
            {"conv.weight": weight, "conv.bias": weight[:, 0, 0].contiguous()}, "conv"
        )
        x = torch.randn(1, n, 1, steps + kernel - 1, device=self.device).to(self.dtype)
        x = x.contiguous(memory_format=torch.channels_last)
        timed_ms(partial(convolve, x), 200)  # until the processor is awake
        return 2 * n * n * kernel * steps / (timed_ms(partial(convolve, x), 50) / 1000)

    def stream(self, block_frames: int, voice: LoadedVoice | None = None) -> ConversionStream:
        """With all the speech in it."""
        stream = ConversionStream(
            voice or self.voice, in_rate=SOPRANO_RATE, block_frames=block_frames, seed=1
        )
        stream.push(self.speech)
        stream.end()
        return stream

    def parts(self, block_frames: int, repeats: int) -> Iterator[Result]:
        """A block in mid-stream."""
        n, window, config = block_frames, schedule.WINDOW, self.config
        encoder, synthesizer, decoder = self.encoder, self.synthesizer, self.synthesizer.decoder
        samples, whole = (
            0.1 * torch.randn(1, frames // 2 * FEATURE_SAMPLES + FEATURE_REACH, device=self.device)
            for frames in (n, window)
        )
        local, _ = encoder.local(whole, encoder.start())
        features = torch.randn(1, window, config.content_width, device=self.device)
        f0 = torch.full((1, window), 150.0, device=self.device)
        n_latents = min(window, FLOW_REACH + n + schedule.MARGIN)
        noise = torch.randn(1, n_latents, config.inter_channels, device=self.device)
        speaker = synthesizer.speaker(0)
        latents = torch.randn(1, config.inter_channels, 1, n, device=self.device).to(self.dtype)
        n_first = n + decoder.left_frames + decoder.right_frames
        first = latents.repeat(1, 1, 1, n_first // n + 1)
        source = torch.randn(1, 1, 1, first.shape[-1] * config.hop, device=self.device)
        source = source.to(self.dtype)
        _, state = decoder(first, source, speaker.decoder, decoder.start())
        source = source[..., : n * config.hop]
        speech = self.speech[: PITCH_FRAMES * 160]
        calls: dict[str, tuple[Callable[[], object], float]] = {
            "HuBERT, local": (
                lambda: encoder.local(samples, encoder.start()),
                local_flops(n // 2),
            ),
            "HuBERT, layers": (
                lambda: encoder.encode(local, config.version),
                layers_flops(window // 2),
            ),
            "pitch (pm)": (lambda: self.voice.pitch.estimate(speech), 0.0),
            "prior and flow": (
                lambda: synthesizer.latents(features, f0, noise, speaker.flow),
                latents_flops(config, window, n_latents),
            ),
            "decoder": (
                lambda: decoder(latents, source, speaker.decoder, state),
                decoder_flops(config, n),
            ),
        }
        for case, (call, flops) in calls.items():
            yield self._part(f"{case}, {10 * n} ms", timed_ms(call, repeats), flops)
        times = self.block_times(block_frames)[len(schedule.RAMP) : -1]
        ms = 1000 * statistics.median(times)
        whole_flops = sum(flops for _, flops in calls.values())
        block = self._part(f"a block, {10 * n} ms", ms, whole_flops)
        yield {**block, FACTOR: round(ms / (10 * n), 3)}

    def _part(self, case: str, ms: float, flops: float) -> Result:
        floor_ms = round(1000 * flops / self.flops, 2) if flops else None
        return {"case": case, "ms": round(ms, 2), "floor_ms": floor_ms}

    def block_times(self, block_frames: int) -> list[float]:
        """Seconds of each block of the speech."""
        stream = self.stream(block_frames)
        times = []
        while stream.is_due:
            began = time.perf_counter()
            self.converter.advance([stream])
            times.append(time.perf_counter() - began)
        return times

    def listen(self, n_listeners: int, block_frames: int, *, index: bool = False) -> Result:
        """All have their speech at once, and are converted in turn; on a GPU several together."""
        voice = self.indexed if index else self.voice
        at_once = 1 if self.device.type == "cpu" else MAX_BATCH
        waiting = deque(self.stream(block_frames, voice) for _ in range(n_listeners))
        began = time.perf_counter()
        first: list[float] = []
        n_samples = 0
        while waiting:
            # They began together, so those at the front have blocks of one shape.
            shape = waiting[0].block.shape
            batch = [s for s in itertools.islice(waiting, at_once) if s.block.shape == shape]
            for _ in batch:
                waiting.popleft()
            n_samples += sum(map(len, self.converter.advance(batch)))
            if len(first) < n_listeners:
                first += [time.perf_counter() - began] * len(batch)
            waiting += [stream for stream in batch if not stream.has_finished]
        wall_s = time.perf_counter() - began
        case = f"{n_listeners} at once, {10 * block_frames} ms"
        return {
            "case": case + (", with an index" if index else ""),
            "first_audio_ms": round(1000 * statistics.median(first), 1),
            "speech_s_per_s": round(n_samples / 48_000 / wall_s, 2),
            FACTOR: round(wall_s * 48_000 / n_samples, 3),
        }


def local_flops(n_units: int) -> float:
    """Convolutions of 512 channels; each layer's steps for 20 ms."""
    weights = 10 * 512 * 64
    for kernel, steps in ((3, 32), (3, 16), (3, 8), (3, 4), (2, 2), (2, 1)):
        weights += kernel * 512 * 512 * steps
    return 2.0 * weights * n_units


def layers_flops(n_units: int) -> float:
    """HuBERT base: 12 layers, the projection, and the position's convolution."""
    weights = 12 * (4 * 768**2 + 2 * 768 * 3072) + 512 * 768 + 768 * 48 * 128
    return 2.0 * weights * n_units


def latents_flops(config: VoiceConfig, n_frames: int, n_latents: int) -> float:
    """The text encoder for all frames, the flow for the last."""
    hidden = config.hidden_channels
    layer = 4 * hidden**2 + 2 * hidden * config.filter_channels * config.kernel_size
    flow = 4 * 3 * (hidden * 2 * hidden * 5 + hidden * 2 * hidden)
    return 2.0 * (config.n_layers * layer * n_frames + flow * n_latents)


def decoder_flops(config: VoiceConfig, n_frames: int) -> float:
    """Three residual blocks at each rate, and the way up."""
    channels, steps, total = config.upsample_initial_channel, 1, 7 * 192 * 512
    for rate, kernel in zip(config.upsample_rates, config.upsample_kernels, strict=True):
        total += channels * channels // 2 * kernel * steps
        channels, steps = channels // 2, steps * rate
        blocks = zip(config.resblock_kernels, config.resblock_dilations, strict=True)
        total += steps * channels**2 * sum(2 * k * len(dilations) for k, dilations in blocks)
    return 2.0 * total * n_frames


def measure(asked: argparse.Namespace) -> Iterator[Result]:
    """The machine, the parts, the listeners."""
    device, dtype = chosen(asked)
    with tempfile.TemporaryDirectory() as folder:
        files = Files.build(Path(folder), tiny=asked.tiny)
        with torch.inference_mode():
            bench = Bench(files, device, dtype)
            yield {
                "case": "machine",
                "conv_gflops": round(bench.flops / 1e9),
                "runs_on": accelerator.describe(device, dtype),
            }
            for block_frames in (32, 64):
                yield from bench.parts(block_frames, asked.repeats)
            firsts = [bench.block_times(32)[0] for _ in range(1 + asked.runs)][1:]
            yield {"case": "the first block", "ms": round(1000 * statistics.median(firsts), 1)}
            for block_frames in (32, 64):
                yield bench.listen(1, block_frames)
            yield bench.listen(1, 32, index=True)
            for n_listeners in asked.listeners:
                yield bench.listen(n_listeners, 32)


def rvc_parser(docstring: str | None) -> argparse.ArgumentParser:
    """What can be asked of `measure`."""
    parser = model_parser(docstring)
    parser.add_argument("--listeners", type=int, nargs="*", default=[2, 4, 8, 16])
    parser.add_argument("--repeats", type=int, default=15, help="of each part")
    return parser


def main() -> None:
    open_log("warning", "text", show_texts=False)
    report(COLUMNS, FIGURES, measure(rvc_parser(__doc__).parse_args()))


if __name__ == "__main__":
    main()
