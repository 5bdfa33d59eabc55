"""Pronunciations in IPA, as espeak-ng says them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from stages.text.lexicon import ipa
from stages.tts.espeak.engine import EspeakEngine
from stages.tts.espeak.languages import Languages
from stages.tts.espeak.libespeak import IPA
from stages.tts.espeak.phonemes import WORD_PHONEMES, phonemes_of
from tests.engine_driver import DrivenRequest, make_segment, run, speak
from tests.libespeak_here import LibespeakHere, libespeak_here

if TYPE_CHECKING:
    from collections.abc import Iterator

LANGUAGES = ("en-us", "en-gb", "de", "fr", "es", "it", "pl", "ja", "ru", "cmn", "hi", "ar")


@pytest.fixture(scope="module")
def engine() -> Iterator[EspeakEngine]:
    engine = EspeakEngine(LANGUAGES)
    engine.load()
    engine.install()
    yield engine
    engine.close()


@pytest.mark.parametrize(
    ("voice", "text", "same"),
    [
        ("en-gb", "[x](/pʊt/)", "put"),
        ("en-gb", "[x](/ˈpʊt/).", "put."),
        ("en-gb", "[x](/ɡəʊt/)", "goat"),
        ("en-us", "[x](/ɡəʊt/)", "goat"),
        ("en-us", "[Worcester](/ˈwʊstɚ/)", "Worcester"),
        ("en-us", "[x](/ˈt͡ʃaɪ.nə/)", "China"),
        ("en-us", "[x](/nˈAʃən/)", "nation"),
        ("en-us", "Is it [put](/pʊt/)?", "Is it put?"),
        ("de", "[x](/haʊs/)", "Haus"),
        ("de", "[x](/ˈʃøːn/)", "schön"),
        ("fr", "[x](/bɔ̃/)", "bon"),
        ("es", "[x](/ˈsol/)", "sol"),
    ],
)
def test_sounds_are_those_of_the_word_that_has_them(
    engine: EspeakEngine, voice: str, text: str, same: str
) -> None:
    assert np.array_equal(speak(engine, text, voice), speak(engine, same, voice))


def test_another_pronunciation_is_another_sound(engine: EspeakEngine) -> None:
    said = [
        speak(engine, text, "en-gb").tobytes()
        for text in ("[x](/ˈwʊstə/)", "[x](/ˈwɔːstə/)", "[x](/wʊˈstə/)", "x")
    ]
    assert len(set(said)) == 4


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('"[x](/pʊt/)"', '"put"'),
        ("([x](/pʊt/))", "(put)"),
        ("[[x](/pʊt/)]", "[put]"),
        ("x [[hello] y [x](/pʊt/)", "x [[hello] y put"),
        ("[[h@loU]] [x](/pʊt/)", "[[h@loU]] put"),
        ("]] x [x](/pʊt/)", "]] x put"),
    ],
)
def test_no_other_brackets_become_phonemes(engine: EspeakEngine, text: str, same: str) -> None:
    """Text could have said anything: `[[h@loU]]` is hello to espeak-ng once phonemes are on."""
    assert np.array_equal(speak(engine, text), speak(engine, same))


def test_the_text_around_a_pronunciation_sounds_as_before(engine: EspeakEngine) -> None:
    before = speak(engine, "The weather is quite lovely, isn't it? Yes.", "en-gb")
    with_word = speak(engine, "The weather is quite lovely, isn't it? [put](/pʊt/).", "en-gb")
    n_same = int(1.8 * engine.sample_rate)
    assert np.array_equal(before[:n_same], with_word[:n_same])


def test_a_pronunciation_alone_can_be_spoken(engine: EspeakEngine) -> None:
    request = run(engine, DrivenRequest(make_segment("[…](/pʊt/)")))
    assert request.emitted


def test_marks_alone_are_no_phonemes() -> None:
    """Where nothing else is left of a pronunciation its word is said as it is written."""
    phonemes = phonemes_of("en-us")
    assert phonemes.written("ˈː ˌ") == ""
    assert phonemes.written("ˈ ˈtuː") == phonemes.written("ˈtuː")


def test_long_sounds_do_no_harm(engine: EspeakEngine) -> None:
    """The library writes the phonemes of a word into 200 bytes, however many they are."""
    for voice in ("en-us", "fr"):
        assert len(speak(engine, f"[x](/{'ˈaʤ' * 33}/)", voice)) > engine.sample_rate
        assert len(speak(engine, " ".join(["[x](/ˈaʤA/)"] * 60), voice)) > engine.sample_rate
        assert np.array_equal(speak(engine, "put", voice), speak(engine, "put", voice))


def test_every_language_can_say_every_sound() -> None:
    """As the nearest that it has, in one phoneme or two."""
    for language in Languages().all:
        phonemes = phonemes_of(language.phoneme_table)
        for sound in ipa.NEAR:
            assert 1 <= len(phonemes.mnemonics[sound].split("|")) <= 2, (language.tag, sound)


def test_words_have_brackets_of_their_own_and_a_bounded_length() -> None:
    phonemes = phonemes_of(Languages(["en-gb"]).chosen["en-gb"].phoneme_table)
    assert phonemes.written("ˈnuː ˈjɔːk") == "[['|n|u:]] [['|j|O:|k]]"
    assert phonemes.written("n̩ː") == "[['|n-|:]]"
    for word in phonemes.written("ˈaʤ" * 60).split():
        assert word.count("|") < WORD_PHONEMES


@pytest.fixture(scope="module")
def here() -> Iterator[LibespeakHere]:
    with libespeak_here() as here:
        yield here


def ipa_of(here: LibespeakHere, mnemonics: str, voice: str) -> str:
    """What the library itself calls these sounds."""
    here.take_phonemes(voice)
    ((named, _),) = here.clauses_as(f"[['{mnemonics}]]", IPA)
    return ipa.without_details(ipa.ordered(named.strip("ˈˌ")))


@pytest.mark.parametrize(
    ("language", "others"),
    [
        ("en-us", {"ɹ": "r", "a": "æ"}),
        ("en-gb", {"ɹ": "r"}),
        ("fr", {"ɥ": "y"}),
        ("es", {}),
        ("it", {"ɹ": "r"}),
        ("pl", {"ɹ": "r"}),
        ("ja", {"ɹ": "r"}),
        ("ru", {"a": "ɑ", "ʌ": "ɑ", "ɔ": "o"}),
    ],
)
def test_sounds_are_those_that_the_library_names_itself(
    here: LibespeakHere, language: str, others: dict[str, str]
) -> None:
    """`others`: what becomes another where it stands alone, or has another name in words."""
    phonemes = phonemes_of(Languages([language]).chosen[language].phoneme_table)
    for sound in "iyeøɛœaɑɒɔouɪʊəʌɜpbtdkɡfvθðszʃʒhxmnŋljwɹrʁ":
        mnemonics = phonemes.mnemonics[sound]
        if list(phonemes.mnemonics.values()).count(mnemonics) == 1:  # it stands in for nothing
            assert ipa_of(here, mnemonics, language) == others.get(sound, sound)
