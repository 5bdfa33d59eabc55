"""An ear: speech in, what was said, when, and how high it was out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import parselmouth
import pocketsphinx
import soxr

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stages.audio.format import Samples

HEARS_AT = 16_000
"""Hertz: what the recogniser's model was trained on."""
FRAME_S = 0.01
PAUSE_S = 0.3
"""Silence before and behind what it hears: it wants to hear where speech begins."""


class Ear:
    """Recognises one of a list of sentences, word by word: a closed grammar, so that a wrong
    sentence is told as that one, and mumbling as nothing."""

    def __init__(self, sentences: Sequence[str], folder: Path) -> None:
        self._sentences = {_words(sentence): sentence for sentence in sentences}
        grammar = folder / "sentences.gram"
        choices = " | ".join(self._sentences)
        grammar.write_text(f"#JSGF V1.0;\ngrammar sentences;\npublic <sentence> = {choices};\n")
        self._decoder = pocketsphinx.Decoder(jsgf=str(grammar), loglevel="FATAL")

    def understand(self, speech: Samples, rate: int) -> str | None:
        """The sentence that was said; None: none of them, or not all of it."""
        _listen(self._decoder, speech, rate)
        hypothesis = self._decoder.hyp()
        return None if hypothesis is None else self._sentences.get(hypothesis.hypstr)


class Aligner:
    """Finds the words of a sentence that is known in its speech."""

    def __init__(self) -> None:
        self._decoder = pocketsphinx.Decoder(loglevel="FATAL")

    def word_starts(self, sentence: str, speech: Samples, rate: int) -> list[float]:
        """The seconds at which each word begins, to 10 ms."""
        self._decoder.set_align_text(_words(sentence))
        _listen(self._decoder, speech, rate)
        # What is not said stands in angle brackets; a second way of saying a word as `a(2)`.
        said = [part for part in self._decoder.seg() if part.word[0] not in "<(["]
        return [part.start_frame * FRAME_S - PAUSE_S for part in said]


def _listen(decoder: pocketsphinx.Decoder, speech: Samples, rate: int) -> None:
    speech = speech if rate == HEARS_AT else soxr.resample(speech, rate, HEARS_AT)
    pause = np.zeros(round(PAUSE_S * HEARS_AT), np.float32)
    heard = np.concatenate((pause, speech, pause))
    decoder.start_utt()
    decoder.process_raw((np.clip(heard, -1, 1) * 32767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()


def median_pitch(speech: Samples, rate: int, *, near: float) -> float:
    """Hertz, over all voiced sound; looked for within an octave around what is expected."""
    pitch = parselmouth.Sound(speech.astype(np.float64), rate).to_pitch(
        pitch_floor=near / 2, pitch_ceiling=near * 2
    )
    frequencies = pitch.selected_array["frequency"]
    voiced = frequencies[frequencies > 0]
    assert len(voiced) > len(frequencies) / 2, "this is hardly speech"
    return float(np.median(voiced))


def _words(sentence: str) -> str:
    return " ".join(re.findall(r"[a-z']+", sentence.lower()))
