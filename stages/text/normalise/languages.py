"""Languages that have a table and no rules of their own, from ``data/``.

Their numbers stay digits: every voice that speaks one of them is espeak-ng's, or has it turn
text into phonemes, and espeak-ng knows the numbers of its languages. Said in words is what
stands around them: units, currencies, months, signs, abbreviations, addresses.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from stages.text.normalise.addresses import AddressReader
from stages.text.normalise.fold import roman_value
from stages.text.normalise.rules import DATA, UPPER, any_of, rule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stages.text.normalise.rules import Target, TextRule

_BEGIN = r"(?<![A-Za-zÀ-ɏ\d.,$€£¥-])"
_END = r"(?![A-Za-zÀ-ɏ\d²³])"
"""No word goes on; Chinese characters may follow."""
_NUMBER = r"(?:\d{1,3}(?:\.\d{3})+(?:,\d+)?|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)?)"
_ROMAN = r"(?:X{1,2}(?:IX|IV|V?I{0,3})|IX|IV|VI{0,3}|I{1,3})"
_ROMAN_NUMERAL = re.compile(_ROMAN)
_YEAR = r"(?:1\d|20)\d\d"
_NUMBERED = frozenset({"Seite"})
"""What is short for it has a capital, and no name follows."""
_VOWELS = frozenset("AEIOUYÄÖÜ")

TABLES = frozenset({"de", "es", "fr", "it", "pt", "ja", "zh"})
_ALIASES = {"cmn": "zh", "yue": "zh"}


@dataclass(frozen=True)
class Language:
    """A language's table, under the names of its file."""

    minus: str
    to: str
    marks: Mapping[str, str]
    signs: Mapping[str, str]
    units: Mapping[str, Sequence[str]]
    """A symbol; the singular and the plural."""
    magnitudes: str = ""
    of: str = ""
    """Between a million and what there is a million of; before a vowel after the bar."""
    join: str = ""
    """Between euros and cents."""
    space: str = " "
    date: str = ""
    time: str = ""
    full_hour: str = ""
    first_day: str = "1"
    months: Sequence[str] = ()
    year_digits: str = ""
    """How the digits of a year are written, where they are read one by one."""
    letters: str = ""
    """Initialisms with vowels that are named letter by letter."""
    has_roman: bool = False
    """Roman numerals are written as digits, since espeak-ng would say that they are Roman."""
    ordinals: Mapping[str, str] = field(default_factory=dict)
    """The ending of an ordinal number, and the words from the first on."""
    fractions: Mapping[str, str] = field(default_factory=dict)
    currencies: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """A symbol; the unit and its plural, perhaps its hundredth and that one's plural."""
    short: Mapping[str, str] = field(default_factory=dict)


def has_table(name: str) -> bool:
    """Whether there is more to a language than spaces in numbers."""
    return name == "en" or _ALIASES.get(name, name) in TABLES


@cache
def rules(name: str) -> tuple[TextRule, ...]:
    """The rules for a language that has a table; none for any other."""
    name = _ALIASES.get(name, name)
    if name not in TABLES:
        return (_THOUSANDS,)
    language = Language(**tomllib.loads((DATA / f"{name}.toml").read_text(encoding="utf-8")))
    return (
        *AddressReader(language.marks, lambda digits: digits).rules(),
        _THOUSANDS,
        *_shorts(language),
        *_dates(language),
        *_amounts(language),
        *_signs(language),
        *_letters(language),
    )


def _without_spaces(found: re.Match[str], _target: Target) -> str:
    return found[0].replace(" ", "")


_THOUSANDS = rule(
    "0", r"(?<![\d.,])(?<!\d )[1-9]\d{0,2}(?: \d{3})+(?![\d-]|[.,]\d| \d)", _without_spaces
)


