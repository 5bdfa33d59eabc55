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
    ADDRESS = auto()
    """A URL or an e-mail address, full of marks that end nothing."""
    ELLIPSIS = auto()
    TRAILING_OFF = auto()
    """An ellipsis where pauses do not count."""
    LIST_NUMBER = auto()
    """``1.`` or ``b.`` where a line begins."""
    LEADS_ON = auto()
    COUNTS = auto()
    COUNTS_OR_WORD = auto()
    MAY_END = auto()


_UNBROKEN = regex.compile(r"(?r)[^\s。！？，；、「」]*\Z")
_ADDRESS_SIGNS = ("://", "@", "](")  # the last one: [text](target)
_SITE = regex.compile(r"(?<![\p{L}\p{N}])www\.|\p{L}\.\p{L}{2,}/")  # example.org/path
_LIST_NUMBER = regex.compile(
    r"(?r)(?:\n|:\s|\A)[>*_\#•(\"'”’)\t\p{Zs}-]*(?:\d{1,3}|[a-zA-Z]|[ivx]{2,5}|[IVX]{2,5})\Z"
)
_SENTENCE_OVER = regex.compile(r"(?r)(?:\A|\n|[.…!?。！？])[\s\"'”’)*_]*\Z")
_LAST_LETTERS = regex.compile(r"(?r)(?<![\p{L}\p{M}\p{N}&]|\p{L}['’])[\p{L}\p{M}.]+\Z")
_INITIALS = regex.compile(r"[\p{Lu}\p{Ll}]|(?:\p{L}{1,2}\.)+\p{L}{1,2}")
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


def is_address(left: str, *, begins_inside: bool = False) -> bool:
    """Whether the last word of `left` has become a URL or an e-mail address; `begins_inside`:
    `left` begins inside of one."""
    word = _UNBROKEN.search(left)
    if word is None:
        return False
    if begins_inside and word.start() == 0:
        return True
    text = word.group()
    if any(sign in text for sign in _ADDRESS_SIGNS):
        return True
    return "." in text and ("/" in text or "www" in text) and bool(_SITE.search(text))


def word_before_stop(text: str, mark: str, before: str) -> Before:
    """The kind of word that carries a stop or an ellipsis, addresses aside. `text` is the open
    segment so far, `before` the end of what came before it."""
    left = before + text
    if mark == "…" or left.endswith((".", "…")):
        return Before.ELLIPSIS
    numbered = _LIST_NUMBER.search(text)
    if numbered and (numbered.group().startswith(("\n", ":")) or _SENTENCE_OVER.search(before)):
        return Before.LIST_NUMBER
    if left[-1:].isnumeric():
        return Before.NUMBER
    letters = _LAST_LETTERS.search(left)
    if letters is None:
        return Before.PLAIN
    word = letters.group().strip(".")
    listed = _ABBREVIATIONS.get(word) or _ABBREVIATIONS.get(word.lower())
    if listed is not None:
        return listed
    return Before.MAY_END if _INITIALS.fullmatch(word) else Before.PLAIN
