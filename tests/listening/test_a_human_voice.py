"""What comes out of the pipeline with the human voice is what went in, word by word and in time."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import trio

from pipeline.cli.open_service import open_service
from pipeline.cli.settings import SpeakSettings
from tests.listening.ear import Aligner, Ear
from tests.listening.speaking import SENTENCES, Spoken, hear

JOE = "en_US-joe-medium"


@pytest.fixture(scope="module")
def spoken() -> list[Spoken]:
    """Each sentence as a listener gets it: streamed, at 48 kHz, in the words of a language
    model."""

    async def speak_all() -> list[Spoken]:
        options = SpeakSettings(engine="piper")
        async with open_service(options, 1, math.inf) as service:
            return [
                await hear(service, *re.findall(r"\s*\S+", sentence), voice=JOE, seed=1, words=True)
                for sentence in SENTENCES
            ]

    return trio.run(speak_all)


def test_each_sentence_is_understood_as_itself(spoken: list[Spoken], ear: Ear) -> None:
    assert [ear.understand(each.sound, 48_000) for each in spoken] == list(SENTENCES)


def test_words_are_heard_when_they_are_told(spoken: list[Spoken]) -> None:
    """Against where the recogniser finds them, which with espeak-ng is 13 ms off at the median.
    They were told to begin with their first phoneme, and are heard from the space before it, which
    has 40 to 70 ms of sound where nobody pauses: 49 ms off at the median, 115 at most. Now 13 and
    51."""
    aligner = Aligner()
    off_s = []
    for sentence, each in zip(SENTENCES, spoken, strict=True):
        assert [word.text for word in each.words] == sentence.split()
        assert all(word.is_exact for word in each.words)
        heard_s = aligner.word_starts(sentence, each.sound, 48_000)
        off_s += [abs(word.start_s - at) for word, at in zip(each.words, heard_s, strict=True)]
    assert np.median(off_s) < 0.025
    assert max(off_s) < 0.09
