"""Characters that engines cannot read, written as those that they can.

Not Unicode's own NFKC: it makes ``102`` of ``10²`` and ``21/2`` of ``2½``. Each kind of character
is looked at for what it means; what is not mentioned here stays as it is.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stages.text.normalise.spoken import Buffer

_SAME = {
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{MODIFIER LETTER APOSTROPHE}": "'",
    "\N{PRIME}": "'",
    "\N{DOUBLE PRIME}": '"',
    "\N{HYPHEN}": "-",
    "\N{NON-BREAKING HYPHEN}": "-",
    "\N{FIGURE DASH}": "-",
    "\N{MINUS SIGN}": "-",
    "\N{HORIZONTAL BAR}": "—",
    "\N{FRACTION SLASH}": "/",
    "\N{DIVISION SLASH}": "/",
    "\N{RATIO}": ":",
    "\N{TILDE OPERATOR}": "~",
    "\N{MULTIPLICATION X}": "×",
    "\N{DOT OPERATOR}": "·",
}
"""Characters that stand for a plainer one."""

_COMPATIBLE = (
    (0x1D400, 0x1D7FF),  # mathematical letters and digits
    (0xFB00, 0xFB06),  # ligatures
    (0x2100, 0x214F),  # letterlike symbols: ℃, ℝ
    (0x249C, 0x24E9),  # letters in circles and brackets
    (0x3220, 0x32FF),  # ideographs in circles and brackets
    (0xFE10, 0xFE19),  # vertical and small marks
    (0xFE50, 0xFE6B),
    (0xFF01, 0xFFE6),  # full width and half width
    (0x1F110, 0x1F149),  # letters in boxes
)
"""Where a character means the one that NFKC makes of it."""
_NOT_COMPATIBLE = "№℠™"
_UNITS_IN_ONE = (0x3300, 0x33FF)
"""``㎏``, ``㎡``: NFKC would make ``m2`` of the last one."""
_DARK_LETTERS = ((0x1F150, 0x1F169), (0x1F170, 0x1F189))
"""Letters A to Z, white on black; blood groups and the car park among them are emoji."""
_DARK_EMOJI = "🅰🅱🅾🅿"
_UNSPEAKABLE = {"Cc", "Cs", "Co"}
"""Control characters, lone surrogates, private use."""

_PLAIN = re.compile(r"[\x20-\x7e]*")
_FOLDABLE = re.compile(
    r"(?P<space>[\u00a0\u2000-\u200a\u202f\u205f\u3000])"
    r"|(?P<suffix>(?<=\d)(?:ⁿᵈ|[ʰ-ʸˡ-ˣᴬ-ᵡ]+))"
    r"|(?P<raised>[⁺⁻]?[⁰¹²³⁴-⁹ⁿ]+)"
    r"|(?P<lowered>[₀-₉]+)"
    r"|(?P<vulgar>[¼-¾⅐-⅞↉])"
    r"|(?P<roman>[Ⅰ-ⅿ]+)"
    r"|(?P<keycap>(?<=[0-9#*])\ufe0f?\u20e3)"
    r"|(?P<joiner>(?<=[A-Za-zÀ-ӿ])[\u200c\u200d\ufe0e\ufe0f])"
    r"|(?P<accented>[^\W\d_][\u0300-\u036f]+)"
    r"|(?P<halfwidth>[\uff61-\uff9f]+)"
    r"|(?P<quote>‘(?=\d)|(?<=\w)‘(?=\w))"
    r"|(?P<mark>(?<![0-9A-Za-z０-９Ａ-Ｚａ-ｚ])[！（），．：；？]"
    r"|[！（），．：；？](?=[\u3000-\u9fff\uac00-\ud7af]))"
    r"|(?P<other>[^\x20-\x7e\sÀ-ɏ一-鿿぀-ヿ가-힯])"
)
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_WORD_LETTERS = 3
"""A raised number behind so many letters is a footnote's."""


