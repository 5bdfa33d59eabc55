"""What a voice's MODEL_CARD says of its terms. Pure.

The cards of the hub's voices are written by hand, with a licence for the recordings and, under
``Training``, the voice that the training began with::

    # Model card for joe (medium)
    * License: CC0
    Finetuned from U.S. English lessac voice (medium quality).

Terms are free only where the card says so: it names a licence that binds nobody in what he does
with the speech, no restriction beside it, and no voice before it, since a card does not tell that
one's terms.
"""

from __future__ import annotations

import re

from stages.error_text import one_line
from stages.voices import UNKNOWN_TERMS, Terms

MAX_TOLD_CHARS = 200
"""Of a licence, and of what it was trained from."""

_TITLE = re.compile(r"^#+[ \t]*model card for[ \t]+([^\n(]+)", re.IGNORECASE | re.MULTILINE)
_LICENCE = re.compile(
    r"^[ \t*_-]*licen[cs]e[ \t*_]*:[ \t*_]*([^\n]*)$", re.IGNORECASE | re.MULTILINE
)
_FURTHER = re.compile(
    r"\bfine[ -]?tun(?:ed|ing)\b(?:[ \t]+(?:from|of|on)[ \t]+)?([^\n]*)", re.IGNORECASE
)
_SCRATCH = re.compile(r"\bnot\b[^\n]*\bfine[ -]?tun", re.IGNORECASE)

_FREE = re.compile(
    r"\bcc[ -]?(?:0|zero|by(?:[ -]sa)?)\b|licenses/by(?:-sa)?/|publicdomain|\bpublic domain\b"
    r"|\bcreative commons (?:zero|attribution)\b|\b(?:mit|apache|bsd|isc|unlicense|mpl|l?gpl)\b"
)
_BOUND = re.compile(
    r"\b(?:nc|nd|not|no|only|except)\b|non-?[ ]?commercial|no-?[ ]?deriv|restrict|research"
    r"|academic|educational|personal|private|permission|proprietary|all rights reserved"
)

_KNOWN_BOUND = {"lessac": "whose corpus restricts commercial use"}
"""Voices that others are trained from: lessac's corpus is the Blizzard Challenge's of 2013, which
is licensed for research."""


def terms_of(card: str) -> Terms:
    """The terms that a card tells."""
    licences = [told for line in _LICENCE.findall(card) if (told := _told(line))]
    further = None if _SCRATCH.search(card) else _FURTHER.search(card)
    if not licences and further is None:
        return UNKNOWN_TERMS
    title = _TITLE.search(card)
    who = f"the voice of {_told(title[1])}, " if title else ""
    licence = f"{who}recordings: {' and '.join(licences) or 'licence unknown'}"
    if further is not None:
        base = _told(further[1]).rstrip(".") or "another voice"
        words = re.findall(r"\w+", base.casefold())
        known = (why for name, why in _KNOWN_BOUND.items() if name in words)
        licence += f"; fine-tuned from {base}, {next(known, 'whose terms are not known here')}"
    is_free = bool(licences) and further is None and all(map(_is_free, licences))
    return Terms(licence, is_free)


def _is_free(licence: str) -> bool:
    """Whether it names a free licence, and nothing that takes some of it back."""
    plain = licence.casefold()
    return bool(_FREE.search(plain)) and not _BOUND.search(plain)


def _told(words: str) -> str:
    return one_line(words.strip(" \t*_"), MAX_TOLD_CHARS)
