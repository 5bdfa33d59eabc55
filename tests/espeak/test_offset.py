"""The offset of whispers: taken out, and only out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from stages.tts.espeak import engine as espeak
from stages.tts.espeak.data import WITH_OFFSET
from stages.tts.espeak.engine import EspeakEngine
from stages.tts.espeak.library import SAMPLE_RATE
from stages.tts.espeak.offset import OffsetRemover
from tests.engine_driver import speak

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXTS = {
    "en-us": "Hello there, friend! How are you? I am fine; thanks!",
    "de": "Guten Tag, wie geht es Ihnen heute? Das Wetter ist schön.",
    "es": "Buenos días, ¿cómo está usted?",
    "ru": "Привет, как дела сегодня?",
    "cmn": "你好，今天天气很好。",
    "hi": "नमस्ते, आप कैसे हैं?",
}


@pytest.fixture(scope="module")
def engine() -> Iterator[EspeakEngine]:
    engine = EspeakEngine(tuple(TEXTS))
    engine.load()
    engine.install()
    yield engine
    engine.close()


@pytest.mark.parametrize("language", TEXTS)
def test_no_voice_has_an_offset(engine: EspeakEngine, language: str) -> None:
    """The female whisper's mean was 0.017 of full scale at an RMS of 0.076."""
    for voice in engine.voices():
        if voice.language == language:
            mean = abs(speak(engine, TEXTS[language], voice.name).mean())
            assert mean < (0.0005 if voice.name.partition("+")[2] in WITH_OFFSET else 0.004)


@pytest.mark.parametrize("variant", sorted(WITH_OFFSET))
@pytest.mark.parametrize("text", ["Hello there, friend!", "How are you?", "Yes!", "Home", "I am"])
def test_a_whisper_neither_begins_nor_ends_with_a_click(
    engine: EspeakEngine, text: str, variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = speak(engine, text, f"en-us+{variant}")
    assert abs(sound[-1]) < 0.005
    monkeypatch.setattr(espeak, "WITH_OFFSET", frozenset())
    was = speak(engine, text, f"en-us+{variant}")
    assert sound[0] == pytest.approx(was[0], rel=0.02)
    assert np.abs(np.diff(sound)).max() <= np.abs(np.diff(was)).max()


def test_hearing_is_left_as_it_was() -> None:
    """A hum of 200 Hz on an offset: the hum stays within 0.3 dB, and the offset goes within a
    twentieth of a second."""
    hum = (0.1 * np.sin(np.arange(SAMPLE_RATE) * (2 * np.pi * 200 / SAMPLE_RATE))).astype("f4")
    made = OffsetRemover(SAMPLE_RATE).push(hum + np.float32(0.05))[SAMPLE_RATE // 20 :]
    assert np.abs(made).max() == pytest.approx(0.1, rel=0.035)
    assert abs(made.mean()) < 1e-3
