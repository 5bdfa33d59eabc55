"""Numbers that count or measure: fractions, ranges, scores, units."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stages.text.normalise.english import numbers
from stages.text.normalise.rules import any_of, rule

if TYPE_CHECKING:
    from stages.text.normalise.english.tables import EnglishTables
    from stages.text.normalise.rules import Say, Target, TextRule

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
_BEGIN = r"(?<![\w.,])"
_SYMBOL = (
    r"(sq\.? ?(?:ft|mi?|km|in)|fl\.? oz|cu ft|y/o|[kMG]?bit/s|° ?[CF]?|º[CF]|[A-Za-zµμΩ]{1,5})"
)
"""What may be a unit's."""
_STOP = r"(?:\.(?= [a-z(]|[,;:)]))?"
"""The stop of a short unit within a sentence."""
_RATED = r"(?:rated?|ratings?|scored?|scores|got|gave|solid|is|was|it|a perfect)"
_COUNTED = r"(?:[a-z]{3,} )?(?:[a-z]{3,}s|people|men|children)\b"


def _scientific(found: re.Match[str], _target: Target) -> str:
    sign = "minus " if found[2] == "-" else ""
    power = numbers.cardinal(found[3].lstrip("0") or "0")
    return f"{numbers.number(found[1])} times ten to the power of {sign}{power}"


def foreign(_tables: EnglishTables) -> list[TextRule]:
    """Numbers as others write them: ``1 000 000``, ``1.000.000`` and ``10,5``, but not the point
    (3,4)."""
    return [
        rule(
            "0 ‥",
            r"(?<![\w.,])(\d{1,3}(?:\.\d{3}){2,})(?:,(\d\d?))?(?![\w,]|\.\d)",
            lambda found, _: found[1].replace(".", "") + (f".{found[2]}" if found[2] else ""),
        ),
        rule("0 e", r"(?<![\w.,])(\d(?:\.\d+)?)e([+-]?)(\d{1,3})(?![\w-]|\.\d)", _scientific),
        rule("0 ,", r"(?<![\w.,(\[])(\d+),(\d\d?)(?![\d,]|\.\d)", r"\1.\2"),
        rule(
            "0",
            r"(?<![\d.,$€£-])(?<!\d )[1-9]\d{0,2}(?: 000\b|(?: \d{3}){2,})(?![\d-]|[.,]\d| \d)",
            lambda found, _: found[0].replace(" ", ""),
        ),
        # 10 100 200: three numbers, and normt2s would make one of them
        rule(
            "0", rf"{_BEGIN}(\d{{1,3}})(?= \d{{3}}\b)", lambda found, _: numbers.cardinal(found[1])
        ),
    ]


def fractions(tables: EnglishTables) -> list[TextRule]:
    return [
        rule("0 /", r"(?<![\w/])24/7(?:/365)?(?![\w/])", _always),
        # rated 8/10
        rule(
            "0 /",
            rf"(?i)\b({_RATED} (?:it |an? |of |about |at )?)({_NUMBER})/(5|10|100)"
            r"(?![\w/-]|[.,]\d| of\b)",
            lambda found, _: (
                f"{found[1]}{numbers.number(found[2])} out of {numbers.cardinal(found[3])}"
            ),
        ),
        rule(
            "0 /",
            rf"{_BEGIN}(?<!/)(\d{{1,3}})/(\d{{1,7}})(?= (?:chance|odds|probability|risk)\b)",
            lambda found, _: f"{numbers.cardinal(found[1])} in {numbers.cardinal(found[2])}",
        ),
        rule("0 /", r"(?<![\w/.,-])(\d{1,2}/\d{1,2})[-–](?=\d{1,2}/\d{1,2}(?![\w/-]))", r"\1 to "),
        # 5 1/2, 3/4 tsp, 50/50, 120/80
        rule(
            "0 /",
            r"(?<![\w.,/$])(?:(\d{1,4})[ -])?(-)?(\d{1,4})/(\d{1,4})(?:(?:st|nd|rd|th)s?\b)?"
            rf"(?: ?([A-Za-z]{{1,4}})\b{_STOP})?(?![\w/]|[.,]\d)",
            _fraction_of(tables),
        ),
        rule("0 /", r"(?<=\d) / (?=\d)", " divided by "),
    ]


