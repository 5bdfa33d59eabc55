"""Words of scripts that put no space between them."""

from __future__ import annotations

import regex

_UNSPACED = regex.compile(r"[\p{Line_Break=Complex_Context}\p{Han}\p{Hiragana}\p{Katakana}]")


def last_word_break(text: str) -> int:
    """Where the last word of a text begins, if it is in such a script; else 0."""
    return 0
