"""Breaks between words of scripts that put no space there (Thai, Lao, Khmer, Burmese, Chinese,
Japanese), by ICU's dictionaries."""

from __future__ import annotations

import regex
from icu4py.breakers import WordBreaker

LOOK_AHEAD_CHARS = 16
"""Longer than a word: what is torn at the end of the text may look like shorter ones."""

_UNSPACED = regex.compile(r"[\p{Line_Break=Complex_Context}\p{Han}\p{Hiragana}\p{Katakana}]")


def word_breaks(text: str) -> list[int]:
    """The places in it where a word of such a script begins, or one behind it does that is written
    with letters of another; not the text's beginning."""
    if _UNSPACED.search(text) is None:
        return []
    starts: list[int] = [start for start, _ in WordBreaker(text, "th").segments()]
    return [
        start
        for start in starts
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
    starts: list[int] = [start for start, _ in WordBreaker(text, "th").segments()]
    for start in reversed(starts):
        if 0 < start <= len(text) - LOOK_AHEAD_CHARS and _UNSPACED.match(text, start):
            return start
    return 0


def _ends_unspaced(text: str, end: int) -> bool:
    return _UNSPACED.match(text, end - 1) is not None