def fold(buffer: Buffer) -> None:
    """Write the buffer's unreadable characters anew."""
    if _PLAIN.fullmatch(buffer.text) is None:
        buffer.substitute(_FOLDABLE, _folded)


def roman_value(letters: str) -> int:
    """The number that Roman numerals stand for; any order of letters has one."""
    values = [_ROMAN_VALUES[letter] for letter in letters.upper()]
    following = [*values[1:], 0]
    return sum(-a if a < b else a for a, b in zip(values, following, strict=True))


def _folded(found: re.Match[str]) -> str | None:
    text = found[0]
    before = found.string[max(0, found.start() - 1) : found.start()]
    after = found.string[found.end() : found.end() + 1]
    match found.lastgroup:
        case "space":
            return " "
        case "raised":
            return _raised(found)
        case "lowered" | "suffix" | "halfwidth":
            return unicodedata.normalize("NFKC", text)
        case "accented":
            return unicodedata.normalize("NFC", text)
        case "vulgar":
            fraction = unicodedata.normalize("NFKC", text).replace("⁄", "/")
            return _apart(fraction, before, after)
        case "roman":
            return str(roman_value(unicodedata.normalize("NFKC", text)))
        case "quote":
            return "'"
        case "mark":
            return None  # Chinese and Japanese voices know these; only 12：30 is Latin text
        case "keycap" | "joiner":
            return ""
        case _:
            said = _character(text)
            is_number = said is not None and said.isdigit() and not text.isdecimal()
            return _apart(said or "", before, after) if is_number else said


def _apart(text: str, before: str, after: str) -> str:
    """With a space where it would run into a number or a word."""
    return (" " if before.isalnum() else "") + text + (" " if after.isalnum() else "")


def _raised(found: re.Match[str]) -> str | None:
    """A power; the number of a footnote is silent.

    ``²`` and ``³`` stay: square metres are written with them, too."""
    if found[0] in {"²", "³"}:
        return None
    before = found.string[max(0, found.start() - _WORD_LETTERS) : found.start()]
    is_behind_word = len(before) == _WORD_LETTERS and (before.isalpha() or before[-1] in ".,;:!?")
    if is_behind_word and found[0][0] != "⁻":  # but cos⁻¹
        return ""
    return "^" + unicodedata.normalize("NFKC", found[0]).replace("−", "-").lstrip("+")


@lru_cache(maxsize=4096)
def _character(char: str) -> str | None:
    """What stands for one character; None: it stays."""
    if char in _SAME:
        return _SAME[char]
    code = ord(char)
    category = unicodedata.category(char)
    if category in _UNSPEAKABLE:
        return ""
    if category == "Cf":  # all but the joiners and tags that scripts and emoji need
        return None if char in "\u200c\u200d" or code >= 0xE0000 else ""
    if category == "Nd":  # a digit of any script
        return str(unicodedata.digit(char))
    if any(first <= code <= last for first, last in _COMPATIBLE) and char not in _NOT_COMPATIBLE:
        folded = unicodedata.normalize("NFKC", char)
        return folded.strip("()") if len(folded) > 1 else folded
    if _UNITS_IN_ONE[0] <= code <= _UNITS_IN_ONE[1]:
        _kind, *codes = unicodedata.decomposition(char).split()
        return "".join(chr(int(part, 16)) for part in codes).replace("\N{DIVISION SLASH}", "/")
    for first, last in _DARK_LETTERS:
        if first <= code <= last and char not in _DARK_EMOJI:
            return chr(ord("A") + code - first)
    if category == "No" and (number := unicodedata.numeric(char, 0)) == int(number):
        return str(int(number))  # ①, ❶, ㊿
    return None


FOLDED_SIGNS: Mapping[str, str] = {
    sign: said
    for first, last in (*_COMPATIBLE, _UNITS_IN_ONE, *_DARK_LETTERS)
    for sign in map(chr, range(first, last + 1))
    if unicodedata.category(sign).startswith("S") and (said := _character(sign)) is not None
}
"""The signs that are written as what they stand for: ``㎏`` as ``kg``."""
