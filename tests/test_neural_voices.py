"""Which voice speaks a language, where there are neural voices of several."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, cast

import pytest

from pipeline.neural_voices import NeuralVoices
from pipeline.service import Service
from pipeline.voices import Voices
from stages.items import Style
from stages.segmenter import SegmenterOptions
from stages.tts.espeak.engine import EspeakEngine
from stages.tts.espeak.languages import Languages
from stages.voices import Voice, VoiceType
from tests.fakes import FLUSH, ListPeer, Negating, TellingEngine, converse, token
from tests.inline_models import InlineModels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.executor import Executor
    from stages.engine import Request


def voice(name: str, engine: str, language: str, kind: VoiceType = "neural") -> Voice:
    return Voice(name, engine, language, None, "for tests", 48_000, kind)


JOE = voice("en_US-joe-medium", "piper", "en-us")
THORSTEN = voice("de_DE-thorsten-medium", "piper", "de-de")
KERSTIN = voice("de_DE-kerstin-low", "piper", "de-de")
P239 = voice("en_GB-vctk-medium+p239", "piper", "en-gb")
SOPRANO = voice("soprano", "soprano", "en-us")
ANNA = Voice("anna", "negating", "en-us", None, "", 48_000, "rvc", speaks_with=JOE.name)
BERT = Voice("bert", "negating", "en-us", None, "", 48_000, "rvc", speaks_with="en-us+f3")
NEURAL = (SOPRANO, JOE, THORSTEN, KERSTIN, P239)


@cache
def espeak() -> EspeakEngine:
    return EspeakEngine()


@pytest.mark.parametrize(
    ("tag", "engine", "name"),
    [
        ("de", "piper", THORSTEN.name),
        ("de-de", "piper", THORSTEN.name),
        ("de-at", "piper", THORSTEN.name),
        ("en", "piper", JOE.name),
        ("en", "soprano", "soprano"),
        ("en", None, "soprano"),
        ("en-gb", "soprano", P239.name),
        ("en-us", "piper", JOE.name),
        ("fr", "piper", None),
        ("tlh", "piper", None),
    ],
)
def test_the_first_of_the_engine_that_speaks_the_language(
    tag: str, engine: str | None, name: str | None
) -> None:
    found = NeuralVoices(NEURAL, Languages(["en-us"])).find(tag, engine)
    assert (found and found.name) == name


def test_built_in_voices_are_none_of_them() -> None:
    assert NeuralVoices(espeak().voices(), espeak().languages).find("de") is None


class Noting(TellingEngine):
    """A synthesizer of any name, that notes which of its voices speaks what."""

    def __init__(self, name: str, said: list[tuple[str, str | None, str]]) -> None:
        super().__init__()
        self.name = name
        self._noted = said

    def step(self, batch: Sequence[Request]) -> None:
        for request in batch:
            segment = request.segment
            noted = segment.style.voice, segment.language, segment.spoken
            if noted not in self._noted:
                self._noted.append(noted)
        super().step(batch)


async def said(
    voice: str, text: str, language: str | None = None
) -> list[tuple[str, str | None, str]]:
    """Who says which part of a text, and in which language, with Piper's voices and all others."""
    noted: list[tuple[str, str | None, str]] = []
    made = Service(
        executor=cast("Executor", InlineModels()),
        synthesizers=[Noting(name, noted) for name in ("soprano", "piper", "espeak-ng")],
        converter=Negating(),
        voice_converters=[Negating()],
        voices=Voices([*NEURAL, ANNA, BERT, *espeak().voices()], espeak().voice),
        style=Style(voice),
        languages=espeak().languages,
        segmenter_options=SegmenterOptions(),
        max_listeners=1,
        max_pending_bytes=1 << 16,
        idle_timeout_s=math.inf,
    )
    await converse(ListPeer(token(text), FLUSH), made, sample_rate=48_000, language=language)
    return noted


@pytest.mark.parametrize(
    ("voice", "language", "speaker", "read_in"),
    [
        (JOE.name, None, JOE.name, "en-us"),
        (JOE.name, "en", JOE.name, "en-us"),
        (JOE.name, "de", THORSTEN.name, "de-de"),
        (KERSTIN.name, "de-at", KERSTIN.name, "de-de"),
        (KERSTIN.name, "en", JOE.name, "en-us"),
        (JOE.name, "fr", "fr-fr", "fr-fr"),
        (P239.name, "fr", "fr-fr", "fr-fr"),
        (P239.name, "en", P239.name, "en-gb"),
        ("soprano", "de", THORSTEN.name, "de-de"),
        ("en-us+f3", "de", "de+f3", "de"),
        ("anna", None, JOE.name, "en-us"),
        ("anna", "de", THORSTEN.name, "de-de"),
        ("anna", "fr", "fr-fr", "fr-fr"),
        ("bert", "de", "de+f3", "de"),
    ],
)
async def test_another_language_is_spoken_by_another_voice_of_the_same_kind(
    voice: str, language: str | None, speaker: str, read_in: str
) -> None:
    """A human one, where there is one; who asked for a robot keeps it; and an RVC voice is itself
    in each language, whoever speaks for it."""
    assert await said(voice, "Mama!", language) == [(speaker, read_in, "Mama!")]


async def test_the_script_of_each_segment_chooses_among_them_too() -> None:
    """Of what nobody human speaks, espeak-ng does."""
    spoken = await said(JOE.name, "Hello! Привет! Bye!", "auto")
    assert [speaker for speaker, _, _ in spoken] == [JOE.name, "ru", JOE.name]
