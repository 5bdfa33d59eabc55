"""espeak-ng's process may die whenever it likes, and say what it likes before that."""

from __future__ import annotations

import os
import signal
import struct
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.tts.espeak import wire
from stages.tts.espeak.engine import EspeakEngine
from tests.engine_driver import DrivenRequest, make_segment, run

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXTS = (
    "Hi!",
    "The weather is quite lovely today, friend.",
    "It was a bright cold day in April, and the clocks were striking thirteen. " * 2,
)
VOICES = ("en-us", "en-us+whisper", "de")
LATEST_US = 12_000
"""As long as the longest text takes, and the start of a process."""

numbers = st.integers(0, 2**32 - 2)
clauses = st.tuples(numbers, st.binary(max_size=20))
marks = st.tuples(numbers, st.none() | numbers)


@pytest.fixture(scope="module")
def engine() -> Iterator[EspeakEngine]:
    engine = EspeakEngine()
    engine.load()
    engine.install()
    yield engine
    engine.close()


def kill_after(engine: EspeakEngine, delay_us: int) -> threading.Thread:
    def kill() -> None:
        time.sleep(delay_us / 1e6)
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


@given(st.sampled_from(TEXTS), st.sampled_from(VOICES), st.integers(0, LATEST_US))
@settings(max_examples=100, deadline=None)
def test_nobody_hears_it(engine: EspeakEngine, text: str, voice: str, delay_us: int) -> None:
    """Before, during and behind a text: its samples are those of a quiet day, once each."""
    segment = make_segment(text, voice)
    quiet = run(engine, DrivenRequest(segment))
    killing = kill_after(engine, delay_us)
    disturbed = run(engine, DrivenRequest(segment))
    killing.join()
    assert disturbed.finished
    assert np.array_equal(disturbed.sound, quiet.sound)
    assert disturbed.words == quiet.words


@given(st.lists(marks, max_size=10), st.binary(max_size=20).map(lambda half: half + half))
def test_sound_comes_through(marks: list[wire.Mark], samples: bytes) -> None:
    told, sound = wire.unpack_sound(wire.pack_sound(marks, samples))
    assert (told, bytes(sound)) == (marks, samples)


@given(st.lists(clauses, max_size=10))
def test_phonemes_come_through(clauses: list[wire.ClauseFields]) -> None:
    assert list(wire.unpack_phonemes(wire.pack_phonemes(clauses))) == clauses


@given(
    st.text(max_size=9, alphabet="abc-+1"),
    st.binary(max_size=20),
    st.lists(st.binary(max_size=20), max_size=5),
)
def test_what_is_asked_comes_through(voice: str, path: bytes, texts: list[bytes]) -> None:
    assert wire.unpack_texts(wire.pack_texts(voice, path, texts)) == (voice, path, texts)
    text = b"".join(texts)
    packed = wire.pack_speech(voice, path, text, words_per_minute=175, volume=80, flags=3)
    assert wire.unpack_speech(packed) == (voice, path, text, 175, 80, 3)


@given(st.binary(max_size=100))
@example(b"\xff\xff")
@example(b"\0\0\0")
def test_nonsense_is_known_for_what_it_is(body: bytes) -> None:
    """Whatever a process says whose memory was overrun: it is refused, or is sound or phonemes."""
    for unpack in (wire.unpack_sound, lambda body: list(wire.unpack_phonemes(body))):
        try:
            unpack(body)
        except (ValueError, struct.error):
            continue
