"""The scripts that a voice reads: what we say of them is what espeak-ng does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import regex

from stages.tts.espeak.languages import Languages
from stages.tts.espeak.scripts import language_for, legible
from tests.libespeak_here import libespeak_here

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORDS = {
    "Arabic": ("سالام", "مرحبا"),
    "Armenian": ("Բարեւ",),
    "Bengali": ("মানিক",),
    "Bopomofo": ("ㄅㄆㄇ",),
    "Cherokee": ("ᏣᎳᎩ",),
    "Cyrillic": ("марат",),
    "Devanagari": ("नमस्ते",),
    "Ethiopic": ("ሰላም",),
    "Georgian": ("გამარჯობა",),
    "Greek": ("καλός", "καλοσ"),
    "Gujarati": ("નમસ્તે",),
    "Gurmukhi": ("ਪੰਜਾਬੀ",),
    "Han": ("东京水火",),
    "Hangul": ("안녕하세요",),
    "Hebrew": ("שלום",),
    "Hiragana": ("こんにちは",),
    "Kannada": ("ನಮಸ್ಕಾರ",),
    "Katakana": ("カタカナ",),
    "Khmer": ("ជំរាប",),
    "Lao": ("ສະບາຍດີ",),
    "Malayalam": ("നമസ്കാരം",),
    "Mongolian": ("ᠮᠣᠩᠭᠣᠯ",),
    "Myanmar": ("မြန်မာ", "မႂ်ႇသုင်"),
    "Nko": ("ߒߞߏ",),
    "Oriya": ("ନମସ୍କାର",),
    "Sinhala": ("ආයුබෝවන්",),
    "Syriac": ("ܫܠܡܐ",),
    "Tamil": ("வணக்கம்",),
    "Telugu": ("నమస్కారం",),
    "Thaana": ("ދިވެހި",),
    "Thai": ("สวัสดี",),
    "Tibetan": ("བོད་ཡིག",),
    "Tifinagh": ("ⵜⵉⴼⵉⵏⴰⵖ",),
}
"""Words of each script; where there are two, no language has the letters of both."""

EXCEPTIONS = {("Cherokee", "jbo")}
"""By chance: Lojban says one sound for it."""


@pytest.fixture(scope="module")
def phonemes() -> Iterator[Callable[[str, str], str]]:
    """What espeak-ng makes of a text in a language, in its own letters for sounds."""
    with libespeak_here() as here:

        def translate(text: str, language: str) -> str:
            here.take_phonemes(language)
            return "".join(f"{said} " for said, _ in here.clauses_as(text, 0))

        yield translate


def reads(said: str, word: str) -> bool:
    """Whether what is said for a word is more than the names, or the numbers, of its letters: these
    are long, or each of them is stressed."""
    n_letters = len(regex.findall(r"\p{L}", word))
    sounds = re.sub(r"\([a-z-]+\)|[^A-Za-z@&]", "", said)
    if not sounds or len(sounds) >= 6 * n_letters:
        return False
    if regex.match(r"\p{Han}", word):
        return "(" not in said and len(set(said.split())) > 1
    return said.count("'") < n_letters


LANGUAGES = [language.tag for language in Languages().all]


def test_what_is_said_of_scripts_is_what_espeak_does(
    phonemes: Callable[[str, str], str],
) -> None:
    """Languages and scripts, some four thousand pairs: no name of a letter is ever heard, and
    nothing is left out that is read."""
    wrong = []
    for language in LANGUAGES:
        for script, words in WORDS.items():
            is_read = any(reads(phonemes(word, language), word) for word in words)
            is_left = legible(words[0], language) == words[0]
            if is_read != is_left and (script, language) not in EXCEPTIONS:
                wrong.append((language, script, is_read, phonemes(words[0], language)))
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "language", "left"),
    [
        ("漢字を読む。", "ja", "を む。"),
        ("漢字。", "ja", ""),
        ("東京!", "en-us", ""),
        ("東京 2024!", "en-us", ""),
        ("Say “東京”, please.", "en-us", "Say “”, please."),
        ("Tokyo (東京), Japan", "en-us", "Tokyo (), Japan"),
        ("Привет, мир", "sr", "Привет, мир"),
        ("Привет, мир", "en-us", ""),
        ("α > 5, Δx, αβ", "en-us", "α > 5, Δx, αβ"),
        ("Γειά σου", "en-us", ""),
        ("Γειά σου", "de", "Γειά σου"),
        ("naïve, 5 €, 🙂 — ½", "ja", "naïve, 5 €, 🙂 — ½"),
        ("...", "en-us", "..."),
        ("١٢٣", "en-us", "١٢٣"),
    ],
)
def test_what_cannot_be_read_is_left_out(text: str, language: str, left: str) -> None:
    assert legible(text, language) == left


@pytest.mark.parametrize(
    ("text", "language", "other"),
    [
        ("Hello there.", "en-us", None),
        ("Hello there.", "ru", None),  # which reads English words as such
        ("Hello there.", "ja", "en"),  # which spells them
        ("Привет, мир.", "en-us", "ru"),
        ("Добар дан.", "sr", None),
        ("我用 iPhone 打电话。", "en-us", "cmn"),
        ("My friend 李 lives in Paris.", "en-us", None),
        ("漢字を読む。", "en-us", "ja"),
        ("漢字を読む。", "cmn", "ja"),
        ("カタカナ", "en-us", "ja"),
        ("東京", "ja", "cmn"),
        ("안녕하세요!", "en-us", "ko"),
        ("مرحبا", "fa", None),
        ("مرحبا", "de", "ar"),
        ("שלום", "en-us", "he"),
        ("नमस्ते", "en-us", "hi"),
        ("สวัสดี", "en-us", "th"),
        ("Γειά σου", "en-us", "el"),
        ("α > β", "en-us", None),
        ("1, 2, 3!", "ja", None),
        ("ສະບາຍດີ", "en-us", None),  # Lao, which nobody reads
        ("", "en-us", None),
    ],
)
def test_the_script_with_the_most_text_tells_who_speaks(
    text: str, language: str, other: str | None
) -> None:
    assert language_for(text, language) == other
