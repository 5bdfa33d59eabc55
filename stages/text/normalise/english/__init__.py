"""English, as a newsreader says it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from stages.text.normalise.addresses import AddressReader
from stages.text.normalise.english import codes, money, numbers, quantities, roman, signs, times
from stages.text.normalise.english.abbreviations import Abbreviations
from stages.text.normalise.english.dates import Dates
from stages.text.normalise.english.tables import read_tables
from stages.text.normalise.english.years import Years

if TYPE_CHECKING:
    from stages.text.normalise.rules import TextRule


@cache
def rules() -> tuple[TextRule, ...]:
    """All rules, in their order: what is most particular comes first, plain numbers last."""
    tables = read_tables()
    abbreviations = Abbreviations(tables)
    return (
        *signs.names(tables),
        *AddressReader(tables.marks, numbers.in_address).rules(),
        *codes.digits(tables),
        *quantities.foreign(tables),
        *Dates(tables).rules(),
        *times.rules(tables),
        *money.rules(tables),
        *abbreviations.before_numbers(),
        *quantities.fractions(tables),
        *Years(tables).rules(),
        *quantities.ranges(tables),
        *quantities.units(tables),
        *abbreviations.words(),
        *roman.rules(tables),
        *codes.names(tables),
        *abbreviations.letters(),
        *signs.formulas(tables),
        *quantities.plain(tables),
    )
