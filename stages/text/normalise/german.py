"""What normt2s does not know of German: rulers, decades, mixed fractions, millions of euros."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from normt2s.langs import get_language

from stages.text.normalise import languages
from stages.text.normalise.fold import roman_value
from stages.text.normalise.rules import rule

if TYPE_CHECKING:
    import re

    from stages.text.normalise.rules import Target, TextRule

_GERMAN = get_language("de")
_NUMERAL = r"(?:X{1,2}(?:IX|IV|V?I{0,3})|IX|IV|VI{0,3}|I{1,3})"
_CURRENCIES = {"€": "Euro", "$": "Dollar", "£": "Pfund"}
_DATIVE = frozenset({"von", "mit", "bei", "unter", "zu", "nach", "aus", "seit", "vor", "dem"})
_ACCUSATIVE = frozenset({"für", "gegen", "durch", "ohne", "um", "den", "über"})


@cache
def rules() -> tuple[TextRule, ...]:
    """Our rules before normt2s's."""
    return (
        *languages.rules("de"),
        rule(
            "€$£",
            r"(\d (?:Tsd\.|Tausend|Mio\.|Millionen?|Mrd\.|Milliarden?|Billionen?)) ?([€$£])",
            lambda found, _: f"{found[1]} {_CURRENCIES[found[2]]}",
        ),
        # Wilhelm II. regierte
        rule(
            "IVX",
            rf"(?<!\w)(?:([a-zü]+) )?((?:[A-ZÄÖÜ][a-zäöüß]+ )?[A-ZÄÖÜ][a-zäöüß]+) ({_NUMERAL})\.",
            _ruler,
        ),
        rule("IVX", rf"\b(Kapitel|Teil|Band|Akt|Weltkrieg) ({_NUMERAL})(?!\w)", _chapter),
        # 1990er
        rule(
            "0", r"(?<!\w)(\d{2,3}0)er(?!\w)", lambda found, _: f"{_GERMAN.year(int(found[1]))}er"
        ),
        # 1 1/2
        rule("/", r"(?<![\w.,])(\d{1,3}) ([123])/([234])(?![\w/])", _mixed),
    )


def _ruler(found: re.Match[str], _target: Target) -> str:
    before, name, numeral = found.groups()
    ordinal = _GERMAN.ordinal(roman_value(numeral)).capitalize()
    if before in _DATIVE:
        number = f"dem {ordinal}n"
    elif before in _ACCUSATIVE:
        number = f"den {ordinal}n"
    elif name.endswith("s") and not name.endswith("us"):
        number = f"des {ordinal}n"
    else:
        number = f"der {ordinal}"
    stop = "." if found.end() == len(found.string) else ""
    return f"{before} {name} {number}{stop}" if before else f"{name} {number}{stop}"


def _chapter(found: re.Match[str], _target: Target) -> str:
    return f"{found[1]} {roman_value(found[2])}"


def _mixed(found: re.Match[str], _target: Target) -> str:
    whole, top, bottom = map(int, found.groups())
    return str(_GERMAN.mixed_fraction(whole, top, bottom))
