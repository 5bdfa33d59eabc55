"""What `bench/gpu.py` measures without a server, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch
import transformers
import trio

from bench import chain, soprano
from bench.models import N_VECTORS, SOPRANO_RATE, Files, chosen
from stages.neural import accelerator
from stages.neural.graphs import Graphs
from stages.rvc.engine import RvcEngine, RvcOptions
from stages.rvc.voices.library import VoiceEntry
from stages.rvc.voices.settings import VoiceSettings
from stages.tts.soprano.model import SopranoOptions
from tests.engine_driver import DrivenRequest, make_segment, step
from tests.random_rvc import build_quick_index
from tests.rvc.voices import words
from tests.soprano.speaking import SENTENCE, open_engine, say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from bench.common import Result
    from stages.audio.format import Samples
    from stages.rvc.voices.settings import PitchMethod

CPU = torch.device("cpu")
VOICE = "anna"

PARITY_STATES = 60
"""The two may come to other tokens where two logits are equal but for rounding; then they say
different things from there on, which the row shows as the first sample that differs."""
PARITY_S = 4.0
AUDIBLE = 1e-3

BLOCK_S = 0.32
EDGE_S = 0.8
"""Of a stream's sound, at its beginning and its end, in which blocks are of other lengths."""


def models(asked: argparse.Namespace) -> Iterator[Result]:
    """Random models of true size as files, side by side."""
    files = Files(asked.models)
    n_vectors = N_VECTORS // 20 if asked.tiny else N_VECTORS
    builds: list[Callable[[], object]] = [
        *(
            partial(build, tiny=asked.tiny)
            for build in (
                *(files.build_rmvpe, files.build_soprano, files.build_hubert, files.build_voice),
            )
        ),
        partial(build_quick_index, files.index, n_vectors=n_vectors),
    ]
    began = time.perf_counter()
    transformers.utils.logging.disable_progress_bar()
    if asked.tiny:
        for build in builds:
            build()
    else:
        processes = multiprocessing.get_context("forkserver")
        with ProcessPoolExecutor(len(builds), processes) as pool:
            for future in [pool.submit(build) for build in builds]:
                future.result()
    yield {"case": "built", "after_s": round(time.perf_counter() - began, 1)}


def soprano_parity(asked: argparse.Namespace) -> Iterator[Result]:
    """How far the GPU's speech is from the CPU's, both in float32."""
    device = accelerator.choose_device(asked.device)
    n_states = 8 if asked.tiny else PARITY_STATES

    def sound_on(device: torch.device) -> Samples:
        options = SopranoOptions(device=device, n_slots=8)
        engine = open_engine(Files(asked.models).soprano, options, lambda _text: n_states)
        sound = say(engine, SENTENCE)
        engine.close()
        return sound

    yield {"case": "float32", **differences(sound_on(CPU), sound_on(device))}


def rvc_parity(asked: argparse.Namespace) -> Iterator[Result]:
    """How far the GPU's conversion is from the CPU's, both in float32 and of the same blocks: with
    the pitch that Praat finds, the same for both, and with that which the device finds."""
    device = accelerator.choose_device(asked.device)
    torch.backends.cudnn.allow_tf32 = False  # else float32's convolutions have 10 bits there
    speech = words(round((1.0 if asked.tiny else PARITY_S) * 16_000)).repeat(2)

    def sound_on(device: torch.device, method: PitchMethod) -> Samples:
        with open_rvc(Files(asked.models), device, torch.float32, method) as engine:
            (request,) = requests_for(engine, 1, speech)
            for _ in run_all(engine, [request]):
                pass
        return request.sound

    methods: list[tuple[str, PitchMethod]] = [("float32", "pm")]
    if not asked.tiny:
        methods.append(("float32, rmvpe", "rmvpe"))
    for case, method in methods:
        yield {"case": case, **differences(sound_on(CPU, method), sound_on(device, method))}


def differences(here: Samples, there: Samples) -> Result:
    """The largest one, of sound whose peaks are about 0.5, up to where they go different ways."""
    if len(here) != len(there):
        raise ValueError(f"{len(here)} samples on the CPU, {len(there)} on the device")
    difference = abs(here - there)
    differs = (difference > AUDIBLE).nonzero()[0]
    n_same = int(differs[0]) if len(differs) else len(here)
    return {
        "samples": len(here),
        "same_samples": n_same,
        "difference_millionths": round(1e6 * float(difference[:n_same].max(initial=0)), 3),
    }


