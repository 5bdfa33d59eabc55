"""Every language that espeak-ng has: asked for, found by people's tags, and spoken."""

from __future__ import annotations

import random

import pytest

from stages.tts.espeak.engine import EspeakEngine
from stages.tts.espeak.languages import Languages
from stages.tts.espeak.library import SAMPLE_RATE
from stages.tts.espeak.scripts import legible
from tests.engine_driver import speak

GREETINGS = {
    "am": "ሰላም",
    "ar": "مرحبا",
    "be": "Добры дзень",
    "bg": "Здравей",
    "bn": "নমস্কার",
    "chr": "Osiyo",
    "cmn": "你好",
    "cs": "Dobrý den",
    "cv": "Ырӑ кун",
    "de": "Guten Tag",
    "el": "Γειά σου",
    "es": "Buenos días",
    "fa": "سلام",
    "fi": "Hyvää päivää",
    "fr-fr": "Bonjour",
    "gu": "નમસ્તે",
    "he": "שלום",
    "hi": "नमस्ते",
    "hu": "Jó napot",
    "hy": "Բարեւ",
    "it": "Buongiorno",
    "ja": "こんにちは",
    "ka": "გამარჯობა",
    "kk": "Сәлем",
    "kn": "ನಮಸ್ಕಾರ",
    "ko": "안녕하세요",
    "ml": "നമസ്കാരം",
    "my": "မင်္ဂလာပါ",
    "nl": "Goedendag",
    "or": "ନମସ୍କାର",
    "pa": "ਸਤ ਸ੍ਰੀ ਅਕਾਲ",
    "pl": "Dzień dobry",
    "pt": "Bom dia",
    "ru": "Здравствуйте",
    "sjn": "Mae govannen",
    "sr": "Добар дан",
    "ta": "வணக்கம்",
    "te": "నమస్కారం",
    "th": "สวัสดี",
    "tr": "İyi günler",
    "uk": "Добрий день",
    "ur": "السلام علیکم",
    "vi": "Xin chào",
    "yue": "早晨",
}
"""Good day, where we know how to say it. Three of the languages have no words for digits."""

LANGUAGES = [language.tag for language in Languages().all]


def test_there_are_more_than_a_hundred() -> None:
    assert len(LANGUAGES) == len(set(LANGUAGES)) > 130
    assert set(GREETINGS) < set(LANGUAGES)


def test_every_language_is_spoken_the_same_whatever_was_spoken_before() -> None:
    """The greeting, or some digits, in an order that another shuffle changes: bit for bit the same
    sound. Nothing was chosen beforehand but English."""
    engine = EspeakEngine()
    engine.load()
    engine.install()
    dice = random.Random(2)
    heard: dict[str, bytes] = {}
    for _ in range(3):
        for language in dice.sample(LANGUAGES, len(LANGUAGES)):
            text = f"{GREETINGS.get(language, '')} 1, 2, 3."
            assert legible(text, language) == text
            sound = speak(engine, text, f"{language}+f3")
            assert len(sound) > 0.4 * SAMPLE_RATE, language
            assert heard.setdefault(language, sound.tobytes()) == sound.tobytes(), language
    engine.close()


@pytest.mark.parametrize("name", ["de", "fr", "fr-fr", "cmn", "en-gb-x-rp", "de+f3", "ja+whisper"])
def test_each_name_of_a_language_is_a_voice_in_all_variants(name: str) -> None:
    voice = EspeakEngine().voice(name)
    assert voice is not None
    assert voice.name == name
    assert voice.language is not None
    assert voice.language.startswith(name.partition("+")[0])


@pytest.mark.parametrize("name", ["", "xx", "DE", "de+", "de+f99", "+f3", "../de", "fo"])
def test_anything_else_is_no_voice(name: str) -> None:
    """Faroese is among them: this edition of the data has no dictionary for it."""
    assert EspeakEngine().voice(name) is None


def test_without_a_language_there_is_nothing_to_speak() -> None:
    """It was found out by a bare StopIteration in `install`."""
    with pytest.raises(ValueError, match="needs one language at least"):
        EspeakEngine(())


def test_the_chosen_languages_are_listed_in_all_variants_and_the_others_plain() -> None:
    voices = EspeakEngine(["de", "en-us"]).voices()
    listed = [voice.name for voice in voices]
    assert len(listed) == len(set(listed))
    assert listed[0] == "de"
    assert {"de+f3", "en-us+m1", "fr-fr", "cmn"} <= set(listed)
    assert "fr-fr+f3" not in listed
    assert {voice.language for voice in voices} == set(LANGUAGES)


TAGS = {
    "de": "de", "DE": "de", "de-AT": "de", "de_CH": "de", "en-GB": "en-gb", "en_US": "en-us",
    "en-AU": "en-gb", "en-GB-oed": "en-gb", "pt-BR": "pt-br", "pt": "pt", "pt-PT": "pt",
    "fr": "fr-fr", "fr-CA": "fr-fr", "fr-CH": "fr-ch", "es-MX": "es-419", "es-ES": "es",
    "zh": "cmn", "zh-Hans-CN": "cmn", "zh-TW": "cmn", "zh-HK": "yue", "zh-yue": "yue",
    "ja-JP": "ja", "no": "nb", "nn": "nb", "iw": "he", "sr-Latn-RS": "sr", "ar-EG": "ar",
    "zh-Hant-HK": "yue", "zh-Hant": "cmn", "en-Latn-US": "en-us",
    "cmn-Latn-pinyin": "cmn-latn-pinyin",
}  # fmt: skip


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_is_matched_as_a_person_would_expect(tag: str) -> None:
    found = Languages().find(tag)
    assert found is not None
    assert found.tag == TAGS[tag]


@pytest.mark.parametrize("tag", ["", "xx", "tlh", "x-klingon", "-", "english"])
def test_an_unknown_tag_is_found_nowhere(tag: str) -> None:
    assert Languages().find(tag) is None


@pytest.mark.parametrize(
    ("chosen", "tag", "found"),
    [
        (["en-us"], "en", "en-us"),
        (["en-gb"], "en", "en-gb"),
        (["de", "pt-br"], "pt", "pt-br"),
        (["de"], "en", "en-gb"),
        (["en-us"], "en-AU", "en-us"),
        (["en-us"], "en-CA", "en-us"),
        (["en-us"], "en-GB-oed", "en-gb"),
        (["fr-ch"], "fr-Latn-CA", "fr-ch"),
    ],
)
def test_a_tag_of_no_region_that_there_is_is_what_the_server_was_set_to(
    chosen: list[str], tag: str, found: str
) -> None:
    language = Languages(chosen).find(tag)
    assert language is not None
    assert language.tag == found
