"""A table of words that are said in another way, and where they are in a text.

Text and words are compared letter by letter, folded: without case, accents apart from their
letters, one kind of apostrophe and hyphen, one space for any white space. What is looked up is
everything of the length of some word that begins with the letter that stands there, so the cost
is that of the text.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import regex

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SPACED = r"[[\p{L}\p{M}\p{N}_]--[\p{Line_Break=Complex_Context}\p{Han}\p{Hiragana}\p{Katakana}ー]]"
"""Letters of scripts that part words; between others a word may begin and end anywhere."""
_GOES_ON = r"[\p{M}ー]"
"""Belongs to the letter before it."""
_TAIL = r"(?:[sdmtSDMT]|ll|re|ve|LL|RE|VE)"
"""What stands behind an apostrophe and is no word: it's, can't."""
_WORD = regex.compile(
    rf"(?P<tail>(?<=\p{{L}}['’]){_TAIL}(?!{_SPACED}))|{_SPACED}++|(?!{_GOES_ON})\S",
    regex.V1,
)
"""What a word may begin with, but for a tail."""
_JOINT = r"[\-‐‑‒–−/:.,]"
"""Between digits: of a range, a fraction, a time, a decimal."""
_INSIDE = regex.compile(
    rf"(?<={_SPACED}){_SPACED}|{_GOES_ON}|['’][tT](?!{_SPACED})"
    rf"|(?<=\p{{Nd}})(?:[\p{{Sc}}%‰°]|{_JOINT}\p{{Nd}})",
    regex.V1,
)
"""Where none may end. The ``'s`` of Worcester's is left to stand, but won is not in won't, nor 5 in
5% and 5.2."""
_INSIDE_NUMBER = regex.compile(rf"(?<=\p{{Sc}}|\p{{Nd}}{_JOINT}|(?<!\w)[\-−.])\p{{Nd}}", regex.V1)
"""Where none may begin: 5 is not in $5, 2.5 and -5, but in B-5."""

_SAME = str.maketrans("’ʼ‐‑", "''--")
_ODD_SPACE = regex.compile(r"[^\S ]|  ")


class Pronunciation(NamedTuple):
    """How a word is said."""

    say: str | None
    """In words; None: as it is written, where an engine takes no sounds."""
    ipa: str | None = None
    """In sounds, for engines that take them."""


class Match(NamedTuple):
    """A word of a table in a text."""

    begin: int
    end: int
    said: Pronunciation


class WordTable:
    """Words and their pronunciations, ready to be found. Tables of the same words are equal."""

    def __init__(self, entries: Mapping[str, Pronunciation]) -> None:
        self._entries = {_plain(word): said for word, said in entries.items()}
        self._spellings: dict[str, list[str]] = {}  # by what they are folded
        for word in self._entries:
            self._spellings.setdefault(FoldedText(word).folded, []).append(word)
        self._lengths: dict[str, list[int]] = {}  # by their first letter, the longest first
        for length, first in sorted({(len(it), it[0]) for it in self._spellings}, reverse=True):
            self._lengths.setdefault(first, []).append(length)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True  # asked for each token
        return isinstance(other, WordTable) and self._entries == other._entries

    def __hash__(self) -> int:
        return hash(frozenset(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def n_bytes(self) -> int:
        """About what it occupies."""
        texts = [text for word, said in self._entries.items() for text in (word, *said) if text]
        return sum(len(text.encode()) + _OBJECT_BYTES for text in texts)

    def longest(self, text: FoldedText, begin: int) -> Match | None:
        """The longest word that begins there in the text; None: none does."""
        at, n_folded = text.places[begin], len(text.folded)
        for length in self._lengths.get(text.folded[at : at + 1], ()):
            if at + length > n_folded:
                continue
            spellings = self._spellings.get(text.folded[at : at + length])
            if spellings is not None and (end := text.end(at + length)) is not None:
                word = _best(spellings, _plain(text.source[begin:end]))
                if word is not None:
                    return Match(begin, end, self._entries[word])
        return None


_OBJECT_BYTES = 100
"""Of a string and its places in the tables."""


class FoldedText:
    """A text and its folded form, with the places of the characters of each in the other."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.places: Sequence[int]
        """Where each character of the source is in the folded text."""
        self._origins: Sequence[int]  # where each of that is in the source
        if source.isascii() and _ODD_SPACE.search(source) is None:
            self.folded = source.lower()
            self.places = self._origins = range(len(source) + 1)
            return
        letters: list[str] = []
        self.places, self._origins = places, origins = [], []
        for at, char in enumerate(source):
            places.append(len(letters))
            folded = _folded(char)
            if folded != " " or letters[-1:] != [" "]:
                letters += folded
                origins += [at] * len(folded)
        places.append(len(letters))
        origins.append(len(source))
        self.folded = "".join(letters)

    def end(self, folded: int) -> int | None:
        """Where in the source so much of the folded text ends; None: no word may end there."""
        end = self._origins[folded]
        return None if self.places[end] != folded or _INSIDE.match(self.source, end) else end


def find(text: str, tables: Sequence[WordTable]) -> Iterator[Match]:
    """The words in a text, in order. Of those that begin at one place the longest counts, and of
    that the first table's."""
    folded, end = FoldedText(text), 0
    for found in _WORD.finditer(text):
        begin = found.start()
        if begin < end or found.lastgroup == "tail" or _INSIDE_NUMBER.match(text, begin):
            continue
        matches = [match for table in tables if (match := table.longest(folded, begin))]
        if matches:
            match = max(matches, key=_end)
            end = match.end
            yield match


def _end(match: Match) -> int:
    return match.end


def _best(spellings: Sequence[str], written: str) -> str | None:
    """The one that is written so; else the first, but one of capital letters alone (US) is none
    for other letters (us)."""
    if written in spellings:
        return written
    for word in spellings:
        if written.isupper() or not (word.isalpha() and word.isupper()):
            return word
    return None


def _plain(written: str) -> str:
    return " ".join(unicodedata.normalize("NFC", written).translate(_SAME).split())


@lru_cache(maxsize=4096)
def _folded(char: str) -> str:
    if char.isspace():
        return " "
    return unicodedata.normalize("NFD", char.translate(_SAME).casefold())
