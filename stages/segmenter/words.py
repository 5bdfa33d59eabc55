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
    TIME = auto()
    """``p.m.``, other than in a phrase that a sentence begins with."""


_LIST_NUMBER = regex.compile(r"\A\s*[(\"'”’)]*\s*(?:\d{1,3}|[a-zA-Z]|[ivx]{2,5}|[IVX]{2,5})\Z")
_SENTENCE_OVER = regex.compile(r"(?r)[.…!?。！？][\s\"'”’)]*\Z")
_LAST_LETTERS = regex.compile(
    r"(?r)(?:(?<![\p{L}\p{M}\p{N}&]|\p{L}['’])[\p{L}\p{M}.]+|№|(?<!\p{L})[Nn]°)\Z"
)
_SPACED = regex.compile(
    rf"(?r)(?<!\p{{L}})(?:{'|'.join(map(regex.escape, abbreviations.SPACED))})\Z"
)
_INITIALS = regex.compile(r"[\p{Lu}\p{Ll}]|(?:\p{L}{1,2}\.)+\p{L}{1,2}")
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


def word_before_stop(text: str, mark: str, before: str) -> Before:
    """The kind of word that carries a stop or an ellipsis. `text` is the open segment so far,
    `before` the end of what came before it."""
    left = before + text
    if mark != "." or left.rstrip(" \t\u00a0").endswith((".", "…")):
        return Before.ELLIPSIS
    if _LIST_NUMBER.match(text) and _SENTENCE_OVER.search(before):
        return Before.LIST_NUMBER
    if left[-1:].isnumeric():
        return Before.NUMBER
    letters = _LAST_LETTERS.search(left)
    if letters is None:
        return Before.PLAIN
    word = letters.group().strip(".")
    listed = _ABBREVIATIONS.get(word) or _ABBREVIATIONS.get(word.lower())
    if word.lower() in _TIMES and not _TIME_AHEAD.search(text):
        return Before.TIME
    if listed is not None:
        return listed
    is_short = _INITIALS.fullmatch(word) or _SPACED.search(left)
    return Before.MAY_END if is_short else Before.PLAIN
