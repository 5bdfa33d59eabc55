"""Words that are written short, letters with stops, and initialisms."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stages.text.normalise.english import numbers
from stages.text.normalise.rules import UPPER, any_of, rule

if TYPE_CHECKING:
    from stages.text.normalise.english.tables import EnglishTables
    from stages.text.normalise.rules import Target, TextRule

_VOWELS = frozenset("AEIOUY")
_SHOUTED_BEFORE = re.compile(r"(?:[A-Z]{2,}|\b[AI])\W+\Z")
_SHOUTED_BEHIND = re.compile(r"\W+(?:[A-Z]{2}|[AI]\b)")
_FIRST_LETTERS = re.compile(r"[A-Z]")
_DIRECTIONS = {"N": "North", "S": "South", "E": "East", "W": "West"}
_GOES_ON = re.compile(r" [a-z(]|[,;:)]")
_STOPS = re.compile(r"[. ]")


class Abbreviations:
    """Rules for short words: any word of the right shape is looked up."""

    def __init__(self, tables: EnglishTables) -> None:
        self._tables = tables
        self._short = {
            **{key: word for key, word in tables.short.items() if key not in tables.capital_short},
            **{key.capitalize(): word for key, word in tables.short.items()},
        }

    def before_numbers(self) -> list[TextRule]:
        """No. 5, pp. 4, Fig. 2, Apt. 4B, Sect. IV; Hwy 1; 99 W. Lake Dr."""
        return [
            rule(
                "0 NSEW",
                r"(?<=\d )([NSEW])\.? (?=(?:[A-Z][a-z]+|\d+(?:st|nd|rd|th)) "
                rf"(?:[A-Z][a-z]+ )?(?:{any_of(self._tables.streets)})\b)",
                lambda found, _: f"{_DIRECTIONS[found[1]]} ",
            ),
            rule(
                ". 0IVX",
                r"(?<![\w.])([A-Za-z]{1,6})\. ?(?=[#\d]|[A-Z]\d|(?:[IVX]{2,}|[VX])\b(?!\.))",
                lambda found, _: self._counted(found[1].lower()),
            ),
            rule(
                "0 HRAFVECSp",
                r"(?<![\w.])(Hwy|Rte|Apt|Rm|Figs?|Vols?|Eqs?|Ext|Ch|Sec|pp) (?=[#\d])",
                lambda found, _: self._counted(found[1].lower()),
            ),
        ]

    def words(self) -> list[TextRule]:
        """Titles, streets, and what is short for a word."""
        tables = self._tables
        return [
            # Elm Dr., 42nd St, Main St. NW
            rule(
                UPPER,
                rf"((?:\b[A-Z][\w']*|\d(?:st|nd|rd|th)) )({any_of(tables.streets)})\b"
                r"(?:\.(?=(?: [NSEW]{1,2}\b)? (?![A-Z])|[,;:)!?]|$)|(?![.\w]))(?! [A-Z][a-z])",
                lambda found, _: found[1] + tables.streets[found[2]] + numbers.stop_at_end(found),
            ),
            # Dr. Smith; Dr Smith
            rule(
                ".",
                r"(?<![\w.])([A-Z][a-z]{1,6})\.(?= ?[A-Z]| (?:and|&) [A-Z])",
                lambda found, _: tables.titles.get(found[1]),
            ),
            rule(
                UPPER,
                rf"(?<![\w.])({any_of(tables.bare_titles)})(?= [A-Z])",
                lambda found, _: tables.titles[found[1]],
            ),
            # e.g., et al., Inc., etc.
            rule(
                ".",
                r"(?<![\w.])([Ee]t al|[EeIi]\.[EeGg]|[A-Za-z]{2,6})\.(?=\W|$)",
                lambda found, _: self._word(found),
            ),
            rule(
                " ",
                rf"(?<![\w/])({any_of(tables.bare_short)})(?=[ ,;.)]|$)",
                lambda found, _: tables.bare_short[found[1]],
            ),
            rule("/", r"(?<![\w/])w/(?=\w)", "with "),
        ]

    def letters(self) -> list[TextRule]:
        """Letters that are named one by one."""
        return [
            rule("A", r"\bAA(A?)\b(?=[ -][a-z])", _batteries),
            # Ph.D., B.Sc., U.S., p.o.
            rule(".", r"(?<![\w.])(?:Ph|[BM])\. ?(?:D|Sc|Ed|Eng|Phil|Com)\b\.?", _dotted),
            rule("‥", r"(?<![\w.])(?:[A-Za-z]\.){2,6}(?:[A-Za-z](?![\w.]))?", _dotted),
            # J. K. Rowling; but a single letter may end a sentence: plan B. Then
            rule(".", r"(?<![\w.'])(?:[A-Z]\. ?){2,4}(?=[A-Z][a-z])", _initials),
            # R&D, AT&T, M&M's; AC/DC, A/B
            rule("&", r"(?<![\w&])([A-Z]{1,4})&([A-Z]{1,3})(?:'?s)?\b(?!&)", _joined),
            rule("/", r"(?<![\w/])([A-Z]{1,4})/([A-Z]{1,4})(?![\w/])", self._slashed),
            rule("P", r"\b(PhD)(s?)\b", _initialism),
            rule(
                UPPER,
                r"(?<![\w&'-])([A-Z]{2,6})(s?)(?![\w&]|'[a-rt-z]|-?\d)",
                self._initialism,
            ),
        ]

    def _counted(self, short: str) -> str | None:
        word = self._tables.counted.get(short)
        return f"{word} " if word else None

    def _word(self, found: re.Match[str]) -> str | None:
        word = self._short.get(found[1])
        if found[1] in self._tables.words_too and not _GOES_ON.match(found.string, found.end()):
            return None
        return word + numbers.stop_at_end(found) if word else None

    def _slashed(self, found: re.Match[str], target: Target) -> str | None:
        """A/B and TCP/IP, but not AND/OR."""
        parts = found.groups()
        if not all(len(part) == 1 or self._is_named(part) for part in parts):
            return None
        return target.letters.phrase(map(target.letters.spell, parts))

    def _initialism(self, found: re.Match[str], target: Target) -> str | None:
        if not self._is_named(found[1]):
            return None
        if found[1] in self._tables.also_words and _is_shouted(found):
            return None
        return _initialism(found, target)

    def _is_named(self, word: str) -> bool:
        """NASA is said as a word."""
        if word in self._tables.named_letters:
            return True
        return _VOWELS.isdisjoint(word) and word not in self._tables.words_in_capitals


def _is_shouted(found: re.Match[str]) -> bool:
    """Whether the words beside it are in capitals, too: TELL US NOW."""
    text, begin = found.string, found.start()
    before = _SHOUTED_BEFORE.search(text, max(0, begin - 12), begin)
    return before is not None or _SHOUTED_BEHIND.match(text, found.end()) is not None


def _batteries(found: re.Match[str], _target: Target) -> str:
    return "triple A" if found[1] else "double A"


def _dotted(found: re.Match[str], target: Target) -> str:
    letters = _STOPS.sub("", found[0])
    return target.letters.spell(letters) + numbers.stop_at_end(found)


def _initials(found: re.Match[str], target: Target) -> str:
    return target.letters.spell("".join(_FIRST_LETTERS.findall(found[0]))) + " "


def _joined(found: re.Match[str], target: Target) -> str:
    first, second = map(target.letters.spell, found.groups())
    return target.letters.phrase([first, "and", second]) + ("'s" if found[0][-1] == "s" else "")


def _initialism(found: re.Match[str], target: Target) -> str:
    return target.letters.spell(found[1]) + ("'s" if found[2] else "")