def _shorts(language: Language) -> list[TextRule]:
    if not language.short:
        return []
    words = {_compact(short): word for short, word in language.short.items()}
    words |= {
        short.capitalize(): word
        for short, word in words.items()
        if len(short) > 2 and short.islower()
    }

    def say(found: re.Match[str], _target: Target) -> str | None:
        short = _compact(found[1])
        follows = found.string[found.end() : found.end() + 2].lstrip()[:1]
        if len(short) <= 2 and short[-1] == ".":  # p. 5, s. XX; M. Dupont
            is_name = short[0].isupper() and words[short] not in _NUMBERED
            if not (follows.isupper() if is_name else follows.isdigit() or follows in {*"IVX"}):
                return None
        ends = short[-1] == "." and found.end() == len(found.string)
        return words[short] + ("." if ends else "")

    pattern = any_of(words).replace(r"\.", r"\. ?").replace(r"\. ?|", r"\.|")
    return [
        rule(
            "".join({short[-1] for short in words}),
            rf"(?<![\w.])({pattern})(?!\w)(?:\.(?= [A-ZÀ-Þ]))?",  # Mme. Dupont
            say,
        )
    ]


def _compact(short: str) -> str:
    return short.replace(" ", "")


def _dates(language: Language) -> list[TextRule]:
    def day(year: str, month: str, day: str) -> str | None:
        number = int(month)
        if not 1 <= number <= 12 or not 1 <= int(day) <= 31:
            return None
        return language.date.format(
            day=language.first_day if int(day) == 1 else int(day),
            month=language.months[number - 1] if language.months else number,
            year=year,
        )

    def time(found: re.Match[str], _target: Target) -> str:
        hour, minute = int(found[1]), int(found[2])
        return (language.time if minute else language.full_hour).format(hour=hour, minute=minute)

    rules = []
    if language.date:
        rules += [
            rule(
                "0",
                rf"{_BEGIN}({_YEAR})[-/.](\d{{1,2}})[-/.](\d{{1,2}}){_END}",
                lambda found, _: day(found[1], found[2], found[3]),
            ),
            rule(
                "0",
                rf"{_BEGIN}(\d{{1,2}})([-/.])(\d{{1,2}})\2({_YEAR}){_END}",
                lambda found, _: day(found[4], found[3], found[1]),
            ),
        ]
    if language.time:
        rules.append(rule(":hH", rf"{_BEGIN}([01]?\d|2[0-4])(?::| ?[hH] ?)([0-5]\d){_END}", time))
    if language.year_digits:
        written = str.maketrans("0123456789", language.year_digits)
        rules.append(
            rule("年", r"(?<!\d)\d{4}(?= ?年)", lambda found, _: found[0].translate(written))
        )
    for ending, words in language.ordinals.items():
        rules.append(_ordinal(ending, words.split()))
    if language.has_roman:
        rules.append(
            rule(
                "IVX",
                rf"(?<=[a-zà-ÿ] )(?![VX]\b|I\b){_ROMAN}(?![\w'])",
                lambda found, _: str(roman_value(found[0])),
            )
        )
    return rules


def _ordinal(ending: str, words: Sequence[str]) -> TextRule:
    def say(found: re.Match[str], _target: Target) -> str | None:
        number = int(found[1]) if found[1].isdecimal() else roman_value(found[1])
        return words[number - 1] if 1 <= number <= len(words) else None

    return rule(ending[0], rf"{_BEGIN}(\d{{1,2}}|{_ROMAN}){re.escape(ending)}(?!\w)", say)