def soprano_speed(asked: argparse.Namespace) -> Iterator[Result]:
    """`bench/soprano.py`, for more listeners and without the package, which takes too long."""
    parser = soprano.soprano_parser(None)
    how = parser.parse_args(["--device", asked.device, "--without-package"])
    how.listeners, how.runs = ([2], 1) if asked.tiny else ([1, 8, 32, 128, 256], 2)
    how.repeats = 1 if asked.tiny else 20
    with torch.inference_mode():
        yield from soprano.measure_model(Files(asked.models).soprano, how)


def rvc_speed(asked: argparse.Namespace) -> Iterator[Result]:
    """A block of RVC with all that belongs to it, pitch and index too, for so many streams: from
    having their speech to having their sound, by the engine's own steps."""
    device, dtype = chosen(asked)
    seconds = 2.5 if asked.tiny else 6.0
    speech = words(round(seconds * 16_000)).repeat(2)
    with open_rvc(Files(asked.models), device, dtype) as engine:
        for n in (1, 2) if asked.tiny else (1, 8, 32, 64):
            n_runs = 1 if asked.tiny else 2  # of which the first warms up
            *_, ms = (
                block_ms(engine, requests_for(engine, n, speech), seconds) for _ in range(n_runs)
            )
            factor = round(ms / 1000 / BLOCK_S, 3)
            yield {"case": f"a block of {n}", "ms": round(ms, 2), "real_time_factor": factor}


def block_ms(engine: RvcEngine, requests: list[DrivenRequest], seconds: float) -> float:
    """What a block of all of these takes, of so many seconds each, while none begins or ends."""
    took_s, sound_s = [], []
    began = time.perf_counter()
    for _ in run_all(engine, requests):
        made_s = [sum(map(len, request.emitted)) / engine.sample_rate for request in requests]
        if min(made_s) >= EDGE_S:
            took_s.append(time.perf_counter() - began)
            sound_s.append(sum(made_s))
        if max(made_s) >= seconds - EDGE_S:
            break
    for request in requests:
        engine.leave(request)
    rounds = (sound_s[-1] - sound_s[0]) / len(requests) / BLOCK_S
    return 1000 * (took_s[-1] - took_s[0]) / rounds


@contextmanager
def open_rvc(
    files: Files, device: torch.device, dtype: torch.dtype, pitch: PitchMethod = "auto"
) -> Iterator[RvcEngine]:
    """An engine with one voice, which has an index; on a CPU in slots, too."""
    settings = VoiceSettings(pitch_method=pitch)
    voice = VoiceEntry(VOICE, files.voice, files.index, None, settings)
    options = RvcOptions(files.hubert, files.rmvpe, device=device, dtype=dtype)
    engine = RvcEngine({voice.name: voice}, options, graphs=Graphs(device))
    engine.load()
    engine.install()
    yield engine
    engine.close()


def requests_for(engine: RvcEngine, n: int, speech: Samples) -> list[DrivenRequest]:
    """So many conversions of the same speech at 32 kHz, as different seeds make them."""
    requests = []
    for seed in range(n):
        segment = make_segment("Said.", VOICE)
        style = replace(segment.style, seed=seed)
        request = DrivenRequest(replace(segment, style=style))
        request.voice = engine.load_voice(request, style).result()
        request.push(speech, SOPRANO_RATE, is_last=True)
        requests.append(request)
    return requests


def run_all(engine: RvcEngine, requests: list[DrivenRequest]) -> Iterator[None]:
    """Step until all are through, the one who has heard least first; tell of each step."""
    live = list(requests)
    while live:
        able = [request for request in live if engine.can_step(request)]
        if not able:
            time.sleep(0.0002)  # their pitch is being looked for elsewhere
            continue
        able.sort(key=lambda request: sum(map(len, request.emitted)))
        step(engine, *engine.choose(able))
        for request in list(live):
            if request.error is not None:
                raise request.error
            if request.finished:
                engine.leave(request)
                live.remove(request)
        yield


def chain_speed(asked: argparse.Namespace) -> Iterator[Result]:
    """`bench/chain.py`, for more listeners, without the packages' chain."""
    device, dtype = chosen(asked)
    numbers, runs = ([1], 1) if asked.tiny else ([1, 8, 64], 2)
    yield from trio.run(chain.chain, Files(asked.models), numbers, runs, device, dtype)
