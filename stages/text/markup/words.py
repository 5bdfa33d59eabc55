"""What is said of markup that stands for words of its own, by language: the tables in ``data/``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_DATA = Path(__file__).with_name("data")
_FILES = frozenset(path.stem for path in _DATA.glob("*.toml"))
_ALIASES = {"cmn": "zh", "yue": "zh"}
_OTHER = "other"


@dataclass(frozen=True)
class MarkupWords:
    """A language's words. In templates ``{0}`` and ``{1}`` are what a command is given; an empty
    template has none in this language, and neither has a name that is in no table."""

    formula: str
    """For a formula that nobody could follow; may be empty, which is silence."""
    link: str
    fraction: str
    power: str
    sub: str
    square_root: str
    powers: Mapping[str, str]
    """By the exponent; templates."""
    operators: Mapping[str, str]
    symbols: Mapping[str, str]
    """By the names of commands."""
    cube_root: str = ""
    root: str = ""
    binomial: str = ""
    big: str = ""
    """Of what runs from a lower limit to an upper one: ``{name}``, ``{lower}``, ``{upper}``."""
    lower: str = ""
    upper: str = ""
    approaches: str = ""
    """The lower limit of a limit."""
    big_signs: Mapping[str, str] = field(default_factory=dict)
    accents: Mapping[str, str] = field(default_factory=dict)


def markup_words(language: str) -> MarkupWords:
    """The words of a language, a tag as voices have it; for one without a table what no language
    says in another way: numbers, letters and signs."""
    base = language.partition("-")[0]
    base = _ALIASES.get(base, base)
    return _read(base if base in _FILES else _OTHER)


@cache
def _read(name: str) -> MarkupWords:
    table, other = _table(name), _table(_OTHER)
    # A Greek letter, or a sign, is one in every language.
    return MarkupWords(**{**table, "symbols": other["symbols"] | table["symbols"]})


def _table(name: str) -> dict[str, Any]:
    return tomllib.loads((_DATA / f"{name}.toml").read_text("utf-8"))
