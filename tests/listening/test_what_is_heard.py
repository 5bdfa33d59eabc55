"""What comes out of espeak-ng is the sentence that went in, at the pitch that was asked for.

The recogniser was trained on people, so it only follows voices that are near enough: female
espeak-ng variants, moved by three semitones at most. Over all of -12 to +12, all ten sentences
are recognised with f3 from -3 to 0, and with f2, which is deeper, from 0 to +3.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.cli.open_service import open_service
from pipeline.cli.settings import SpeakSettings
from tests.listening.ear import median_pitch
from tests.listening.speaking import SENTENCES, speak

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipeline.service import Service
    from tests.listening.ear import Ear

F3_PITCH = 210.0
"""Hertz, as parselmouth hears the voice en-us+f3."""


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with open_service(SpeakSettings(engine="espeak-ng"), 1, math.inf) as service:
        yield service


@pytest.mark.parametrize(
    ("voice", "pitch_shift"), [("en-us+f3", 0), ("en-us+f3", -3), ("en-us+f2", 3)]
)
async def test_each_sentence_is_understood_as_itself(
    service: Service, ear: Ear, voice: str, pitch_shift: float
) -> None:
    heard = [
        ear.understand(await speak(service, sentence, voice=voice, pitch_shift=pitch_shift), 48_000)
        for sentence in SENTENCES
    ]
    assert heard == list(SENTENCES)


@pytest.mark.parametrize(
    ("voice", "speed"),
    [("en-us+f3", 0.5), ("en-us+f3", 0.7), ("en-us+f3", 1.25), ("en-us+f2", 1.4)],
)
async def test_each_sentence_is_understood_slower_and_faster(
    service: Service, ear: Ear, voice: str, speed: float
) -> None:
    """At 0.7 and 1.25 it is espeak-ng's own rate, at 0.5 and 1.4 what that lacks is stretched."""
    heard = [
        ear.understand(await speak(service, sentence, voice=voice, speed=speed), 48_000)
        for sentence in SENTENCES
    ]
    assert heard == list(SENTENCES)


async def test_speech_is_understood_word_by_word_and_as_s16le_at_24_khz(
    service: Service, ear: Ear
) -> None:
    heard = [
        ear.understand(
            await speak(
                service,
                *re.findall(r"\s*\S+", sentence),
                encoding="s16le",
                sample_rate=24_000,
            ),
            24_000,
        )
        for sentence in SENTENCES
    ]
    assert heard == list(SENTENCES)


async def test_sentences_come_in_the_order_of_the_text(service: Service, ear: Ear) -> None:
    """The sound of two sentences, parted where the first one ends."""
    first, second = SENTENCES[5], SENTENCES[2]
    both = await speak(service, first, " ", second)
    n_first = len(await speak(service, first))
    assert ear.understand(both[:n_first], 48_000) == first
    assert ear.understand(both[n_first:], 48_000) == second


async def test_the_ear_does_not_understand_just_anything(service: Service, ear: Ear) -> None:
    """So that the tests above can fail."""
    sound = await speak(service, SENTENCES[0])
    noise = np.random.default_rng(1).normal(0, 0.1, 48_000).astype(np.float32)
    assert ear.understand(sound[::-1], 48_000) is None
    assert ear.understand(sound[: len(sound) // 2], 48_000) is None
    assert ear.understand(sound, 24_000) is None
    assert ear.understand(noise, 48_000) is None
    other = await speak(service, "The committee will discuss several proposals.")
    assert ear.understand(other, 48_000) is None


@pytest.mark.parametrize("semitones", [-12, -7, -4, 4, 7, 12])
async def test_pitch_moves_by_what_was_asked_and_length_does_not(
    service: Service, semitones: float
) -> None:
    text = " ".join(SENTENCES[1:3])
    plain = await speak(service, text)
    shifted = await speak(service, text, pitch_shift=semitones)
    assert len(shifted) == len(plain)
    ratio = 2 ** (semitones / 12)
    plain_pitch = median_pitch(plain, 48_000, near=F3_PITCH)
    shifted_pitch = median_pitch(shifted, 48_000, near=plain_pitch * ratio)
    assert shifted_pitch / plain_pitch == pytest.approx(ratio, rel=0.03)
