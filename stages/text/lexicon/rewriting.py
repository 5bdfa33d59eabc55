"""What is said instead of what is written, as edits of a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from stages.text.lexicon.inline import INLINE, pronounce
from stages.text.lexicon.words import find

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stages.text.lexicon.words import WordTable
    from stages.text.normalise.spoken import Edit

log = structlog.stdlib.get_logger(__name__)

MAX_GROWTH_CHARS = 500
"""How much longer a segment may become. Without a bound a table that says a page for every ``a``
would make minutes of one segment, which all others wait for."""


def pronunciations(
    text: str, language: str, tables: Sequence[WordTable], *, takes_sounds: bool
) -> list[Edit]:
    """What is said for the words of the tables, of which the first counts most, and for
    pronunciations that stand in the text, by an engine that takes sounds or one that does not."""
    if not tables and "](/" not in text:
        return []
    done, room, n_left = [], MAX_GROWTH_CHARS, 0
    for begin, end, said in _PronunciationReader(language, tables, takes_sounds).read(text):
        growth = len(said) - (end - begin)
        if growth <= room:
            room -= max(growth, 0)
            done.append((begin, end, said))
        else:
            n_left += 1
    if n_left:
        log.debug("words left as written: their segment would grow too long", n_words=n_left)
    return done


@dataclass(frozen=True, slots=True)
class _PronunciationReader:
    language: str
    tables: Sequence[WordTable]
    takes_sounds: bool

    def read(self, text: str) -> Iterator[Edit]:
        at = 0
        for form in INLINE.finditer(text):
            yield from self._words(text, at, form.start())
            at, said = form.end(), form["word"]
            if self.takes_sounds:
                at, said = pronounce(text, at, said, form["ipa"], self.language)
            else:
                for begin, end, respelt in reversed(list(self._words(said, 0, len(said)))):
                    said = said[:begin] + respelt + said[end:]
            yield form.start(), at, said
        yield from self._words(text, at, len(text))

    def _words(self, text: str, begin: int, end: int) -> Iterator[Edit]:
        for match in find(text[begin:end], self.tables):
            first, last, (say, ipa) = begin + match.begin, begin + match.end, match.said
            if ipa is not None and self.takes_sounds:
                last, said = pronounce(text, last, text[first:last], ipa, self.language)
                yield first, last, said
            elif say is not None:
                yield first, last, _apart(text, first, last, say)


def _apart(text: str, begin: int, end: int, said: str) -> str:
    """With a space where what was written needed none: C++11"""
    if text[begin - 1 : begin].isalnum() and not text[begin].isalnum():
        said = f" {said}"
    if text[end : end + 1].isalnum() and not text[end - 1].isalnum():
        said = f"{said} "
    return said
