"""Letters that an engine cannot read, left out of a text."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import regex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_LOOSE_MARK = regex.compile(r"\s+(?=[.,;:!?。、，！？；：…)\]»”’])")
_LETTER = regex.compile(r"\p{L}")
_GREEK_WORD = regex.compile(r"\p{Greek}{3}")

LETTERS_IN_ONE = (
    r"\u2100-\u2138\u213a-\u214f\u249c-\u24c1\u24c3-\u24e9\u3200-\u3296\u3298\u329a-\u33ff"
)
"""Signs made of letters (℃, ㎏) within a set of a regular expression; none of them is an emoji."""

_HIDDEN = "\ua7ff"
"""A letter of Roman inscriptions, which nobody writes."""


def has_letter(text: str) -> bool:
    """Whether there is a letter in it, of any script."""
    return _LETTER.search(text) is not None


def has_greek_word(text: str) -> bool:
    """Whether there is Greek in it that is more than the letters of a formula."""
    return _GREEK_WORD.search(text) is not None


def in_scripts(text: str, scripts: Iterable[str]) -> str:
    """The text without the letters of other scripts than these, which go by their names in Unicode.
    Empty where no letter is left; text without letters stays as it is."""
    left, n_left_out = _of_others(frozenset(scripts)).subn(" ", text)
    if not n_left_out:
        return text
    return " ".join(_LOOSE_MARK.sub("", left).split()) if has_letter(left) else ""


def outside(text: str, edits: Sequence[tuple[int, int, str]], change: Callable[[str], str]) -> str:
    """What `change` makes of a text that stands outside of these edits, which are in order: to it
    each of them is a word in Latin letters."""
    if not edits:
        return change(text)
    hidden, at, words = "", 0, []
    for begin, end, _ in edits:
        hidden += text[at:begin].replace(_HIDDEN, " ") + _HIDDEN
        words.append(text[begin:end])
        at = end
    changed = change(hidden + text[at:].replace(_HIDDEN, " "))
    remaining = iter(words)
    return "".join(next(remaining) if char == _HIDDEN else char for char in changed)


@cache
def _of_others(scripts: frozenset[str]) -> regex.Pattern[str]:
    named = "".join(rf"\p{{{script}}}" for script in sorted(scripts | {"Common", "Inherited"}))
    return regex.compile(rf"(?V1)[[\p{{L}}\p{{M}}]--[{named}]]+")
