"""Days and months."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.text.normalise.english import numbers
from stages.text.normalise.rules import any_of, rule

if TYPE_CHECKING:
    import re

    from stages.text.normalise.english.tables import EnglishTables
    from stages.text.normalise.rules import Target, TextRule

_NAME = r"([A-Z][a-z]{2,8})\b\.?"
"""A month or a weekday, perhaps short."""
_DAY = r"(3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)?"
_YEAR = r"((?:1\d|2[01])\d\d)"
_BEGIN = r"(?<![\w.,$€£:/-])"
_END = r"(?![\w-]|[.,:/]\d)"
_DASH = r" ?[-–—] ?"
_BEFORE_DAYS = "on|in|by|of|from|to|until|till|since|before|after|last|next|this|every"
_DETERMINERS = "the|this|every|last|next|a|his|her|our|their|each"


class Dates:
    """Rules for days; a month's and a weekday's name is looked up, whatever is capitalised."""

    def __init__(self, tables: EnglishTables) -> None:
        self._names = list(dict.fromkeys(tables.months.values()))
        self._months = {**tables.months, **{name: name for name in self._names}}
        self._weekdays = tables.weekdays
        # Those that are words of their own need more than a stop: he sat; you may.
        self._short_names = {**self._weekdays, **self._months}
        for word in ("Sat", "Sun", "May"):
            del self._short_names[word]

    def rules(self) -> list[TextRule]:
        days = self._weekdays.keys() & self._short_names.keys()
        return [
            # Mon-Fri; Jan-Mar
            rule("-–—", rf"(?<![\w.]){_NAME}{_DASH}{_NAME}(?! ?\d)", self._span_of_names),
            # Mon, 3 June; Thurs. evening
            rule("0", rf"(?<![\w.]){_NAME}(?=,? (?:the )?(?:\d|[A-Z][a-z]+\.? \d))", self._weekday),
            rule(".", r"(?<![\w.])()([A-Z][a-z]{2,8})\.(?= [a-z]|[,;:)!?])", self._short),
            # Mon, where a segment ends in front of 3 June
            rule(",", rf"(?<![\w.])()({any_of(days)})(?=,$)", self._short),
            rule(",", r"\A(?:Sat|Sun)(?=,$)", lambda found, _: self._weekdays[found[0]]),
            rule(".", rf"(?i:\b({_BEFORE_DAYS}) )([A-Z][a-z]{{2,8}})\.(?= [A-Z]|$)", self._short),
            # 2024-03-15, 2023/11/05, 2024-06-01T12:00
            rule("0 -/.", rf"{_BEGIN}{_YEAR}([-/.])(\d\d?)\2(\d\d?)(?:T(?=\d)|{_END})", self._iso),
            # 12/25/1999, 31.12.2023, 5-6-20; on 3/17
            rule(
                "0 /.-",
                rf"{_BEGIN}(\d\d?)([/.-])(\d\d?)\2({_YEAR}|\d\d(?=[\s,;)?!]|\.?$)){_END}",
                self._numeric,
            ),
            rule("0 /", rf"{_BEGIN}9/11(?![\w/-]|[.,]\d)", "nine eleven"),
            rule(
                "/",
                rf"(?i)\b((?:on|due|until|since|before|after) )(\d\d?)/(\d\d?){_END}"
                r"(?! (?:of|cup|mile|tsp|tbsp|inch)\b)",
                self._without_year,
            ),
            # March 3rd, 2024; Apr. 1-3
            rule(
                "0",
                rf"(?<!\w){_NAME} {_DAY}(?:{_DASH}{_DAY})?(?:,? {_YEAR})?{_END}(?! ?[%°])",
                self._month_first,
            ),
            # the 4th of July 1776; 25 Dec
            rule(
                "0",
                rf"(?:(?<!\w)((?i:{_DETERMINERS})) )?{_BEGIN}{_DAY}(?:{_DASH}{_DAY})? (?:of )?"
                rf"{_NAME}(?!['\w])(?:,? {_YEAR}{_END})?",
                self._day_first,
            ),
            # Mar 2020, Dec '24
            rule("0", rf"(?<!\w){_NAME},? (?:{_YEAR}|'(\d\d)){_END}", self._month_and_year),
            # January first-February second
            rule("-–—", rf"(?<=[a-z]){_DASH}(?=(?:{'|'.join(self._names)}) )", " to "),
        ]

    def _span_of_names(self, found: re.Match[str], _target: Target) -> str | None:
        for names in (self._weekdays, self._months):
            if found[1] in names and found[2] in names:
                return f"{names[found[1]]} to {names[found[2]]}{numbers.stop_at_end(found)}"
        return None

    def _weekday(self, found: re.Match[str], _target: Target) -> str | None:
        return self._weekdays.get(found[1])

    def _short(self, found: re.Match[str], _target: Target) -> str | None:
        before, name = found.groups()
        if name not in self._short_names:
            return None
        said = self._short_names[name] + numbers.stop_at_end(found)
        return f"{before} {said}" if before else said

    def _iso(self, found: re.Match[str], _target: Target) -> str | None:
        said = self._on(found[4], int(found[3]), found[1])
        return f"{said} at " if said and found[0][-1] == "T" else said

    def _numeric(self, found: re.Match[str], target: Target) -> str | None:
        first, separator, second, year = found.group(1, 2, 3, 4)
        if len(year) == 2:
            year = ("19" if int(year) > 50 else "20") + year
        day, month = first, second
        if (separator == "/" and target.month_first) or int(second) > 12:
            day, month = second, first
        if int(month) > 12:
            day, month = month, day
        return self._on(day, int(month), year)

    def _without_year(self, found: re.Match[str], target: Target) -> str | None:
        before, first, second = found.groups()
        month, day = (first, second) if target.month_first else (second, first)
        said = self._on(day, int(month), None)
        return before + said if said else None

    def _on(self, day: str, month: int, year: str | None) -> str | None:
        if not 1 <= month <= 12 or not 1 <= int(day) <= 31:
            return None
        return _with_year(f"{self._names[month - 1]} {numbers.ordinal(day)}", year)

    def _month_first(self, found: re.Match[str], _target: Target) -> str | None:
        name, day, until, year = found.groups()
        if name not in self._months:
            return None
        said = f"{self._months[name]} {numbers.ordinal(day)}"
        return _with_year(f"{said} to {numbers.ordinal(until)}" if until else said, year)

    def _day_first(self, found: re.Match[str], _target: Target) -> str | None:
        determiner, day, until, name, year = found.groups()
        if name not in self._months:
            return None
        days = numbers.ordinal(day) + (f" to {numbers.ordinal(until)}" if until else "")
        return _with_year(f"{determiner or 'the'} {days} of {self._months[name]}", year)

    def _month_and_year(self, found: re.Match[str], _target: Target) -> str | None:
        name, year, short = found.groups()
        if name not in self._months:
            return None
        return f"{self._months[name]} {numbers.year(year or f'20{short}')}"


def _with_year(day: str, year: str | None) -> str:
    return f"{day}, {numbers.year(year)}" if year else day
