"""The sounds of the International Phonetic Alphabet, and what stands in for each in a language that
has it not.

The alphabet is that of 2020, with the letters that Kokoro's own G2P (misaki) writes besides: ``A``
for the vowel of *day*, and so on.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PRIMARY, SECONDARY = "ˈ", "ˌ"
"""Stress, before its syllable."""
LONG = "ː"

_NEAR = """
i iː ɪ        ɪ i ə         e ɛ eɪ        ɛ e           æ a ɛ         a æ ɑ ɐ
y ʏ yː i      ʏ y ɪ         ø œ øː e      œ ø ɛ         ɶ œ
ɨ ɪ i         ʉ u y         ɯ u           ɘ ə           ɵ ə           ɤ ə
ə ɐ ʌ         ɜ ɜː ə        ɞ œ ɜ         ɚ ə           ɝ ɜː ɜ ə      ɐ ʌ ə a
ʌ ɐ ə a       u uː ʊ ɯ      ʊ u           o oʊ əʊ ɔ     ɔ ɔː o        ɑ ɑː a ɐ
ɒ ɔ ɑ o       oʊ əʊ o       əʊ oʊ o       ɪə iə         eə ɛə ɛː      ɔɪ oɪ ɔø

p b           b p           t ʈ d         d ɖ t         k q ɡ         ɡ k
f ɸ p         v ʋ f w       θ t s         ð d z         s ʂ z         z s
ʃ ʂ s         ʒ ʐ ʃ         h ɦ x         x χ h         m n           n m
ŋ n           l ɫ ɭ         j i           w ʋ u         ɹ r ɾ ʁ       r ɾ ɹ ʁ
ɾ r ɹ d
ʈ t           ɖ d           c k           ɟ ɡ           q k           ɢ ɡ
ʔ             ʡ ʔ           ɸ f           β v           ʂ ʃ s         ʐ ʒ z
ɕ ʃ           ʑ ʒ           ç ʃ           ʝ j           ɣ ɡ           χ x
ʁ ʀ r ɹ       ħ h           ʕ ʔ           ʜ h           ʢ ʔ           ɦ h
ɬ l           ɮ l           ɧ ʃ           ɱ m           ɳ n           ɲ nj n
ɴ ŋ           ʋ v w         ɻ ɹ           ɰ w           ɭ l           ʎ lj l
ʟ l           ɫ l           ʍ w           ɥ w           ʙ b           ʀ ʁ r ɹ
ɽ ɾ           ɺ ɾ           ɓ b           ɗ d           ʄ ɟ           ɠ ɡ
ʛ ɡ           ʘ p           ǀ t           ǃ t           ǂ k           ǁ k

ʦ ts          ʣ dz          ʧ tʃ          ʤ dʒ          ʨ tɕ          ʥ dʑ
g ɡ           ᵻ ɪ           ᵊ ə           ʲ j           ʷ w           ˞ ɹ
A eɪ          I aɪ          W aʊ          Y ɔɪ          O oʊ          Q əʊ
T ɾ
"""
_NASAL = "\N{COMBINING TILDE}"

NEAR: Mapping[str, tuple[str, ...]] = {
    sound: tuple(others) for sound, *others in map(str.split, re.split(r"\n+| {2,}", _NEAR.strip()))
} | {_NASAL: ("ŋ", "n")}
"""Each sound, with what stands in for it, the nearest first."""

SILENT = frozenset(".-‿|‖ⁿꜛꜜ↗↘").union(
    char
    for first, last in ((0x2B0, 0x2FF), (0x300, 0x36F), (0x1D2C, 0x1D6A), (0x1DC4, 0x1DC9))
    for char in map(chr, range(first, last + 1))
    if char not in NEAR and char not in {PRIMARY, SECONDARY, LONG}
)
"""Ties, borders of syllables, tones, and details that few voices know: where a language does not
have a sound with one of these, the sound is said without."""

ALPHABET = frozenset("".join(NEAR)) | SILENT | {PRIMARY, SECONDARY, LONG, " "}
"""Every character that may stand in a pronunciation."""

TELLING = frozenset("ˈˌːæðŋθ") | {char for char in ALPHABET if "\u0250" <= char <= "\u02af"}
"""Characters that tell a pronunciation from words in Latin letters."""


SOUNDING = frozenset("".join(NEAR)) - {LONG, _NASAL}
"""Characters that are heard by themselves."""


def ordered(ipa: str) -> str:
    """The same sounds in one way of writing: marks apart from their letters."""
    return unicodedata.normalize("NFD", ipa).replace("c\N{COMBINING CEDILLA}", "ç")


def without_details(ipa: str) -> str:
    """The sounds without what is `SILENT`."""
    return "".join(char for char in ipa if char not in SILENT)


def unknown_symbol(ipa: str) -> str | None:
    """The first character that is no sound; None: there is none."""
    return next((char for char in ordered(ipa) if char not in ALPHABET), None)


_SIBILANTS = frozenset("szʃʒʂʐɕʑʦʣʧʤ")
_VOICELESS = frozenset("ptkfθʈcqx")


def with_english_s(ipa: str) -> str:
    """A word with the ending of its plural or possessive: cats, dogs, horses."""
    sounds = [char for char in ordered(ipa) if char in NEAR]
    if not sounds:
        return ipa
    if sounds[-1] in _SIBILANTS:
        return f"{ipa}ɪz"
    return ipa + ("s" if sounds[-1] in _VOICELESS else "z")
