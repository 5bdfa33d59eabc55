"""The rules of the reader's table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import regex
from regex import Match, Pattern

from stages.text.markup.context import Context
from stages.text.markup.pieces import TextPiece, silent

MAX_HELD_CHARS = 256
"""The longest text that a rule looks at, and so the bound of what is held back."""

END = "\x03"
"""The character behind the last one, where nothing follows any more."""

EOL = r"(?=\r?\n|\x03)"
"""The end of a line, as a lookahead, also of one that ends as in Windows."""

Act: TypeAlias = Callable[[Context, Match[str]], Sequence[TextPiece] | None]
"""The pieces that a match becomes; None: the rule does not hold here after all."""


def names(text: str) -> frozenset[str]:
    """Names that are written with white space between them."""
    return frozenset(text.split())


def always(_: Context) -> bool:
    """The condition of a rule that has none."""
    return True


def at_line_start(context: Context) -> bool:
    """Nothing visible stands before in this line, but list markers."""
    return context.line.begins


@dataclass(frozen=True)
class MarkupRule:
    """One kind of markup."""

    first: str
    """A character class: what it begins with."""
    pattern: Pattern[str]
    act: Act
    when: Callable[[Context], bool] = always
    not_after: str = ""
    """A character class: what must not stand before it."""
    glance: str = ""
    """A lookahead that every match fulfils, to pass by what cannot become one."""
    keeps_beginning: bool = False
    """What is visible in it does not end a line's beginning."""

    def may_follow(self, context: Context) -> bool:
        """Whether it may hold behind what was read so far."""
        return self.when(context) and not (self._behind and self._behind.match(context.last))

    @cached_property
    def _behind(self) -> Pattern[str] | None:
        return regex.compile(self.not_after) if self.not_after else None

    @property
    def is_guarded(self) -> bool:
        """Not every such character may begin it."""
        return bool(self.not_after or self.glance)

    @property
    def start(self) -> str:
        """A pattern for where it may begin. It sees less of what stands before than there is,
        and so finds too much rather than too little."""
        behind = f"(?<!{self.not_after})" if self.not_after else ""
        return f"{behind}{self.glance}{self.first}"


def compiled(pattern: str) -> Pattern[str]:
    """A pattern, its white space and comments left out."""
    return regex.compile(pattern, regex.VERBOSE)


def take_out(_: Context, match: Match[str]) -> Sequence[TextPiece]:
    """The match is not spoken."""
    return (silent(match.group()),)