def ranges(_tables: EnglishTables) -> list[TextRule]:
    until = r"(?=[\d.,]++(?![-–]\d))"
    return [
        # 10-6-1
        rule(
            "0 -–",
            r"(?<![\w.,$€£/-])(\d{1,3})[-–](\d{1,3})[-–](\d{1,3})(?![\w-]|[.,:/]\d)",
            lambda found, _: ", ".join(map(numbers.cardinal, found.groups())),
        ),
        # 3-2, 5-10%, 10-12kg, 10%-20%
        rule(
            "0 -–—",
            rf"(?<![\w.,$€£/-])({_NUMBER})((?: ?(?:%|°[CF]?|[A-Za-zµ]{{1,3}}))?)(?:[-–—]| – )"
            rf"{until}(?!\d{{1,3}}-[a-z])",
            lambda found, _: f"{found[1]}{found[2]} to ",
        ),
        # 6 - 8 hours, but 6 - 8 = -2
        rule(
            "0 -",
            rf"{_BEGIN}(?<![=+*/-] )({_NUMBER}) - (?=({_NUMBER})(?:%| ?[A-Za-z]{{2,}}))"
            r"(?![\d.,]+ (?:is|are|equals?|gives|makes|leaves|plus|minus|times)\b)",
            lambda found, _: f"{found[1]} to " if _value(found[1]) < _value(found[2]) else None,
        ),
        # 1920x1080, 3×4, 10 x 20 cm; 10x faster; 16:9
        rule(
            "0 x×",
            r"(?<![\w.])(\d{3,4})[x×](\d{3,4})(?!\w)",
            lambda found, _: f"{numbers.pairs(found[1])} by {numbers.pairs(found[2])}",
        ),
        rule("0 x×", r"(?<=\d)(?: ?× ?|x| x )(?=\d)", _times),
        rule(
            "0 x×",
            rf"(?<![\w.])({_NUMBER})[x×](?!\w| ?[+*/=<>^²³)])",
            lambda found, _: (
                None if _VARIABLE.search(found.string) else f"{numbers.number(found[1])} times"
            ),
        ),
        rule(
            "0 :",
            r"(?<![\w.,:])(\d{1,4}):(\d{1,4})(?![\w:]|[.,]\d)",
            lambda found, _: f"{numbers.cardinal(found[1])} to {numbers.cardinal(found[2])}",
        ),
    ]


def units(tables: EnglishTables) -> list[TextRule]:
    say = _measured(tables)
    scale = any_of(tables.magnitude_words)
    return [
        # 5'10"; 27" screen; 6 in. wide
        rule(
            "0 '",
            r"(?<![\w.'])(\d{1,2})' ?(\d{1,2})(?:\"|''|(?![\w']))",
            lambda found, _: f"{numbers.cardinal(found[1])} foot {numbers.cardinal(found[2])}",
        ),
        rule("0 '", r"(?<![\w.'])(\d{1,3})'(?= (?:by|x|tall|wide|long|high|deep)\b)", r"\1 foot"),
        rule("0 '", r"\b(by|x) (\d{1,3})'(?!\w)", r"\1 \2 foot"),
        rule('0 "', rf"(?<![\w.\"'])({_NUMBER}) ?\"(?!\w)", _inches),
        rule('"', r"\b(half|(?:third|quarter|eighth|sixteenth)s?)\"", _inches),
        rule(
            "0 i",
            rf"(?<![\w.])({_NUMBER})([ -]?)in(?:\.(?= [a-z]|[,;)])"
            r"|(?= (?:wide|tall|long|high|deep|thick|x|by)\b))",
            _counted_inches,
        ),
        # 5m, 20 °C, 9.8 m/s², 12-oz
        rule(
            "0",
            rf"{_BEGIN}([-+]?{_NUMBER})([ -]?){_SYMBOL}([²³])?(?:/([A-Za-z]{{1,6}}[²³]?))?"
            rf"(?![\w²³]|\.\w|/\w|['’][a-z]){_STOP}",
            say,
        ),
        # 61 million ly; 5 people/km²
        rule(
            "dln",
            rf"\b({scale}) ([A-Za-zµ]{{2,4}})(?![\w/])",
            lambda found, _: (
                f"{found[1]} {tables.units[found[2]].plural}" if found[2] in tables.units else None
            ),
        ),
        rule(
            "/",
            r"(?<=[a-z])/([A-Za-z]{1,6}[²³]?)(?!\w)",
            lambda found, _: (
                f" per {tables.per[found[1]]}"
                if found[1] in tables.per and _PLURAL.search(found.string, 0, found.start())
                else None
            ),
        ),
        rule(
            "0 %‰",
            rf"{_BEGIN}([-+]?{_NUMBER}) ?([%‰])",
            lambda found, _: f"{numbers.number(found[1])} {_SHARES[found[2]]}",
        ),
        # 500M users, 1.5M
        rule("0 KMBkbmn", rf"{_BEGIN}({_NUMBER})([kKMB]|bn|mn)(?= {_COUNTED})", _scaled(tables)),
        rule("0 KMBkbmn", rf"{_BEGIN}(\d*\.\d+)([kKMB]|bn|mn)(?![\w-])", _scaled(tables)),
        rule(
            "0 pi",
            r"(?<![\w.,])(480|720|1080|1440|2160|4320)([pi])\b",
            lambda found, target: f"{numbers.pairs(found[1])} {target.letters.spell(found[2])}",
        ),
    ]


_ARTICLE = re.compile(r"(?<!\w)[Aa]n? \Z")
_NEXT_WORD = re.compile(r" ([a-z]+)\b")
_SHARES = {"%": "percent", "‰": "per mille"}
_PLURAL = re.compile(r"(?:\w{2}s|people)\Z")
_VARIABLE = re.compile(r"\b[xy]\b")


