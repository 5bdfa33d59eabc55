"""The built-in synthesizer."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stages.errors import SynthesisError
from stages.tts.espeak.data import VARIANTS
from stages.tts.espeak.engine import EspeakEngine
from stages.tts.espeak.library import SAMPLE_RATE
from stages.tts.espeak.writing import written_for
from tests.engine_driver import DrivenRequest, make_segment, run, speak
from tests.server_process import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stages.audio.format import Samples

SENTENCE = "The weather is quite lovely today, friend."
LONG = "It was a bright cold day in April, and the clocks were striking thirteen. " * 3
QUIET = 33 / 32768
"""-60 dB of full scale."""


def open_engine(*languages: str) -> EspeakEngine:
    engine = EspeakEngine(languages or ("en-us",))
    engine.load()
    engine.install()
    return engine


@pytest.fixture
def engine() -> Iterator[EspeakEngine]:
    engine = open_engine()
    yield engine
    engine.close()


@pytest.fixture
def polyglot() -> Iterator[EspeakEngine]:
    engine = open_engine("en-us", "de", "ru")
    yield engine
    engine.close()


def pause_at_end_ms(sound: Samples) -> float:
    loud = np.flatnonzero(np.abs(sound) > QUIET)
    return float(len(sound) - 1 - loud[-1]) / SAMPLE_RATE * 1000


def test_a_sentence_takes_as_long_as_speech_does(engine: EspeakEngine) -> None:
    sound = speak(engine, SENTENCE)
    assert 2.0 < len(sound) / SAMPLE_RATE < 3.5
    assert 0.1 < np.abs(sound).max() <= 1.0


@pytest.mark.parametrize("text", [SENTENCE, "Fish.", "Is it?", "Home"])
def test_sound_starts_without_the_silence_in_front(engine: EspeakEngine, text: str) -> None:
    assert np.flatnonzero(np.abs(speak(engine, text)) > QUIET)[0] < 0.002 * SAMPLE_RATE


def test_a_segment_ends_with_the_pause_its_mark_asks_for(engine: EspeakEngine) -> None:
    """espeak's own pauses between clauses, so that segments do not run together."""
    assert 290 < pause_at_end_ms(speak(engine, "I went home.")) < 320
    assert 290 < pause_at_end_ms(speak(engine, '"I went home."')) < 320
    assert 130 < pause_at_end_ms(speak(engine, "I went home,")) < 170
    assert pause_at_end_ms(speak(engine, "I went home")) < 20


def test_first_piece_is_short_and_leaves_before_the_rest_is_spoken(engine: EspeakEngine) -> None:
    request = run(engine, DrivenRequest(make_segment(LONG)))
    lengths_ms = [len(piece) / SAMPLE_RATE * 1000 for piece in request.emitted]
    assert lengths_ms[0] == 80
    assert set(lengths_ms[1:-1]) == {240}
    assert lengths_ms[-1] <= 240


def test_pieces_are_cut_by_position_alone(engine: EspeakEngine) -> None:
    first = run(engine, DrivenRequest(make_segment(LONG)))
    again = run(engine, DrivenRequest(make_segment(LONG)))
    assert [len(p) for p in first.emitted] == [len(p) for p in again.emitted]


def test_a_dead_request_breaks_the_synthesis_off(engine: EspeakEngine) -> None:
    request = run(engine, DrivenRequest(make_segment(LONG), dies_after=2))
    assert len(request.emitted) == 2
    assert not request.finished


def test_sound_does_not_depend_on_what_was_spoken_before(polyglot: EspeakEngine) -> None:
    """espeak-ng keeps counters from one call to the next that nothing resets: each second call
    of a sentence had other samples, and three less of them."""
    texts = [
        SENTENCE,
        "Is it?",
        "One two three, four!",
        "Hello Привет 你好 مرحبا हिन्दी world.",
        "Rrrund um (the) Uhr…",
        "…?",
    ]
    chosen = polyglot.languages.chosen
    voices = [voice.name for voice in polyglot.voices() if voice.name.partition("+")[0] in chosen]
    dice = random.Random(1)
    heard: dict[tuple[str, str], bytes] = {}
    n_compared = 0
    for _ in range(500):
        text, voice = dice.choice(texts), dice.choice(voices)
        if dice.random() < 0.3:
            request = DrivenRequest(make_segment(text, voice), dies_after=dice.randint(0, 2))
            run(polyglot, request)
            continue
        sound = speak(polyglot, text, voice).tobytes()
        n_compared += (text, voice) in heard
        assert heard.setdefault((text, voice), sound) == sound, (text, voice)
    assert n_compared > 90


def test_a_second_engine_takes_the_library_over_and_gives_it_back() -> None:
    first = open_engine()
    before = speak(first, SENTENCE)
    second = open_engine("de")
    german = speak(second, SENTENCE, "de")
    assert np.array_equal(speak(first, SENTENCE), before)
    assert np.array_equal(speak(second, SENTENCE, "de"), german)
    first.close()
    assert np.array_equal(speak(second, SENTENCE, "de"), german)
    second.close()


def test_engines_come_and_go_on_different_threads() -> None:
    sounds: list[Samples] = []

    def life() -> None:
        engine = open_engine()
        sounds.append(speak(engine, SENTENCE))
        engine.close()

    for _ in range(3):
        thread = threading.Thread(target=life)
        thread.start()
        thread.join()
    assert len(sounds) == 3
    assert all(np.array_equal(sound, sounds[0]) for sound in sounds)


