"""LaTeX read out: `\\frac{x^2}{2}` is "x squared over 2". Data and a small parser.

What is read out is what a teacher would say at the blackboard; a formula that is longer, or has
what is not in the tables, has no words.
"""

from __future__ import annotations

import regex

from stages.text.markup.rules import names

MAX_WORDS = 24
"""More than this nobody understands by ear: "a formula" is said instead."""

MAX_DEPTH = 6
"""Of braces in braces."""

_GREEK = names("""
alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho
sigma tau upsilon phi varphi chi psi omega
""")

_SYMBOLS = {
    **{name: name.removeprefix("var") for name in _GREEK},
    **{name.capitalize(): f"capital {name}" for name in _GREEK},
    "times": "times",
    "cdot": "times",
    "ast": "times",
    "div": "divided by",
    "pm": "plus or minus",
    "mp": "minus or plus",
    "eq": "equals",
    "ne": "is not equal to",
    "neq": "is not equal to",
    "lt": "is less than",
    "gt": "is greater than",
    "le": "is less than or equal to",
    "leq": "is less than or equal to",
    "ge": "is greater than or equal to",
    "geq": "is greater than or equal to",
    "ll": "is much less than",
    "gg": "is much greater than",
    "approx": "is approximately",
    "simeq": "is approximately",
    "sim": "is similar to",
    "equiv": "is equivalent to",
    "cong": "is congruent to",
    "propto": "is proportional to",
    "to": "to",
    "rightarrow": "goes to",
    "longrightarrow": "goes to",
    "mapsto": "maps to",
    "Rightarrow": "implies",
    "implies": "implies",
    "iff": "if and only if",
    "Leftrightarrow": "if and only if",
    "leftrightarrow": "if and only if",
    "in": "in",
    "notin": "not in",
    "subset": "is a subset of",
    "subseteq": "is a subset of",
    "cup": "union",
    "cap": "intersection",
    "emptyset": "the empty set",
    "forall": "for all",
    "exists": "there exists",
    "neg": "not",
    "land": "and",
    "wedge": "and",
    "lor": "or",
    "vee": "or",
    "infty": "infinity",
    "partial": "partial",
    "nabla": "nabla",
    "circ": "degrees",
    "degree": "degrees",
    "angle": "angle",
    "perp": "is perpendicular to",
    "parallel": "is parallel to",
    "prime": "prime",
    "ldots": "and so on",
    "dots": "and so on",
    "cdots": "and so on",
    "sin": "sine",
    "cos": "cosine",
    "tan": "tangent",
    "log": "log",
    "ln": "natural log",
    "exp": "exponential",
    "max": "max",
    "min": "min",
    "det": "determinant of",
    "gcd": "gcd",
    "mod": "mod",
    "bmod": "mod",
    "hbar": "h bar",
    "ell": "l",
    "therefore": "therefore",
    "because": "because",
    "checkmark": "check",
}
_OPERATORS = {
    "+": "plus",
    "-": "minus",
    "−": "minus",
    "=": "equals",
    "*": "times",
    "/": "over",
    "<": "is less than",
    ">": "is greater than",
    "!": "factorial",
    "'": "prime",
    "%": "percent",
    **dict.fromkeys("&~|()[]", ""),
}
_POWERS = {"2": "squared", "3": "cubed", "\\circ": "degrees", "\\prime": "prime", "T": "transposed"}
_SCRIPTS = frozenset("^_")
_ROOTS = {"2": "the square root of", "3": "the cube root of"}
_BIG = {
    "sum": "the sum",
    "prod": "the product",
    "int": "the integral",
    "oint": "the integral",
    "lim": "the limit",
}
"""What runs from a lower limit to an upper one."""
_ACCENTS = {"hat": "hat", "bar": "bar", "overline": "bar", "vec": "vector", "tilde": "tilde"}
_ROOTED = frozenset({"sqrt", "binom"})
_FRACTIONS = frozenset({"frac", "dfrac", "tfrac", "cfrac"})
_FONTS = frozenset({"mathbf", "mathbb", "mathcal", "mathit", "boldsymbol", "boxed", "displaystyle"})
_SILENT = _FONTS | names(
    "left right big Big bigl bigr quad qquad limits nolimits , ; : ! \\ { } | ( ) [ ]"
)
_ESCAPED = {"%": "percent", "&": "and", "$": "dollars", "#": "number", "_": ""}

COMMANDS = (
    frozenset(_SYMBOLS) | frozenset(_BIG) | frozenset(_ACCENTS) | _FRACTIONS | _FONTS | _ROOTED
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


def words_of(formula: str) -> str | None:
    """What is said for a formula; None: nothing that an ear could follow."""
    if _CHEMICAL.fullmatch(formula):
        return " ".join(_RUN.findall(formula))
    try:
        words = _Parser(formula).read().split()
    except _Unreadable:
        return None
    return " ".join(words) if len(words) <= MAX_WORDS else None


class _Parser:
    """Recursive descent: each method reads what it is named for, and returns its words."""

    def __init__(self, formula: str) -> None:
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
        words = [] if stands_alone else [self._thing()]
        while self._peek() in _SCRIPTS:
            is_power = self._next() == "^"
            begin = self._at
            script = self._thing()
            raw = "".join(self._signs[begin : self._at]).strip("{}")
            power = _POWERS.get(raw) or f"to the {script}"
            words.append(power if is_power else script if stands_alone else f"sub {script}")
        return " ".join(words)

    def _thing(self) -> str:
        """One sign, one command with what it needs, or what stands in braces."""
        sign = self._next()
        if sign == "{":
            return self._group("}")
        if sign.startswith("\\"):
            return self._command(sign)
        if sign in "}^_$#":
            raise _Unreadable
        return _OPERATORS.get(sign, sign)

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
            return f"{self._thing()} over {self._thing()}"
        if name == "sqrt":
            degree = self._group("]") if self._peek() == "[" and self._next() else "2"
            return f"{_ROOTS.get(degree) or f'the {degree}-th root of'} {self._thing()}"
        if name == "binom":
            return f"{self._thing()} choose {self._thing()}"
        if name in _BIG:
            return self._with_limits(name)
        if name in _ACCENTS:
            return f"{self._thing()} {_ACCENTS[name]}"
        if name in _SILENT or name.isspace():
            return ""
        words = _SYMBOLS.get(name, _ESCAPED.get(name))
        if words is None:
            raise _Unreadable
        return words

    def _with_limits(self, name: str) -> str:
        words = [_BIG[name]]
        prepositions = {"_": "as" if name == "lim" else "from", "^": "to"}
        while self._peek() in prepositions:
            words += [prepositions[self._next()], self._thing()]
        return " ".join([*words, "of"])
