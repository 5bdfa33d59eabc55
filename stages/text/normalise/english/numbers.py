"""Numbers in English words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normt2s.langs import get_language

if TYPE_CHECKING:
    import re

_ENGLISH = get_language("en")
_LONGEST = 15
"""Digits of a number that is still read as one."""


def cardinal(digits: str) -> str:
    """``1,234``; read digit by digit where it is too long, or begins with a zero."""
    digits = digits.replace(",", "")
    if len(digits) > _LONGEST or (len(digits) > 1 and digits[0] == "0"):
        return digit_by_digit(digits)
    return str(_ENGLISH.cardinal(int(digits)))


def ordinal(digits: str) -> str:
    """``22`` as ``twenty-second``."""
    digits = digits.replace(",", "")
    return str(_ENGLISH.ordinal(int(digits))) if len(digits) <= _LONGEST else cardinal(digits)


def number(written: str) -> str:
    """A number with or without a sign and a fraction: ``-1,234.50``, ``.75``."""
    sign = {"-": "minus ", "+": "plus "}.get(written[0], "")
    whole, point, fraction = written.lstrip("-+").partition(".")
    said = cardinal(whole) if whole else ""
    if point:
        said = f"{said} point {digit_by_digit(fraction)}".lstrip()
    return sign + said


def digit_by_digit(digits: str) -> str:
    """``0420``; other characters only part the digits."""
    return " ".join(str(_ENGLISH.cardinal(int(digit))) for digit in digits if digit.isdecimal())


def year(digits: str) -> str:
    """``1905`` as ``nineteen oh five``."""
    return str(_ENGLISH.year(int(digits)))


def pairs(digits: str) -> str:
    """``747`` as ``seven forty-seven``, ``204`` as ``two oh four``, as rooms are read."""
    if not 3 <= len(digits) <= 4 or digits[0] == "0":
        return cardinal(digits) if len(digits) < 3 else digit_by_digit(digits)
    head, tail = digits[:-2], digits[-2:]
    if tail == "00":
        return f"{cardinal(head)} hundred" if head[-1] != "0" else cardinal(digits)
    if tail[0] == "0":
        return f"{cardinal(head)} oh {cardinal(tail[1])}"
    return f"{cardinal(head)} {cardinal(tail)}"


def plural(words: str) -> str:
    """``twenty`` as ``twenties``, ``hundred`` as ``hundreds``."""
    return words[:-1] + "ies" if words.endswith("y") else words + "s"


def in_address(digits: str) -> str:
    """The digits of an address: a small number, a year, or one by one."""
    if len(digits) <= 2:
        return cardinal(digits)
    is_year = len(digits) == 4 and digits[:2] in {"19", "20"}
    return year(digits) if is_year else digit_by_digit(digits)


def stop_at_end(found: re.Match[str]) -> str:
    """The stop of ``p.m.`` ends the sentence, too, where the text ends."""
    return "." if found[0].endswith(".") and found.end() == len(found.string) else ""
