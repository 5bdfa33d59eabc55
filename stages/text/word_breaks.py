"""Breaks between words of scripts that put no space there (Thai, Lao, Khmer, Burmese, Chinese,
Japanese), by ICU's dictionaries."""

from __future__ import annotations

import regex
from icu4py.breakers import WordBreaker

LOOK_AHEAD_CHARS = 16
"""Longer than a word: what is torn at the end of the text may look like shorter ones."""

_UNSPACED = regex.compile(r"[\p{Line_Break=Complex_Context}\p{Han}\p{Hiragana}\p{Katakana}]")


_BEYOND_BMP = regex.compile(r"[\U00010000-\U0010FFFF]")
_HAN = regex.compile(r"\p{Han}")


def word_breaks(text: str) -> list[int]:
    """The places in it where a word of such a script begins, or one behind it does that is written
    with letters of another; not the text's beginning."""
    if _UNSPACED.search(text) is None:
        return []
    return [
        start
        for start in _starts(text)
        if start
        and (
            _UNSPACED.match(text, start) or (text[start].isalnum() and _ends_unspaced(text, start))
        )
    ]


def last_word_break(text: str) -> int:
    """The last place where a word of such a script begins, short of `LOOK_AHEAD_CHARS` before the
    end of the text; 0: there is none."""
    if _UNSPACED.search(text) is None:
        return 0
    for start in reversed(_starts(text)):
        if 0 < start <= len(text) - LOOK_AHEAD_CHARS and _UNSPACED.match(text, start):
            return start
    return 0


def _starts(text: str) -> list[int]:
    """The beginnings of all that ICU takes for words. It counts in UTF-16, so what takes two units
    there is looked up as another character of its kind that takes one."""
    in_one_unit = _BEYOND_BMP.sub(lambda found: "一" if _HAN.match(found[0]) else "☺", text)
    return [start for start, _ in WordBreaker(in_one_unit, "th").segments()]


def _ends_unspaced(text: str, end: int) -> bool:
    return _UNSPACED.match(text, end - 1) is not None