def plain(_tables: EnglishTables) -> list[TextRule]:
    """Ordinals and numbers, where nothing else was to be said of them."""
    return [
        rule(
            "0",
            rf"{_BEGIN}({_NUMBER})(?:st|nd|rd|th)\b",
            lambda found, _: numbers.ordinal(found[1]) if "." not in found[1] else None,
        ),
        rule(
            "0",
            rf"{_BEGIN}({_NUMBER})(?![^\W\u3040-\u9fff]|[.,]\d)",
            lambda found, _: numbers.number(found[1]),
        ),
        rule("0", r"([^\W\d]?)(\d+)(?=([^\W\d]?))", _within_word),
    ]


def _within_word(found: re.Match[str], _target: Target) -> str:
    before, digits, behind = found.groups()
    return f"{before}{' ' * bool(before)}{numbers.cardinal(digits)}{' ' * bool(behind)}"


def _value(written: str) -> float:
    return float(written.replace(",", ""))


def _always(found: re.Match[str], _target: Target) -> str:
    return "twenty-four seven" + (" three sixty-five" if found[0].endswith("365") else "")


def _times(found: re.Match[str], _target: Target) -> str:
    is_product = "×" in found[0] or "=" in found.string[found.end() : found.end() + 12]
    return " times " if is_product else " by "


def _fraction_of(tables: EnglishTables) -> Say:
    def say(found: re.Match[str], _target: Target) -> str | None:
        whole, sign, top, bottom, unit = found.groups()
        said = _fraction(whole, top, bottom)
        if said is None:
            return None
        if sign:
            said = f"minus {said}"
        if not unit:
            return said
        noun = tables.units.get(unit)
        if noun is None:
            return said + found[0][found.end(4) - found.start() :]
        if whole:
            return f"{said} {noun.plural}"
        return f"{said} {'of a ' if top != '1' else ''}{noun.singular}"

    return say


def _fraction(whole: str | None, top: str, bottom: str) -> str | None:
    above, below = int(top), int(bottom)
    if above == below or above + below == 100:  # 50/50, 80/20
        return None if whole else f"{numbers.cardinal(top)} {numbers.cardinal(bottom)}"
    if below < 2 or above > below or (below > 100 and below % 100):
        said = f"{numbers.cardinal(top)} over {numbers.cardinal(bottom)}"
        return f"{numbers.cardinal(whole)} {said}" if whole else said
    singular = {2: "half", 4: "quarter"}.get(below) or numbers.ordinal(bottom)
    plural = "halves" if below == 2 else f"{singular}s"
    if not whole:
        return f"{numbers.cardinal(top)} {singular if above == 1 else plural}"
    if above == 1:
        return f"{numbers.cardinal(whole)} and {'an' if singular[0] == 'e' else 'a'} {singular}"
    return f"{numbers.cardinal(whole)} and {numbers.cardinal(top)} {plural}"


def _inches(found: re.Match[str], _target: Target) -> str | None:
    """A mark that closes a quotation measures nothing."""
    if found.string.count('"', 0, found.end() - 1) % 2:
        return None
    return f"{found[1] if found[1].isalpha() else numbers.number(found[1])} inch"


def _counted_inches(found: re.Match[str], _target: Target) -> str:
    is_one = found[1] == "1" or found[2] == "-"
    return f"{numbers.number(found[1])} {'inch' if is_one else 'inches'}"


def _measured(tables: EnglishTables) -> Say:
    def say(found: re.Match[str], _target: Target) -> str | None:
        amount, joint, symbol, power, per = found.groups()
        noun = tables.units.get(symbol)
        if noun is None or (per and per not in tables.per):
            return None
        names_kind = _is_of_a_kind(found, tables)
        if symbol == "K" and not joint and not per:
            return None  # a 4K screen
        if symbol in tables.capital_units and not per and not names_kind:
            follows = found.string[found.end() : found.end() + 4]
            is_free = joint == " " and not (
                not follows or follows[0] in ".,;:!?)" or follows == " of "
            )
            if is_free:
                return None  # class 5 A
        is_singular = joint == "-" or names_kind or _is_behind_article(found)
        name = noun.singular if is_singular else noun.of(amount)
        if power:
            name = f"{'square' if power == '²' else 'cubic'} {name}"
        said = f"{numbers.number(amount)} {name}"
        return f"{said} per {tables.per[per]}" if per else said

    return say


def _is_behind_article(found: re.Match[str]) -> bool:
    """A 10 km walk."""
    return _ARTICLE.search(found.string, max(0, found.start() - 3), found.start()) is not None


def _is_of_a_kind(found: re.Match[str], tables: EnglishTables) -> bool:
    """A 60W bulb, but 60W of power."""
    following = _NEXT_WORD.match(found.string, found.end())
    return following is not None and following[1] in tables.measured


def _scaled(tables: EnglishTables) -> Say:
    return lambda found, _target: f"{numbers.number(found[1])} {tables.magnitudes[found[2]]}"
