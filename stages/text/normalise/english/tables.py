"""What an English reader knows of written words: ``data/en.toml``, and normt2s's units."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from normt2s import Normalizer

from stages.text.normalise.rules import DATA

if TYPE_CHECKING:
    from collections.abc import Mapping


class Noun(NamedTuple):
    """A unit's name."""

    singular: str
    plural: str

    def of(self, amount: str) -> str:
        """The form behind an amount, as it is written."""
        return self.singular if amount.lstrip("-+") == "1" else self.plural


class Currency(NamedTuple):
    unit: Noun
    hundredth: Noun | None


@dataclass(frozen=True)
class EnglishTables:
    """The file's tables, under its own names."""

    zones: frozenset[str]
    magnitude_words: frozenset[str]
    capital_units: frozenset[str]
    measured: frozenset[str]
    bare_titles: frozenset[str]
    capital_short: frozenset[str]
    words_too: frozenset[str]
    rulers: frozenset[str]
    ranks: frozenset[str]
    numbered: frozenset[str]
    paired: frozenset[str]
    spelled_codes: frozenset[str]
    books: frozenset[str]
    versioned: frozenset[str]
    named_letters: frozenset[str]
    words_in_capitals: frozenset[str]
    also_words: frozenset[str]
    formulas: frozenset[str]
    before_years: frozenset[str]
    no_plurals: frozenset[str]
    plurals: frozenset[str]
    marks: Mapping[str, str]
    months: Mapping[str, str]
    weekdays: Mapping[str, str]
    currencies: Mapping[str, Currency]
    magnitudes: Mapping[str, str]
    units: Mapping[str, Noun]
    per: Mapping[str, str]
    titles: Mapping[str, str]
    streets: Mapping[str, str]
    counted: Mapping[str, str]
    short: Mapping[str, str]
    bare_short: Mapping[str, str]
    states: Mapping[str, str]


def read_tables() -> EnglishTables:
    entries: dict[str, Any] = tomllib.loads((DATA / "en.toml").read_text(encoding="utf-8"))
    currencies = entries.pop("currencies")
    units = {
        **{symbol: form[:2] for symbol, form in Normalizer("en").lexicon.units.items()},
        **entries.pop("units"),
    }
    others: dict[str, Any] = {
        name: frozenset(entry.split()) if isinstance(entry, str) else entry
        for name, entry in entries.items()
    }
    return EnglishTables(
        currencies={
            symbol: Currency(Noun(*forms[:2]), Noun(*forms[2:]) if forms[2:] else None)
            for symbol, forms in currencies.items()
        },
        units={
            symbol: Noun(forms, f"{forms}s") if isinstance(forms, str) else Noun(*forms)
            for symbol, forms in units.items()
        },
        **others,
    )
