"""What judges speech in benches: how it would be rated, what is understood of it, how high it is.

DNSMOS (Reddy et al., ICASSP 2022) estimates the mean opinion of listeners on a scale of 1 to 5:
``p808`` of the whole by ITU-T P.808, ``ovrl``, ``sig`` and ``bak`` of the whole, of the speech and
of the background by P.835. It was trained on telephone calls, so it tells which of two sounds is
cleaner, and not how natural a voice is.

The recogniser is pocketsphinx with its own models of American English, of any sentence. It is weak,
which is why it tells good speech from bad: today's would understand both.
"""

from __future__ import annotations

import multiprocessing
import os
import re
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import soxr

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from bench.common import Result
    from stages.audio.format import Samples

HEARS_AT = 16_000
"""Hertz: what both were trained on."""
RATED = 144_160
"""Samples that DNSMOS looks at together, 9.01 s. What is shorter is repeated, as its authors do,
but no further: they go on to twice that, and rate up to nine stretches."""
PAUSE_S = 0.3
"""Silence around what the recogniser hears: it wants to hear where speech begins."""


class Verdict(NamedTuple):
    """The judgement of one sentence."""

    p808: float
    ovrl: float
    sig: float
    bak: float
    n_errors: int
    n_words: int


class Judges:
    """The judges, each core's in a process of its own, for as long as the context is entered."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(
            len(os.sched_getaffinity(0)), multiprocessing.get_context("spawn")
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def warm_up(self) -> None:
        """Read the models, in every process."""
        noise = np.random.default_rng(1).normal(0, 0.1, HEARS_AT).astype(np.float32)
        n_processes = len(os.sched_getaffinity(0))
        self.judge([noise] * n_processes, HEARS_AT, ["noise"] * n_processes)

    def judge(self, speeches: Sequence[Samples], rate: int, texts: Sequence[str]) -> Result:
        """The mean rating of these, and the word error rate over all of them, in percent."""
        verdicts = list(self._pool.map(judged, speeches, repeat(rate), texts))
        p808, ovrl, sig, bak, n_errors, n_words = np.array(verdicts).T
        return {
            "p808": round(float(p808.mean()), 3),
            "ovrl": round(float(ovrl.mean()), 3),
            "sig": round(float(sig.mean()), 3),
            "bak": round(float(bak.mean()), 3),
            "wer_percent": round(float(100 * n_errors.sum() / n_words.sum()), 1),
        }


def judged(speech: Samples, rate: int, text: str) -> Verdict:
    """The verdict on a sentence."""
    heard = np.clip(soxr.resample(speech, rate, HEARS_AT), -1, 1)
    rated = np.resize(heard, max(RATED, len(heard)))
    rating = _dnsmos()(rated, HEARS_AT, is_personalized_MOS=False)
    said = words_of(text)
    return Verdict(
        p808=float(rating["p808_mos"]),
        ovrl=float(rating["ovrl_mos"]),
        sig=float(rating["sig_mos"]),
        bak=float(rating["bak_mos"]),
        n_errors=word_errors(said, words_of(recognised(heard))),
        n_words=len(said),
    )


def recognised(speech: Samples) -> str:
    """What is understood, in lower case, of speech at `HEARS_AT`."""
    pause = np.zeros(round(PAUSE_S * HEARS_AT), np.float32)
    pcm = (np.concatenate((pause, speech, pause)) * 32767).astype("<i2").tobytes()
    recogniser = _recogniser()
    recogniser.start_utt()
    recogniser.process_raw(pcm, full_utt=True)
    recogniser.end_utt()
    hypothesis = recogniser.hyp()
    return "" if hypothesis is None else str(hypothesis.hypstr)


def words_of(text: str) -> list[str]:
    """Its words, without case and marks."""
    return re.findall(r"[a-z']+", text.lower())


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """How many words have to be put in, left out or replaced to make one of the other: the
    distance of Levenshtein (1966)."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(said, 1):
        before, row = row, [number]
        for place, other in enumerate(heard):
            row.append(min(before[place] + (word != other), before[place + 1] + 1, row[place] + 1))
    return row[-1]


def pitch_of(speech: Samples, rate: int, low: float, high: float) -> tuple[Any, Any]:
    """Praat's pitch between two bounds, in hertz: the times in seconds, and the frequencies, which
    are 0 where nothing is voiced."""
    import parselmouth  # noqa: PLC0415 - the judges' processes need none

    pitch = parselmouth.Sound(speech.astype(np.float64), rate).to_pitch(
        time_step=0.01, pitch_floor=low, pitch_ceiling=high
    )
    return pitch.xs(), pitch.selected_array["frequency"]


@cache
def _dnsmos() -> Any:  # noqa: ANN401 - without types
    from speechmos import dnsmos  # noqa: PLC0415 - librosa takes seconds to import

    models = Path(dnsmos.__file__).parent / "dnsmos_models"
    judge = dnsmos.DNSMOS(str(models / "sig_bak_ovr.onnx"), str(models / "model_v8.onnx"))
    # Its own sessions have a thread for each core, and so has every process of ours.
    judge.onnx_sess, judge.p808_onnx_sess = (
        _session(models / "sig_bak_ovr.onnx"), _session(models / "model_v8.onnx")
    )  # fmt: skip
    return judge


def _session(path: Path) -> Any:  # noqa: ANN401 - without types
    import onnxruntime  # noqa: PLC0415 - with speechmos

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options)


@cache
def _recogniser() -> Any:  # noqa: ANN401 - without types
    import pocketsphinx  # noqa: PLC0415 - the models take half a second to read

    # A tenth of the paths that it follows unless told otherwise, in half the time.
    return pocketsphinx.Decoder(loglevel="FATAL", maxhmmpf=3_000)
