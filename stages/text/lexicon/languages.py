"""Tables of pronunciations for languages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stages.text.lexicon.words import WordTable

EVERY_LANGUAGE = "*"


class Lexicon:
    """Tables by language: ``en-gb``, ``en``, ``*`` for all."""

    def __init__(self, tables: Mapping[str, WordTable]) -> None:
        """The names of languages are in lower case."""
        self._tables = tables
        self._known: dict[str, tuple[WordTable, ...]] = {}

    def __len__(self) -> int:
        """How many words it has."""
        return sum(map(len, self._tables.values()))

    def tables(self, language: str) -> tuple[WordTable, ...]:
        """The tables for a voice's language, the most specific first."""
        if language not in self._known:
            names = (*_prefixes(language.lower()), EVERY_LANGUAGE)
            self._known[language] = tuple(
                self._tables[name] for name in names if name in self._tables
            )
        return self._known[language]


def _prefixes(language: str) -> Iterator[str]:
    """en-gb-scotland, en-gb, en"""
    while language:
        yield language
        language = language.rpartition("-")[0]
