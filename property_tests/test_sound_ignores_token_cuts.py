"""The law of sound: the same text gives bit-identical PCM, however it was cut into tokens and
whoever else is speaking. With the built-in engines, and with Soprano on tiny random weights."""

from __future__ import annotations

import functools
import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import trio
from hypothesis import example, given
from hypothesis import strategies as st
from trio.testing import MockClock

from pipeline.connection import hold_conversation
from property_tests.effort import NEURAL
from stages.intake.conversation import Conversation
from stages.items import PcmFrame, Style
from stages.pitch_only import PitchOnlyConverter
from stages.tts.espeak.engine import EspeakEngine
from stages.tts.soprano.engine import SopranoEngine
from stages.tts.soprano.model import SopranoOptions
from stages.tts.soprano.sampling import Sampling
from stages.voices import Voice
from tests.fakes import FLUSH, ListPeer, service, token
from tests.inline_models import InlineModels
from tests.random_soprano import TINY, build

if TYPE_CHECKING:
    from stages.engine import Engine

TEXT = "Dr. Rivera paid $29.95, twice! Was it 3:22 p.m.? See www.example.org; **now** 😀 go on. And"
ESPEAK, SOPRANO = "en-us+f3", "soprano"


@functools.cache
def engines() -> dict[str, Engine]:
    """By their voices; installed once, on this thread, which is the only one that uses them."""
    with tempfile.TemporaryDirectory() as folder:
        soprano = SopranoEngine(
            build(Path(folder), TINY),
            SopranoOptions(sampling=Sampling(temperature=0.8), n_slots=8),
            force_length=lambda text: 2 + len(text) % 9,
        )
        soprano.load()
    soprano.install()
    espeak = EspeakEngine()
    espeak.load()
    espeak.install()
    return {SOPRANO: soprano, ESPEAK: espeak}


def speak(
    tokens: list[str],
    pitch_shift: float,
    encoding: str = "f32le",
    voice: str = ESPEAK,
    **config: float,
) -> bytes:
    """The PCM of a text that comes in these tokens, with no time between them."""
    synthesizer = engines()[voice]
    server = service(InlineModels(), synthesizer)
    server.converter = PitchOnlyConverter()
    server.voices = {voice: Voice(voice, synthesizer.name, "en", None, "for tests", 0)}
    conversation = Conversation(server.voices, Style(voice), server.languages)
    conversation.configure({"encoding": encoding, "pitch_shift": pitch_shift, "seed": 7, **config})
    peer = ListPeer(*(token(text) for text in tokens), FLUSH)
    trio.run(hold_conversation, peer, server, conversation, clock=MockClock(autojump_threshold=0))
    return b"".join(item.data for item in peer.heard if isinstance(item, PcmFrame))


@functools.cache
def whole(pitch_shift: float, voice: str = ESPEAK, **config: float) -> bytes:
    """The same in one token."""
    return speak([TEXT], pitch_shift, "f32le", voice, **config)


CUTS = st.lists(st.integers(0, len(TEXT)), max_size=30)
EVERYWHERE = list(range(len(TEXT)))


def cut_at(cuts: list[int]) -> list[str]:
    """The text in tokens."""
    places = [0, *sorted(cuts), len(TEXT)]
    return [TEXT[a:b] for a, b in itertools.pairwise(places)]


@given(CUTS, st.sampled_from([0.0, 4.0]))
@example(EVERYWHERE, 0.0)
@example(EVERYWHERE, 4.0)
def test_any_cut_into_tokens_gives_the_same_bits(cuts: list[int], pitch_shift: float) -> None:
    assert speak(cut_at(cuts), pitch_shift) == whole(pitch_shift)


@NEURAL  # an example takes as long here
@given(CUTS, st.sampled_from([0.5, 1.2, 2.0]), st.sampled_from([-40.0, 0.1, 20.0]))
@example(EVERYWHERE, 1.7, 6.0)
def test_any_cut_gives_the_same_bits_at_any_speed_and_volume(
    cuts: list[int], speed: float, volume: float
) -> None:
    """Sound at 20 dB is far beyond the limiter's knee, and yet within full scale."""
    sound = speak(cut_at(cuts), 0.0, speed=speed, volume=volume)
    assert sound == whole(0.0, speed=speed, volume=volume)
    assert np.abs(np.frombuffer(sound, "<f4")).max() <= 1.0


@NEURAL
@given(CUTS)
@example(EVERYWHERE)
def test_any_cut_into_tokens_gives_the_same_neural_speech(cuts: list[int]) -> None:
    assert speak(cut_at(cuts), 4.0, voice=SOPRANO) == whole(4.0, SOPRANO)
    assert len(whole(4.0, SOPRANO)) > 48_000


def test_what_was_spoken_before_leaves_no_trace() -> None:
    speak(["Something else entirely, at some length!"], -5.0)
    assert speak([TEXT], 4.0) == whole(4.0)
    assert len(whole(4.0)) == len(whole(0.0))


def test_16_bit_sound_is_the_same_sound() -> None:
    exact = np.frombuffer(whole(0.0), "<f4")
    coarse = np.frombuffer(speak([TEXT], 0.0, "s16le"), "<i2") / 32_767
    assert np.abs(exact - coarse).max() <= 0.51 / 32_767
