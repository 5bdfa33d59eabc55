"""Numbers that name things and count nothing: telephones, cards, rooms, models, formulas."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stages.text.normalise.english import numbers
from stages.text.normalise.rules import UPPER, any_of, rule

if TYPE_CHECKING:
    from stages.text.normalise.english.tables import EnglishTables
    from stages.text.normalise.rules import Say, Target, TextRule

_GROUPS = re.compile(r"\d+")
_RUNS = re.compile(r"\d+|[^\W\d_]+")
_ELEMENT = (
    r"(?:A[cglmrstu]|B[aehikr]?|C[adeflmnorsu]?|D[bsy]|E[rsu]|F[elmr]?|G[ade]|H[efgos]?|I[nr]?|Kr?"
    r"|L[airuv]|M[dgnot]|N[abdeiop]?|O[gs]?|P[abdmotru]?|R[abefghnu]|S[bcegimnr]?|T[abcehilm]"
    r"|U|V|W|Xe|Yb?|Z[nr])"
)
_NAMED = {"K-12": "K through twelve", "4x4": "four by four", "9-1-1": "nine one one"}
_VOWELS = frozenset("AEIOUYaeiouy")
_LONGEST_SPELLED = 3
_END = r"(?!\w|[.,-]?\d)"


def digits(tables: EnglishTables) -> list[TextRule]:
    """Numbers that are read digit by digit, or in pairs."""
    codes = any_of(tables.spelled_codes)
    return [
        rule(
            "0 -x",
            rf"(?<![\w-])(?:{any_of(_NAMED)})(?![\w-])",
            lambda found, _: _NAMED[found[0]],
        ),
        # +44 20 7946 0958, +1 (415) 555-2671
        rule(
            "0 +",
            rf"(?<![\w+])\+\d{{1,3}}(?:[ .-]?\(\d{{1,4}}\))?(?:[ .-]?\d{{2,5}}){{1,5}}{_END}",
            _phone,
        ),
        # 1-800-555-0199, (212) 555-0123, 555.123.4567; 555-1234; 0800 123 456
        rule(
            "0",
            rf"(?<![\w.,$€£+-])(?:1[ .-])?(?:\(\d{{3}}\) ?|\d{{3}}[ .-])\d{{3}}[ .-]\d{{4}}{_END}",
            _phone,
        ),
        rule("0 -", rf"(?<![\w.,$€£-])\d{{3}}-\d{{4}}{_END}", _phone),
        rule("0 (", rf"(?<![\w(])\(0\d{{2,4}}\) ?\d{{3,4}}[ -]\d{{3,4}}{_END}", _phone),
        rule("0", rf"(?<![\w.,])0\d{{2,4}}(?:[ -]\d{{3,4}}){{2}}{_END}", _phone),
        # dial 112; text HELP to 741741
        rule(
            "0",
            r"(?i)\b((?:call|dial|text|ring|phone|calling|dialing|dialed|called) )([1-9]\d\d)\b"
            r"(?![.,:]?\d| [a-z]+s\b)",
            _after_word,
        ),
        rule("0", r"\b([Tt]ext(?:ing)? \w+ to )(\d{4,6})\b", _after_word),
        rule("9", r"\b()(911)(?= (?:call|operator|dispatch))", _after_word),
        # a social security number; a card's; a book's
        rule("0 -", r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])", _groups),
        rule("0", r"(?<![\w.,-])\d{4}(?:[ -]\d{4}){2,3}(?:[ -]\d{1,4})?(?![\w.,-]\d)", _groups),
        rule(
            "B",
            r"(ISBN(?:-1[03])?:? )((?:97[89][- ]?)?\d[\d -]{7,14}[\dXx])\b",
            _after_word,
        ),
        # CA 90210; without a town before it, or only the segment before, with its code alone
        rule(
            "0 ACDFGHIKLMNOPRSTUVW",
            rf"(?:\A|(?<=[a-z] ))(?!ID)({any_of(tables.states)}) (\d{{5}})(?:-(\d{{4}}))?"
            r"(?=[\s.,;!?]|$)",
            _in_state(tables),
        ),
        rule(
            ", ACDFGHIKLMNOPRSTUVW",
            rf"(?<=, )({any_of(tables.states)})\b,?(?: (\d{{5}})(?:-(\d{{4}}))?\b)?"
            r"(?=[\s.,;!?]|$)",
            _in_state(tables),
        ),
        rule(
            "0",
            rf"\b((?:{codes})(?: (?:code|number|is|no\.|number is|code is))?:? #?)(\d{{4,}})"
            rf"(?![\w.,:%-]\d|\w| (?:{any_of(tables.magnitude_words)}))",
            _after_word,
        ),
        # a 747
        rule(
            "7",
            r"\b((?:an?|the|his|new) )(7[0-8]7)(?![\w.,:%-]\d|\w| [a-z]+s\b)",
            lambda found, _: found[1] + numbers.pairs(found[2]),
        ),
        # Room 204, Boeing 787-9, flight UA 328
        rule(
            "0",
            r"\b([A-Za-z]+)( (?:[A-Z]{2} )?#?)(\d{3,4})(?:-(\d\d?))?(?![\w.,:%-]\d|\w)",
            _paired(tables),
        ),
        # too long to count anything, unless it is round
        rule(
            "0",
            r"(?<![\w.,$€£-])()(\d{10,})(?<!0000)(?!\w|[.,]\d)",
            _after_word,
        ),
    ]


def names(tables: EnglishTables) -> list[TextRule]:
    """Numbers beside letters, and those of houses."""
    streets = any_of([*tables.streets, *tables.streets.values()])
    return [
        # 123 Main St, 221B Baker Street
        rule(
            "0",
            r"(?<![\w.,$#-])(\d{3,4})([A-Z]?)(?= (?:[NSEW]\.? )?"
            rf"(?:[A-Z][a-z]+|\d\d?(?:st|nd|rd|th)) (?:[A-Z][a-z]+ )?(?:{streets})\b)",
            _house,
        ),
        # F-16, COVID-19, GPT-4o, GPT-3.5
        rule(
            "0 -",
            r"(?<![\w-])([A-Z][A-Za-z]{0,11})-(\d{1,4}(?:\.\d{1,3})*)([A-Za-z]{0,2})"
            r"(?![\w-]|\.\d)",
            _hyphened,
        ),
        # NaCl; H2O, Fe2O3
        rule(
            UPPER,
            rf"(?<![\w-])(?:{any_of(tables.formulas)})(?![\w-])",
            lambda found, target: target.letters.spell(found[0]),
        ),
        rule(
            "0",
            rf"(?<![\w.-])(?=[A-Za-z]{{0,8}}\d)(?=\w{{2,24}}\b)(?:{_ELEMENT}\d{{0,2}}){{2,8}}(?![\w-])",
            _formula,
        ),
        # A12, MP3, BA2490, 3B, R2D2
        rule(
            "0",
            r"(?<![\w.,-])(?=[A-Za-z]*\d)(?=\d*[A-Za-z])(?!\d+(?:st|nd|rd|th|s|x|k)\b)"
            r"[A-Za-z\d]{2,24}(?!\w|-[A-Za-z]|\.\d)",
            _mixed,
        ),
    ]


def _after_word(found: re.Match[str], _target: Target) -> str:
    return found[1] + numbers.digit_by_digit(found[2])


def _groups(found: re.Match[str], _target: Target) -> str:
    return ", ".join(map(numbers.digit_by_digit, _GROUPS.findall(found[0])))


def _phone(found: re.Match[str], _target: Target) -> str:
    groups = _GROUPS.findall(found[0])
    said = [numbers.digit_by_digit(group) for group in groups]
    if len(groups) > 3 and groups[0] == "1" and groups[1][1:] == "00":  # 1-800
        said[:2] = [f"one {numbers.cardinal(groups[1])}"]
    return ("plus " if found[0][0] == "+" else "") + ", ".join(said)


def _in_state(tables: EnglishTables) -> Say:
    def say(found: re.Match[str], target: Target) -> str | None:
        state, *codes = found.groups()
        if state == "DC":
            said = target.letters.spell(state)
        elif codes[0]:
            said = tables.states[state]
        else:
            return None
        return ", ".join([said, *(numbers.digit_by_digit(code) for code in codes if code)])

    return say


def _house(found: re.Match[str], target: Target) -> str:
    letter = [target.letters.spell(found[2])] if found[2] else []
    return target.letters.phrase([numbers.pairs(found[1]), *letter])


def _paired(tables: EnglishTables) -> Say:
    def say(found: re.Match[str], _target: Target) -> str | None:
        word, between, digits, variant = found.groups()
        if word not in tables.paired:
            return None
        said = f"{word}{between}{numbers.pairs(digits)}"
        return f"{said} {numbers.cardinal(variant)}" if variant else said

    return say


def _hyphened(found: re.Match[str], target: Target) -> str:
    name, digits, suffix = found.groups()
    said = [_name(name, target), " point ".join(map(_model, digits.split(".")))]
    if suffix:
        said.append(target.letters.spell(suffix))
    return target.letters.phrase(said)


def _formula(found: re.Match[str], target: Target) -> str:
    return target.letters.phrase(
        numbers.cardinal(run) if run.isdecimal() else target.letters.spell(run)
        for run in _RUNS.findall(found[0])
    )


def _mixed(found: re.Match[str], target: Target) -> str:
    return target.letters.phrase(
        _model(run) if run.isdecimal() else _name(run, target) for run in _RUNS.findall(found[0])
    )


def _model(digits: str) -> str:
    """A small number, ``three twenty``, or digit by digit."""
    if len(digits) <= 2:
        return numbers.cardinal(digits)
    return numbers.pairs(digits) if len(digits) == 3 else numbers.digit_by_digit(digits)


def _name(name: str, target: Target) -> str:
    """A word, or letters where it does not look like one: GPT and RTX, but COVID."""
    has_vowel = not _VOWELS.isdisjoint(name)
    if name[1:].isupper():
        is_word = has_vowel and len(name) > _LONGEST_SPELLED
    else:
        is_word = len(name) > 1 and (has_vowel or len(name) > _LONGEST_SPELLED)
    return name if is_word else target.letters.spell(name)
