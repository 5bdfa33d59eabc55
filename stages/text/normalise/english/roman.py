"""Roman numerals: rulers' are ordinals, chapters' are cardinals, and Malcolm X has none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stages.text.normalise.english import numbers
from stages.text.normalise.fold import roman_value
from stages.text.normalise.rules import rule

if TYPE_CHECKING:
    from stages.text.normalise.english.tables import EnglishTables
    from stages.text.normalise.rules import Target, TextRule

_NUMERAL = r"(?=[IVXLCDM])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
_BEGIN = r"(?<![\w.'&/-])"
_END = r"(?![\w'&/]|-[A-Za-z]|\.\w)"
_BARE = re.compile(r"X{1,2}(?:IX|IV|V?I{1,3})|X{1,2}V|XX|IX|IV|VI{1,3}|I{2,3}")
"""2 to 29, as far as it looks like no initialism: these need no word that says that they count."""
_WORDS_BEFORE = re.compile(r"(?:([A-Za-z]\w*),? )?([A-Za-z]\w*)[,:]? \Z")
_LONGEST_WORDS = 40
_SPEAKS = re.compile(
    r" (?:am|was|have|had|will|would|can|could|do|did|think|know|knew|see|saw|like|love|want|need"
    r"|said|say|met|told|believe|thought|just|never|always|also|really|must|should|shall|may|might"
    r"|once|used|wish|hope|guess|mean|feel|felt|remember|heard|play|played|work|worked|live|lived)\b"
)
"""Behind an I that is no number."""
_ORDINAL_NOUN = re.compile(r" (?:[Cc]entury|Olympi|Congress|[Dd]ynasty)")
_LETTERS = frozenset("LCDM")
"""Alone these number nothing: Appendix C, Part D."""
_LETTERED = frozenset({"generation", "gen", "model", "type", "factor"})
"""Their X is a letter, too."""
_DRIP = re.compile(r" (?:drip|fluid|line|bag|therapy|antibiotic)")


def rules(tables: EnglishTables) -> list[TextRule]:
    numbered = {word.lower() for word in tables.numbered}

    def say(found: re.Match[str], _target: Target) -> str | None:
        numeral, until, text = found[1], found[2], found.string
        if until:  # letters that are spelled already, M-D, have one on each side
            if len(numeral + until) == 2:
                return None
            return f"{_cardinal(numeral)} to {_cardinal(until)}"
        before = _WORDS_BEFORE.search(text, max(0, found.start() - _LONGEST_WORDS), found.start())
        if before is None:
            heads_text = found.start() == 0 and text[found.end() : found.end() + 2] in {". ", ") "}
            return _cardinal(numeral) if heads_text else None
        second, word = before.groups()
        if numeral == "I" and (word.islower() or _SPEAKS.match(text, found.end())):
            return None
        if word.lower() == "the" and _ORDINAL_NOUN.match(text, found.end()):
            return numbers.ordinal(str(roman_value(numeral)))
        if numeral in _LETTERS or (numeral == "X" and word.lower() in _LETTERED):
            return None
        if word.lower() in numbered or (second, word) == ("Super", "Bowl"):
            return _cardinal(numeral)
        if word in tables.rulers or (second in tables.ranks and word.istitle()):
            is_letter = numeral == "X" and word == "Malcolm"
            return None if is_letter else f"the {numbers.ordinal(str(roman_value(numeral)))}"
        if _BARE.fullmatch(numeral) and not (numeral == "IV" and _DRIP.match(text, found.end())):
            return _cardinal(numeral)
        return None

    return [
        rule("W", r"\bWW(II?|[12])\b", _world_war),
        rule("IVXLCDM", rf"{_BEGIN}({_NUMERAL})(?:[-–]({_NUMERAL}))?{_END}", say),
        # chapter iv
        rule(
            "ivx CcPpSsAaVvBb",
            r"(?i)\b((?:chapter|part|section|act|scene|volume|book|appendix|page) )"
            r"((?-i:[ivx]{1,6}))\b",
            lambda found, _: found[1] + _cardinal(found[2]),
        ),
    ]


def _world_war(found: re.Match[str], _target: Target) -> str:
    return f"World War {'two' if found[1] in {'II', '2'} else 'one'}"


def _cardinal(numeral: str) -> str:
    return numbers.cardinal(str(roman_value(numeral)))
