"""A pronunciation within text, as Kokoro's clients write it: ``[Worcester](/ˈwʊstɚ/)``.

Engines that take sounds are given it in this form, too. There is no other mark for them in a text.
"""

from __future__ import annotations

import regex

from stages.text.lexicon.ipa import ALPHABET, PRIMARY, SOUNDING, TELLING, with_english_s

_SOUND = f"[{regex.escape(''.join(sorted(ALPHABET)), special_only=False)}]"
_TELLING = f"[{regex.escape(''.join(sorted(TELLING)))}]"
_SOUNDING = f"[{regex.escape(''.join(sorted(SOUNDING)))}]"
MAX_IPA_CHARS = 100
"""In one pronunciation: a phrase."""

IN_SLASHES = (
    rf"/(?=[^/)]{{0,{MAX_IPA_CHARS}}}{_TELLING})(?=[^/)]{{0,{MAX_IPA_CHARS}}}{_SOUNDING})"
    rf"(?P<ipa>{_SOUND}{{1,{MAX_IPA_CHARS}}})/"
)
"""A pattern for sounds. The path ``/docs/`` could be sounds too: they are told from it by one
character at least that no Latin letter is. Marks of stress and length alone are none."""

_MAX_WORD_CHARS = 66
"""A lexicon's word with its ``'s``."""
INLINE = regex.compile(rf"\[(?P<word>[^\[\]\n]{{1,{_MAX_WORD_CHARS}}})\]\({IN_SLASHES}\)")
"""The whole form. Text is held back while it may become one, hence its bounds."""

_NO_BRACKETS = str.maketrans("", "", "[]")
_ENGLISH_TAIL = regex.compile(r"['’][sS](?!\w)")


def pronounce(text: str, end: int, word: str, ipa: str, language: str) -> tuple[int, str]:
    """The form for a word that ends there in the text, and the end of what it stands for: with
    the ``'s`` behind an English one, which espeak-ng would name as a letter."""
    tail = _ENGLISH_TAIL.match(text, end) if language.startswith("en") else None
    if tail is not None:
        end, word, ipa = tail.end(), word + tail[0], with_english_s(ipa)
    if TELLING.isdisjoint(ipa):
        ipa = PRIMARY + ipa  # where it would be said anyway
    return end, f"[{word.translate(_NO_BRACKETS)}](/{ipa}/)"
