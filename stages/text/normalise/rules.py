"""A rule: a pattern of writing, and how it is said."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stages.text.normalise.letters import LetterStyle
    from stages.text.normalise.spoken import Buffer


@dataclass(frozen=True, slots=True)
class Target:
    """Who the text is said for."""

    letters: LetterStyle
    month_first: bool = True
    """5/6 is May the sixth, as Americans write it."""


Say: TypeAlias = "Callable[[re.Match[str], Target], str | None]"
"""What is said for a match; None leaves it as it is."""


_INNER_STOP = re.compile(r"\.\w")
DATA = Path(__file__).with_name("data")
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class TextRule(NamedTuple):
    needs: tuple[frozenset[str], ...]
    """The rule is tried where the text has a character of each of these sets."""
    pattern: re.Pattern[str]
    say: Say

    def rewrite(self, buffer: Buffer, target: Target) -> None:
        buffer.substitute(self.pattern, lambda found: self.say(found, target))


def rule(needs: str, pattern: str, say: Say | str) -> TextRule:
    """A rule. `needs` has its sets with spaces between them; 0 is any digit, and ‥ a full stop
    within a word. A string to say is a template, as in `re.sub`."""
    sets = tuple(map(frozenset, needs.split()))
    if isinstance(say, str):
        template = say
        return TextRule(sets, re.compile(pattern), lambda found, _target: found.expand(template))
    return TextRule(sets, re.compile(pattern), say)


def any_of(words: Iterable[str]) -> str:
    """A pattern for any of these words, the longest first."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


def apply(rules: Iterable[TextRule], buffer: Buffer, target: Target) -> None:
    """Rewrite the buffer by each rule in turn."""
    text, there = "", frozenset[str]()
    for each in rules:
        if buffer.text is not text:
            text, there = buffer.text, _characters(buffer.text)
        if not any(map(there.isdisjoint, each.needs)):
            each.rewrite(buffer, target)


def _characters(text: str) -> frozenset[str]:
    there = set(text)
    if not there.isdisjoint("123456789"):
        there.add("0")
    if "." in there and _INNER_STOP.search(text):
        there.add("‥")
    return frozenset(there)
