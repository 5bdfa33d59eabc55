"""espeak-ng at a speed, by the length of what it makes, together with what is stretched of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from stages.pitch_only import PitchOnlyConverter
from stages.tts.espeak.engine import EspeakEngine
from stages.tts.espeak.library import SAMPLE_RATE
from stages.tts.espeak.pace import pace_for
from stages.tts.espeak.pieces import FIRST_PIECE_SAMPLES, Pieces
from tests.engine_driver import DrivenRequest, convert, make_segment, run, speak

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stages.audio.format import Samples

SENTENCES = (
    ("en-us", "The weather is quite lovely today, friend."),
    ("en-us+f3", "It was a bright cold day in April and the clocks were striking thirteen."),
    ("en-us+f3", "Hello there,"),
    ("en-us", "Yes!"),
    ("en-us+whisperf", "I went home, and then we slept; nobody minded."),
    ("de", "Heute scheint die Sonne den ganzen Tag."),
    ("fr-fr", "Bonjour, comment allez-vous?"),
    ("ru", "Старый человек медленно шёл по саду домой."),
    ("cmn", "今天天气很好我们去公园吧。"),
)
QUIET = 33 / 32768


@pytest.fixture(scope="module")
def engine() -> Iterator[EspeakEngine]:
    engine = EspeakEngine(("en-us", "de", "fr-fr", "ru", "cmn"))
    engine.load()
    engine.install()
    yield engine
    engine.close()


def heard(engine: EspeakEngine, text: str, voice: str, speed: float) -> Samples:
    """What a listener hears at 48 kHz, by way of the engine and what is left to stretching."""
    rest = speed / engine.own_speed(speed)
    sound = speak(engine, text, voice, speed)
    return convert(PitchOnlyConverter(), [sound], SAMPLE_RATE, 0.0, rest).sound


def test_a_pause_at_the_end_is_whole_where_the_sound_ends_with_a_piece() -> None:
    """It was left out: no sound was left that it could be added to."""
    request = DrivenRequest(make_segment("Yes."))
    pieces = Pieces(request, None, 1000)
    pieces.take(np.ones(FIRST_PIECE_SAMPLES, np.int16))
    pieces.emit_rest()
    assert len(request.sound) == FIRST_PIECE_SAMPLES + 1000


@pytest.mark.parametrize("speed", [0.5, 0.7, 0.9, 1.2, 1.3, 1.5, 2.0])
@pytest.mark.parametrize(("voice", "text"), SENTENCES)
def test_a_sentence_takes_its_share_of_the_time(
    engine: EspeakEngine, voice: str, text: str, speed: float
) -> None:
    """By the rate alone "Hello there," would take a third of the time at twice the rate, and French
    six tenths of it: espeak-ng's pauses go with the square of the rate."""
    plain = heard(engine, text, voice, 1.0)
    assert len(heard(engine, text, voice, speed)) == pytest.approx(len(plain) / speed, rel=0.1)


def test_speed_1_is_untouched(engine: EspeakEngine) -> None:
    """The rate is the one of the options, and nothing is left to stretch."""
    for rate_wpm in (80, 175, 333, 450):
        assert pace_for(rate_wpm, 1.0) == (rate_wpm, 1.0)
    assert np.array_equal(speak(engine, "Hi.", speed=1.0), speak(engine, "Hi."))


def test_what_is_beyond_its_range_is_left_to_stretching() -> None:
    assert pace_for(175, 1.25) == (219, 1.25)
    assert pace_for(175, 2.0) == (230, 230 / 175)
    assert pace_for(200, 0.5) == (100, 0.5)
    assert pace_for(175, 0.5) == (100, 100 / 175)
    assert pace_for(90, 0.5) == (90, 1.0)
    assert pace_for(450, 2.0) == (450, 1.0)


@pytest.mark.parametrize("speed", [0.7, 1.3])
@pytest.mark.parametrize("mark", [".", ",", "!", ":"])
def test_the_pause_at_the_end_keeps_its_share(
    engine: EspeakEngine, mark: str, speed: float
) -> None:
    def pause(speed: float) -> int:
        sound = speak(engine, f"I went home{mark}", "de", speed)
        return len(sound) - int(np.flatnonzero(np.abs(sound) > QUIET)[-1])

    assert pause(speed) == pytest.approx(pause(1.0) / speed, rel=0.1)


def test_the_first_piece_is_as_short_at_any_speed(engine: EspeakEngine) -> None:
    for speed in (0.5, 1.3, 2.0):
        request = run(engine, DrivenRequest(make_segment("I went home today.", speed=speed)))
        assert len(request.emitted[0]) == 0.08 * SAMPLE_RATE


def test_speeds_leave_no_trace(engine: EspeakEngine) -> None:
    before = speak(engine, "I went home.")
    speak(engine, "I went home.", speed=1.2)
    assert np.array_equal(speak(engine, "I went home."), before)
