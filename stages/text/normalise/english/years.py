"""Years and decades that stand without a day."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stages.text.normalise.english import numbers
from stages.text.normalise.rules import rule

if TYPE_CHECKING:
    from stages.text.normalise.english.tables import EnglishTables
    from stages.text.normalise.rules import Target, TextRule

_YEAR = r"((?:1\d|2[01])\d\d)"
_DASH = r" ?[-–—] ?"
_END = r"(?![\w-]|[.,:/]\d)"
_ERA = r"(BCE|BC|CE|AD|B\.C\.(?:E\.)?|A\.D\.|C\.E\.)(?!\w)"
_LONG_AGO = 1010
"""From here on, four digits behind a word like ``in`` are a year."""
_FOLLOWED = re.compile(r" [a-z]")
_NEXT_WORD = re.compile(r" (?:(?:more|other|new|old|different) )?([a-z]+)\b")


class Years:
    """Rules for years: what is counted is no year."""

    def __init__(self, tables: EnglishTables) -> None:
        self._tables = tables

    def rules(self) -> list[TextRule]:
        return [
            # mid-1800s; the '80s, '00s; in his 20s
            rule("0", r"(?<![\w.,$€£-])((?i:early|mid|late)-)?(1[1-9]|20)(\d)0'?s\b", _decade),
            rule("0 '", r"(?<!\w)'(\d)0s\b", lambda found, _: _tens(found[1])),
            rule(
                "0",
                r"(?i)\b((?:in|his|her|their|my|your|our|the|mid|early|late|low|high|upper|lower)"
                r"[ -])([2-9])0s\b",
                lambda found, _: found[1] + _tens(found[2]),
            ),
            rule("0 '", r"(?<!\w)'([4-9]\d)(?![\w'])", r"nineteen \1"),
            # 500 BC, AD 79
            rule(
                "0 BCA",
                rf"(?<![\w.,])(\d{{1,3}}(?:,\d{{3}})+|\d{{1,4}})(?:{_DASH}(\d{{1,4}}))? ?{_ERA}",
                _era,
            ),
            rule(
                "0 A",
                r"\b(?:AD|A\.D\.) (\d{1,4})\b(?![.,]\d)",
                lambda found, target: f"{target.letters.spell('AD')} {_year(found[1])}",
            ),
            # FY2023
            rule("F", r"\bFY ?(?=(?:19|20)?\d\d\b)", "fiscal year "),
            # 1914-1918, 2010–15
            rule(
                "0 -–—",
                rf"(?<![\w.,$€£:/-]){_YEAR}{_DASH}({_YEAR}|\d\d){_END}(?! ?%)",
                lambda found, _: f"{numbers.year(found[1])} to {_year(found[2])}",
            ),
            # in 1066, the 1812 war
            rule(
                "0",
                rf"(?<!\w)([A-Za-z©]+,?) (1\d\d\d|2[01]\d\d){_END}(?! ?[%°])",
                self._behind_word,
            ),
            rule("0", rf"\b([Yy]ear )(\d{{4}}){_END}", lambda found, _: found[1] + _year(found[2])),
            # what a segment has of July 4, 1776
            rule(
                "0",
                r"\A(1[1-9]\d\d)(?=[.,!?]|$| [a-z])(?![.,]\d)",
                lambda found, _: None if self._counts(found) else numbers.year(found[1]),
            ),
            # 2024 was
            rule(
                "0",
                r"(?<![\w.,$€£+/*=<>-])(?<![+*/=<>×÷-] )((?:19|20)\d\d)"
                r"(?![\w/]|[-.,:]\d| ?[%°+*/=<>×÷]| - \d)",
                lambda found, _: None if self._counts(found) else numbers.year(found[1]),
            ),
        ]

    def _behind_word(self, found: re.Match[str], _target: Target) -> str | None:
        before, digits = found.groups()
        word = before.lower()
        is_year = word in self._tables.before_years and int(digits) >= _LONG_AGO
        if not is_year:
            goes_on = _FOLLOWED.match(found.string, found.end()) is not None
            is_year = word == "the" and digits[:2] > "10" and goes_on
        return f"{before} {numbers.year(digits)}" if is_year and not self._counts(found) else None

    def _counts(self, found: re.Match[str]) -> bool:
        """Whether a plural follows: 2001 books."""
        following = _NEXT_WORD.match(found.string, found.end())
        if following is None:
            return False
        word, tables = following[1], self._tables
        looks_plural = word.endswith("s") and not word.endswith("ss")
        return word in tables.plurals or (looks_plural and word not in tables.no_plurals)


def _tens(digit: str) -> str:
    return "two thousands" if digit == "0" else numbers.plural(numbers.cardinal(f"{digit}0"))


def _decade(found: re.Match[str], _target: Target) -> str:
    before, century, digit = found.groups()
    said = f"{before[:-1]} " if before else ""
    if digit != "0":
        return f"{said}{numbers.cardinal(century)} {_tens(digit)}"
    return said + ("two thousands" if century == "20" else f"{numbers.cardinal(century)} hundreds")


def _era(found: re.Match[str], target: Target) -> str:
    first, second, era = found.groups()
    said = _year(first) + (f" to {_year(second)}" if second else "")
    return f"{said} {target.letters.spell(era.replace('.', ''))}{numbers.stop_at_end(found)}"


def _year(digits: str) -> str:
    digits = digits.replace(",", "")
    return numbers.year(digits) if len(digits) == 4 else numbers.cardinal(digits)