@pytest.mark.parametrize(
    "text",
    ["", "   ", "🙂", "👩‍👩‍👧 🎉", "...", "—", "\ud800", "\x00", "“", "\x01"],
    ids=ascii,
)
def test_nothing_to_speak_is_no_sound_and_no_error(engine: EspeakEngine, text: str) -> None:
    request = run(engine, DrivenRequest(make_segment(text)))
    assert request.finished
    assert not request.emitted


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a\x00b", "a b"),
        ("a\ud800b", "a b"),
        ("hello \x0150P there", "hello 50P there"),
        ("one\n\ntwo", "one two"),
    ],
    ids=ascii,
)
def test_control_characters_are_spaces_not_commands(
    engine: EspeakEngine, text: str, same: str
) -> None:
    assert np.array_equal(speak(engine, text), speak(engine, same))


def test_markup_is_read_out_not_obeyed(engine: EspeakEngine) -> None:
    ten_seconds = speak(engine, '<speak>a <break time="10s"/> b</speak>')
    assert len(ten_seconds) < 6 * SAMPLE_RATE
    # As phonemes it would say "hello"; as text it names the letters and the sign.
    assert len(speak(engine, "[[h@loU]]")) > 1.2 * len(speak(engine, "hello"))


def test_a_very_long_word_is_spoken(engine: EspeakEngine) -> None:
    assert len(speak(engine, "x" * 2000)) > SAMPLE_RATE


def test_an_unknown_voice_fails_its_request_alone(engine: EspeakEngine) -> None:
    bad = DrivenRequest(make_segment("Hi.", "en-us+nobody"))
    good = DrivenRequest(make_segment("Hi."))
    engine.step([bad, good])
    assert isinstance(bad.error, SynthesisError)
    assert "en-us+nobody" in str(bad.error)
    assert good.finished


def test_an_error_while_emitting_reaches_the_caller(engine: EspeakEngine) -> None:
    """ctypes prints and swallows what a callback raises."""

    class Broken(DrivenRequest):
        def emit(self, samples: Samples) -> None:
            raise RuntimeError("full")

    with pytest.raises(RuntimeError, match="full"):
        engine.step([Broken(make_segment(SENTENCE))])
    assert len(speak(engine, SENTENCE))


def test_every_listed_voice_speaks_and_has_its_own_sound() -> None:
    engine = open_engine("en-us", "en-gb")
    voices = engine.voices()[: 2 * (1 + len(VARIANTS))]
    assert {voice.language for voice in voices} == {"en-us", "en-gb"}
    sounds = {voice.name: speak(engine, "Hello.", voice.name).tobytes() for voice in voices}
    assert len(set(sounds.values())) == len(voices)
    engine.close()


def test_voices_are_known_before_anything_is_set_up() -> None:
    names = [voice.name for voice in EspeakEngine().voices()]
    assert names[:2] == ["en-us", "en-us+f1"]
    assert "en-us+whisper" in names


def test_an_unknown_language_is_refused_with_those_like_it() -> None:
    with pytest.raises(ValueError, match=r"'en-uk'; like it are .*en-us"):
        EspeakEngine(["en-uk"])


def test_a_higher_rate_speaks_faster() -> None:
    lengths = []
    for rate in (175, 260):
        engine = EspeakEngine(rate_wpm=rate)
        engine.load()
        engine.install()
        lengths.append(len(speak(engine, SENTENCE)))
        engine.close()
    assert lengths[1] < 0.8 * lengths[0]


def test_close_leaves_nothing_behind_and_may_come_early_or_twice(engine: EspeakEngine) -> None:
    EspeakEngine().close()
    engine.close()
    engine.close()
    with pytest.raises(SynthesisError, match="not loaded"):
        EspeakEngine().install()
    request = DrivenRequest(make_segment("Hi."))
    engine.step([request])
    assert isinstance(request.error, SynthesisError)


HARMFUL = """
import sys
from stages.tts.espeak.engine import EspeakEngine
from tests.engine_driver import DrivenRequest, make_segment

engine = EspeakEngine(["vi"])
engine.load()
engine.install()
for text in sys.argv[1:]:
    request = DrivenRequest(make_segment(text, "vi"))
    engine.step([request])
    assert request.finished, text
"""


def test_no_mark_before_a_letter_ends_the_process() -> None:
    """In Vietnamese libespeak-ng writes beyond a word's end at a hyphen between a mark and a
    letter, as in a quotation, and at a grave accent behind a mark. In a process of its own: what
    goes wrong there ends it."""
    texts = [
        *("§-j", '"-ăn', "(-a)", ")-a", "€-đ", "- §--j", "§-\u00adj", '"-_a', '"-\x01a'),
        *("a.`", "1,`", 'ba.``"', "a. `", "(a?`)", "a\N{EN DASH}`"),
    ]
    done = subprocess.run(
        [sys.executable, "-c", HARMFUL, *texts],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_minus_is_still_said_behind_a_mark(engine: EspeakEngine) -> None:
    """What does no harm is left as it is."""
    assert written_for(make_segment("(-5) well-known a`b"), engine.languages)[0].text == (
        "(-5) well-known a`b"
    )
