"""Signs: in names, between numbers, in formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.text.normalise.english import numbers
from stages.text.normalise.rules import rule

if TYPE_CHECKING:
    import re

    from stages.text.normalise.english.tables import EnglishTables
    from stages.text.normalise.rules import Say, Target, TextRule

_OPERAND = r"[\w)\]²³]"
_COMPARED = {
    ">": "more than",
    "<": "less than",
    ">=": "at least",
    "≥": "at least",
    "<=": "at most",
    "≤": "at most",
}
_POWERS = {"2": "squared", "3": "cubed"}


def names(_tables: EnglishTables) -> list[TextRule]:
    """Signs that belong to a name, before any other rule takes them for its own."""
    return [
        rule(
            "+",
            r"\bC\+\+(?:(?=\d\d\b)|(?!\w))",
            lambda found, target: (
                f"{target.letters.spell('C')} plus plus"
                + " " * found.string[found.end() : found.end() + 1].isdigit()
            ),
        ),
        rule("#", r"(?<![\w#])([A-GJ])#(?!\w)", lambda found, _: f"{found[1]} sharp"),
        rule("♯", r"(?<!\w)([A-G])♯", r"\1 sharp"),
        rule("♭", r"(?<!\w)([A-G])♭", r"\1 flat"),
        rule(
            "‥",
            r"\b([A-Z]{2,5})\.NET\b",
            lambda found, target: f"{target.letters.spell(found[1])} dot net",
        ),
        # an A+, a B-
        rule("+", r"(?<![\w+])([A-F])\+(?=[\s.,;!?)]|$)", _grade),
        rule(
            "-", r"(?<=\b[Aa] )([B-F])-(?=[\s.,;!?)]|$)|(?<=\b[Aa]n )(A)-(?=[\s.,;!?)]|$)", _grade
        ),
        rule("®™℠", r" ?[®™℠]", ""),
        rule("©", r"(?:\b[Cc]opyright )?(?:©|\([Cc]\)(?= ?\d{4})) ?", "Copyright "),
        rule("#№", r"(?<![\w&])(?:#|№ ?)(?=[A-Z]{0,2}\d+(?![A-Za-z]))", "number "),
        rule("@", r"(?<=\s)@ ?(?=\d|\s)", "at "),
        rule("~", r"~ ?(?=[$€£]?\.?\d)", "about "),
        # at least 3, but in a < 5 there are two to compare
        rule(
            "><≥≤",
            r"(?:(?<=[A-Za-z]{2} )|(?<=\()|\A)([><]=?|[≥≤]) ?(?=[$€£]?\d)",
            lambda found, _: f"{_COMPARED[found[1]]} ",
        ),
        rule("*", r"(?<![\w*])\*(?=\d{2,3}\b)", "star "),
    ]


def formulas(tables: EnglishTables) -> list[TextRule]:
    """Versions, and the signs of mathematics."""
    return [
        # Python 3.11; v2.0.1-beta; v1.2
        rule("0 ‥", r"\b([A-Za-z]+) (\d{1,3})\.([1-9]\d{1,2})(?!\w|\.\d)", _versioned(tables)),
        rule(
            "0 ‥",
            r"(?<![\w.,])[vV]?(\d+(?:\.\d+){2,5})(?:-?(alpha|beta|rc)\.?(\d*))?(?!\w|\.\d)",
            _version,
        ),
        rule(
            "0 vV",
            r"(?<![\w.])([vV])\.?(\d+(?:\.\d+)?)(?!\w|\.\d)",
            lambda found, target: f"{target.letters.spell(found[1])} {numbers.number(found[2])}",
        ),
        rule("^", r"(?<=[\w)])\^(?:\{(-?\w{1,8})\}|\((-?\w{1,8})\)|(-?\w{1,8}))", _power),
        rule("!", r"(?:(?<=\d)|(?<=\b[a-z]))!(?= ?[=+*/)])", " factorial"),
        rule("²", rf"(?<={_OPERAND})²", " squared"),
        rule("³", rf"(?<={_OPERAND})³", " cubed"),
        rule("=", r" ?!==? ?", " is not equal to "),
        rule("=", r" ?>= ?", " is greater than or equal to "),
        rule("=", r" ?<= ?", " is less than or equal to "),
        rule("=", r" ?===? ?", " equals "),
        rule("√", r"√ ?(?=[\w(])", "the square root of "),
        rule("∛", r"∛ ?(?=[\w(])", "the cube root of "),
        rule("±", r"(?:(?<=\s)|\A)± ?(?=\d)", "plus or minus "),
        rule("≈", r"(?<=\bis )≈ ?", "approximately "),
        rule("→>⟶", r" ?(?:→|->|⟶) ?", " to "),
        rule("←⟵", r" ?[←⟵] ?", " from "),
        # f(x); 2x + 1
        rule(
            "(",
            r"\b([fghFGH])\(([a-z\d])\)(?=\W|$)",
            lambda found, target: target.letters.phrase([found[1], "of", found[2]]),
        ),
        rule(
            "0",
            r"(?<![\w.,])(\d+)([xyzabn])(?= ?[+*/=<>×÷-]|[)²³.,;^]|$)",
            lambda found, target: target.letters.phrase([numbers.cardinal(found[1]), found[2]]),
        ),
        rule("§", r"§§? ?", "section "),
        # 1+1, +1, 50+ people, Ctrl+C
        rule("+", r"(?<![\w.])(\d[\d,.]*)\+(?= [a-z]|[,;!?)]|\.?$)", r"\1 plus"),
        rule("+", rf"(?<={_OPERAND}) ?\+ ?(?=\w)", " plus "),
        rule("+", r"(?<![\w+])\+(?=\d)", "plus "),
        # -5; (-b; b² - 4
        rule("-", rf"(?<={_OPERAND}) - (?=[\d(]|[a-z]\b)(?<!\b[a-zA-Z]{{2}} - )", _minus),
        rule("0 ‥", r"(?<![\w.])(\.\d+)(?![\w.])", lambda found, _: numbers.number(found[1])),
        rule("-–", r"(?:(?<=[\s(=])|\A)[-–](?=\.?\d|[a-z]\b)", "minus "),
        # x over two: x/2, π/4, the same behind a bracket
        rule("/", r"(?:(?<=[α-ω)²³])|(?<=\b[a-z]))/(?=\d)|(?<=[α-ω)])/(?=[a-zα-ω]\b|\()", " over "),
        rule("/", r"(?<=[a-z])/(?=[a-z])", " slash "),
        rule("&", r"(?<=\w)&(?=\w)", " and "),
        rule(
            "*",
            r"(?:(?<=[\d)\]²³])|(?<=\b[A-Za-z])) \* (?=[\d(]|[A-Za-z]\b|sqrt)",
            " times ",
        ),
    ]


def _grade(found: re.Match[str], target: Target) -> str:
    return target.letters.phrase([found[0][0], "plus" if found[0][-1] == "+" else "minus"])


def _versioned(tables: EnglishTables) -> Say:
    def say(found: re.Match[str], _target: Target) -> str | None:
        name, major, minor = found.groups()
        if name not in tables.versioned:
            return None
        return f"{name} {numbers.cardinal(major)} point {numbers.cardinal(minor)}"

    return say


def _version(found: re.Match[str], target: Target) -> str:
    digits, stage, count = found.groups()
    said = [" point ".join(map(numbers.cardinal, digits.split(".")))]
    if found[0][0] in "vV":
        said.insert(0, target.letters.spell(found[0][0]))
    if stage:
        said.append(target.letters.spell(stage) if stage == "rc" else stage)
    if count:
        said.append(numbers.cardinal(count))
    return " ".join(said)


def _power(found: re.Match[str], _target: Target) -> str:
    exponent = found[1] or found[2] or found[3]
    if exponent in _POWERS:
        return f" {_POWERS[exponent]}"
    sign, digits = ("minus ", exponent[1:]) if exponent[0] == "-" else ("", exponent)
    return f" to the power of {sign}{numbers.cardinal(digits) if digits.isdecimal() else digits}"


def _minus(found: re.Match[str], _target: Target) -> str | None:
    """Between words a hyphen with spaces is a dash."""
    before = found.string[max(0, found.start() - 2) : found.start()]
    is_operand = before[-1] in ")]²³" or before[-1].isdigit() or not before[:1].isalpha()
    return " minus " if is_operand or before.endswith("ed") else None