def _amounts(language: Language) -> list[TextRule]:
    magnitude = rf"(?: ?({any_of(language.magnitudes.split())}){_END})?"
    symbols, units = any_of(language.currencies), any_of(language.units)
    percent = {sign: word for sign, word in language.signs.items() if sign in "%‰"}

    def money(symbol: str, amount: str, size: str | None) -> str:
        unit, plural, *hundredth = language.currencies[symbol]
        if size:
            of = language.of.split("|")[-1 if plural[0] in "aeiou" else 0]
            return f"{amount}{language.space}{size}{language.space}{of}{plural}"
        whole, cents = _hundredths(amount) if hundredth else (amount, "")
        said = f"{whole}{language.space}{unit if whole == '1' else plural}"
        if not cents:
            return said
        join = f" {language.join} " if language.join else " "
        return f"{said}{join}{cents} {hundredth[cents != '1']}".rstrip()

    def unit(found: re.Match[str], _target: Target) -> str:
        return found[1] + language.space + language.units[found[2]][found[1].lstrip("-") != "1"]

    def share(found: re.Match[str], _target: Target) -> str:
        said = percent[found[2]]
        return said.format(n=found[1]) if "{" in said else f"{found[1]}{language.space}{said}"

    rules = []
    if symbols:
        rules += [
            rule(
                "".join(symbol[0] for symbol in language.currencies),
                rf"(?<![A-Za-zÀ-ɏ\d$])({symbols}) ?({_NUMBER}){magnitude}(?!\d)",
                lambda found, _: money(found[1], found[2], found[3]),
            ),
            rule(
                "0",
                rf"{_BEGIN}({_NUMBER}){magnitude}(?: {language.of.split('|')[0].strip() or '-'})?"
                rf" ?({symbols}){_END}",
                lambda found, _: money(found[3], found[1], found[2]),
            ),
        ]
    if units:
        rules.append(rule("0", rf"(?<![A-Za-zÀ-ɏ\d.,])(-?{_NUMBER}) ?({units}){_END}", unit))
    if percent:
        rules.append(rule("".join(percent), rf"({_NUMBER}) ?([{''.join(percent)}])", share))
    return rules


def _hundredths(amount: str) -> tuple[str, str]:
    """The whole and the hundredths; a mark before two last digits is the decimal one."""
    found = re.fullmatch(r"(.*)[.,](\d\d)", amount)
    return (found[1], found[2].lstrip("0")) if found else (amount, "")


def _signs(language: Language) -> list[TextRule]:
    space, signs = language.space, language.signs
    between = "".join(sign for sign in signs if sign in "=+×÷<>≤≥≠≈±→")
    before = "".join(sign for sign in signs if sign in "#№§")
    behind = "".join(sign for sign in signs if sign in "²³")
    rules = [
        rule(
            "-–",
            rf"{_BEGIN}(?!\d{{3}}-\d{{4}})({_NUMBER})[-–](?=[\d.,]+(?![\d–-]))",
            rf"\1{space}{language.to}{space}",
        ),
        rule("-", r"(?:(?<=[\s(])|(?<![\x00-ɏ])|\A)-(?=\d)", language.minus + space),
        rule("&", r"(?<=\w) ?& ?(?=\w)", f" {signs.get('&', '&')} "),
    ]
    if language.fractions:
        rules.append(
            rule(
                "/",
                rf"{_BEGIN}({any_of(language.fractions)})(?![\d/.,])",
                lambda found, _: language.fractions[found[1]],
            )
        )
    if between:
        rules.append(
            rule(
                between,
                rf"(?<=[\w)²³°%]) ?([{between}]) ?(?=[\w(√-])|(?<!\S)([{between}]) ?(?=\d)",
                lambda found, _: f" {signs[found[1] or found[2]]} ",
            )
        )
    if before:
        rules.append(
            rule(before, rf"([{before}]) ?(?=\d)", lambda found, _: signs[found[1]] + space)
        )
    if behind:
        rules.append(rule(behind, rf"(?<=\w)[{behind}]", lambda found, _: f" {signs[found[0]]}"))
    return rules


def _letters(language: Language) -> list[TextRule]:
    if not language.space:
        return []  # Chinese and Japanese voices read Latin letters as English ones
    named = frozenset(language.letters.split())

    def initialism(found: re.Match[str], target: Target) -> str | None:
        is_named = found[0] in named or _VOWELS.isdisjoint(found[0])
        is_named = is_named and not _ROMAN_NUMERAL.fullmatch(found[0])  # el siglo XX
        return target.letters.spell(found[0]) if is_named else None

    def dotted(found: re.Match[str], target: Target) -> str:
        ends = found.end() == len(found.string)
        return target.letters.spell(re.sub(r"\W", "", found[0])) + ("." if ends else "")

    return [
        rule(".", r"(?<![\w.])(?:[A-Z]\.){2,6}(?!\w)", dotted),
        rule(UPPER, r"(?<![\w&])(?<!\d )[A-Z]{2,6}(?!\w)", initialism),
    ]
