"""LaTeX read out: `\\frac{x^2}{2}` is "x squared over 2". A small parser.

What is read out is what a teacher would say at the blackboard; a formula that is longer, or has
what is not in the tables, has no words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import regex

from stages.text.markup.rules import names
from stages.text.markup.words import markup_words

if TYPE_CHECKING:
    from stages.text.markup.words import MarkupWords

MAX_WORDS = 24
"""More than this nobody understands by ear: "a formula" is said instead."""

MAX_DEPTH = 6
"""Of braces in braces."""

_SCRIPTS = frozenset("^_")
_ROOTED = frozenset({"sqrt", "binom"})
_FRACTIONS = frozenset({"frac", "dfrac", "tfrac", "cfrac"})
_FONTS = frozenset({"mathbf", "mathbb", "mathcal", "mathit", "boldsymbol", "boxed", "displaystyle"})
_SILENT = _FONTS | names(
    "left right big Big bigl bigr quad qquad limits nolimits , ; : ! \\ { } | ( ) [ ] _"
)
_NOTHING = frozenset("&~|()[]")

_ENGLISH = markup_words("en")
COMMANDS = (
    frozenset(_ENGLISH.symbols)
    | frozenset(_ENGLISH.big_signs)
    | frozenset(_ENGLISH.accents)
    | _FRACTIONS
    | _FONTS
    | _ROOTED
)
"""What is read out also where no dollar signs stand around it."""

_SIGN = regex.compile(
    r"""\\(?:text\w*|mathrm|operatorname|mbox|ce)\s*\{(?P<text>[^{}]*)\}
    | \\[A-Za-z]+ | \\. | \d+(?:[.,]\d+)* | sin | cos | tan | log | ln | exp | mod | lim
    | [A-Za-z]{4,} | \S""",
    regex.VERBOSE,
)


_ELEMENT = r"(?:[A-Z][a-z]?(?:_(?:\d|\{\d{1,3}\}))?)"
_CHEMICAL = regex.compile(rf"(?=.*_){_ELEMENT}{{2,12}}")
"""``H_2O``, and nothing is said for its low numbers but the numbers."""
_RUN = regex.compile(r"[A-Z][a-z]?|\d+")


class _Unreadable(Exception):
    """It has no words."""


def words_of(formula: str, words: MarkupWords) -> str | None:
    """What is said for a formula; None: nothing that an ear could follow."""
    if _CHEMICAL.fullmatch(formula):
        return " ".join(_RUN.findall(formula))
    try:
        said = _Parser(formula, words).read().split()
    except _Unreadable:
        return None
    return " ".join(said) if len(said) <= MAX_WORDS else None


class _Parser:
    """Recursive descent: each method reads what it is named for, and returns its words."""

    def __init__(self, formula: str, words: MarkupWords) -> None:
        self._words = words
        self._signs = [found.group() for found in _SIGN.finditer(formula)]
        self._at = 0
        self._depth = 0

    def read(self) -> str:
        """All of it."""
        words = []
        while self._at < len(self._signs):
            words.append(self._term())
        return " ".join(words)

    def _peek(self) -> str:
        return self._signs[self._at] if self._at < len(self._signs) else ""

    def _next(self) -> str:
        sign = self._peek()
        if not sign:
            raise _Unreadable
        self._at += 1
        return sign

    def _term(self) -> str:
        """One thing, with what is written above and below it."""
        stands_alone = self._peek() in _SCRIPTS  # the 2 of H$_2$O
        said = "" if stands_alone else self._thing()
        while self._peek() in _SCRIPTS:
            is_power = self._next() == "^"
            begin = self._at
            script = self._thing()
            raw = "".join(self._signs[begin : self._at]).strip("{}")
            if is_power:
                said = self._words.powers.get(raw, self._words.power).format(said, script)
            else:
                said = script if stands_alone else self._words.sub.format(said, script)
        return said

    def _thing(self) -> str:
        """One sign, one command with what it needs, or what stands in braces."""
        sign = self._next()
        if sign == "{":
            return self._group("}")
        if sign.startswith("\\"):
            return self._command(sign)
        if sign in "}^_$#":
            raise _Unreadable
        return "" if sign in _NOTHING else self._words.operators.get(sign, sign)

    def _group(self, closing: str) -> str:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _Unreadable
        words = []
        while self._peek() != closing:
            words.append(self._term())
        self._at += 1
        self._depth -= 1
        return " ".join(words)

    def _command(self, sign: str) -> str:
        text = _SIGN.fullmatch(sign)
        if text is not None and text["text"] is not None:
            return text["text"]
        name = sign[1:]
        if name in _FRACTIONS:
            return self._filled(self._words.fraction, self._thing(), self._thing())
        if name == "sqrt":
            degree = self._group("]") if self._peek() == "[" and self._next() else "2"
            roots = {"2": self._words.square_root, "3": self._words.cube_root}
            return self._filled(roots.get(degree, self._words.root), self._thing(), degree)
        if name == "binom":
            return self._filled(self._words.binomial, self._thing(), self._thing())
        if name in self._words.big_signs:
            return self._with_limits(name)
        if name in self._words.accents:
            return f"{self._thing()} {self._words.accents[name]}"
        if name in _SILENT or name.isspace():
            return ""
        said = self._words.symbols.get(name)
        if said is None:
            raise _Unreadable
        return said

    def _filled(self, template: str, first: str, second: str) -> str:
        if not template:
            raise _Unreadable
        return template.format(first, second)

    def _with_limits(self, name: str) -> str:
        limits = {"_": "", "^": ""}
        templates = {
            "_": self._words.approaches if name == "lim" else self._words.lower,
            "^": self._words.upper,
        }
        while self._peek() in limits:
            which = self._next()
            limits[which] = self._filled(templates[which], self._thing(), "")
        return self._words.big.format(
            name=self._words.big_signs[name], lower=limits["_"], upper=limits["^"]
        )
