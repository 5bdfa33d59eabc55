"""A segment's text as Soprano reads it: the package's own normaliser, made safe.

Where to cut is our segmenter's business. Only what is too long for one breath of the model, once
its numbers are words, is parted here.
"""

from __future__ import annotations

import re

from inflect import NumOutOfRangeError
from soprano.utils.text_normalizer import (
    clean_text,
    convert_to_ascii,
    expand_preunicode_special_characters,
)

from stages.text.letters import has_greek_word, in_scripts

MAX_CHARS = 300
"""Upstream's limit of a prompt's text. A character is at most a token, so a prompt has at most 303,
which with 512 of speech fits the 1024 positions."""

PROMPT_TOKENS = 3
"""Tokens of a prompt beside its text's."""

_LONG_NUMBER = re.compile(r"\d(?:,*\d){15,}")
"""Sixteen digits and more, as in the number of a card: nobody reads those as one number, and from
37 on the normaliser raises an error."""

_PARTINGS = tuple(re.compile(mark) for mark in (r"[.!?]+ ", r", ", r" "))
"""Places to part a long text; the first kind that is there counts."""

_MARKS = re.compile(r"[^A-Za-z0-9\s]+")
_SPEAKABLE = re.compile(r"[a-z0-9]")


def normalise(text: str) -> list[str]:
    """The texts to speak one after the other; none where there is nothing to speak (only
    marks, emoji, or writing that has no transliteration)."""
    text = text.encode("utf-8", "ignore").decode()  # lone surrogates mean nothing
    text = convert_to_ascii(expand_preunicode_special_characters(text))
    text = _LONG_NUMBER.sub(_digit_by_digit, text)
    try:
        text = clean_text(text)
    except (ValueError, ArithmeticError, LookupError, NumOutOfRangeError):
        # It takes "$,5" for a sum of money, and the like: read it without its marks.
        text = clean_text(_LONG_NUMBER.sub(_digit_by_digit, _MARKS.sub(" ", text)))
    return [part for part in _parts(text) if _SPEAKABLE.search(part)]


def legible(text: str) -> str:
    """The text without letters that are not Latin. The Greek ones of formulas stay: they have
    English names, which the normaliser writes."""
    if text.isascii():
        return text
    return in_scripts(text, ("Latin",) if has_greek_word(text) else ("Latin", "Greek"))


def prompt_of(text: str) -> str:
    """The prompt for a normalised text. It cannot hold special tokens: the normaliser leaves
    no brackets."""
    return f"[STOP][TEXT]{text}[START]"


def _digit_by_digit(number: re.Match[str]) -> str:
    return " ".join(number[0].replace(",", ""))


def _parts(text: str) -> list[str]:
    parts = []
    while len(text) > MAX_CHARS:
        cut = _best_cut(text)
        parts.append(text[:cut].strip())
        text = text[cut:].strip()
    return [*parts, text]


def _best_cut(text: str) -> int:
    """The end of the last parting within the limit, if that is not too early."""
    for parting in _PARTINGS:
        ends = [found.end() for found in parting.finditer(text, 0, MAX_CHARS)]
        if ends and ends[-1] > MAX_CHARS // 2:
            return ends[-1]
    return MAX_CHARS
