"""The kind of word that carries a mark.

All patterns are searched backwards, (?r), so that the cost is the word's and not the text's.
"""

from __future__ import annotations

from enum import Enum, auto

import regex

from stages.segmenter import abbreviations


class Before(Enum):
    """The word that carries the mark."""

    PLAIN = auto()
    NUMBER = auto()
    NUMBER_COMMA = auto()
    ELLIPSIS = auto()
    TRAILING_OFF = auto()
    """An ellipsis where pauses do not count."""
    LEADS_ON = auto()
    COUNTS = auto()
    COUNTS_OR_WORD = auto()
    LIST_NUMBER = auto()
    """``1.`` or ``b.`` where a sentence begins."""
    MAY_END = auto()
    OPERAND = auto()
    """What an exclamation mark may calculate with: ``n! = 6``, ``a != b``."""
    TIME = auto()
    """``p.m.``, other than in a phrase that a sentence begins with."""


_LIST_NUMBER = regex.compile(r"\A\s*[(\"'”’)]*\s*(?:\d{1,3}|[a-zA-Z]|[ivx]{2,5}|[IVX]{2,5})\Z")
_SENTENCE_OVER = regex.compile(r"(?r)[.…!?。！？][\s\"'”’)]*\Z")
_LAST_LETTERS = regex.compile(
    r"(?r)(?:(?<![\p{L}\p{M}\p{N}&]|\p{L}['’])[\p{L}\p{M}.]+|№|(?<!\p{L})[Nn]°)\Z"
)
_INITIALS = regex.compile(r"[\p{Lu}\p{Ll}]|(?:\p{L}{1,2}\.)+\p{L}{1,2}")
_MEASURE = regex.compile(
    r"(?r)\d[ \u00a0-]?(?:in|mi|min|sec|gal|yds?|pt|qt|mos?|wks?|yrs?|sq|cu)\Z"
)
"""A unit that is a word of its own where no number stands before."""
_STREET = regex.compile(r"(?r)\p{Lu}\p{Ll}+str\Z")
"""``Hauptstr. 5``"""
_FOR_EXAMPLE = regex.compile(r"(?r)(?<!\p{L})(?:[Aa]d es|[Pp]\. e[xj])\Z")
_ORDINAL = regex.compile(
    r"(?r)(?<!\p{L})(?:[Dd](?:er|ie|as|em|en|es)|[Ii]m|(?<!I )[Aa]m|[Zz]u[mr]|[Vv]om|[Bb]eim)"
    r" \d{1,3}\Z"
)
"""``der 1. Platz``: German writes no number like this at a sentence's end."""
_RULER = regex.compile(r"(?r)\p{Lu}\p{Ll}+ (?:[IVX]{2,5}|[VX])\Z")
"""``Ludwig XIV. war``"""
_OPERAND = regex.compile(r"(?r)(?<![\p{L}\p{M}\p{N}'’])[a-z] ?\Z")
_TIMES = frozenset({"a.m", "p.m"})
_TIME_AHEAD = regex.compile(
    r"\A\W*(?:about|after|around|at|before|by|from|since|till|until)\b[^!?]{0,20}\Z",
    regex.IGNORECASE,
)
"""``At 5 a.m. Mr. Smith left.``"""
_ABBREVIATIONS = {
    spelling: kind
    for kind, entries in (
        (Before.MAY_END, abbreviations.MAY_END),
        (Before.COUNTS, abbreviations.COUNTS),
        (Before.COUNTS_OR_WORD, abbreviations.COUNTS_OR_WORD),
        (Before.LEADS_ON, abbreviations.LEADS_ON),
    )
    for entry in entries
    for spelling in (entry, entry.upper())
}


def may_calculate(left: str) -> bool:
    """Whether an exclamation mark behind this may stand for a factorial, or begin ``!=``."""
    return _OPERAND.search(left) is not None


def word_before_stop(text: str, mark: str, before: str) -> Before:
    """The kind of word that carries a stop or an ellipsis. `text` is the open segment so far,
    `before` the end of what came before it."""
    left = before + text
    if mark != "." or left.rstrip(" \t\u00a0").endswith((".", "…")):
        return Before.ELLIPSIS
    if _LIST_NUMBER.match(text) and _SENTENCE_OVER.search(before):
        return Before.LIST_NUMBER
    if _ORDINAL.search(left):
        return Before.LEADS_ON
    if left[-1:].isnumeric() or _RULER.search(left):
        return Before.NUMBER
    letters = _LAST_LETTERS.search(left)
    if letters is None:
        return Before.PLAIN
    if _MEASURE.search(left) or _STREET.search(left):
        return Before.MAY_END
    if _FOR_EXAMPLE.search(left):
        return Before.LEADS_ON
    word = letters.group().strip(".")
    listed = _ABBREVIATIONS.get(word) or _ABBREVIATIONS.get(word.lower())
    if word.lower() in _TIMES and not _TIME_AHEAD.search(text):
        return Before.TIME
    if listed is not None:
        return listed
    return Before.MAY_END if _INITIALS.fullmatch(word) else Before.PLAIN
