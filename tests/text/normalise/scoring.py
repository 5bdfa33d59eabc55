"""How written texts are scored: what is said against what a newsreader would say.

Case, marks, hyphens and the "and" inside of numbers do not count, nor do spaces.
"""

from __future__ import annotations

import itertools
import json
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

CASES = Path(__file__).with_name("cases.jsonl")

_NUMBER = (
    r"(?:zero|oh?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|\w+ty"
    r"|\w+(?:th|first|second|third))"
)
_AND_IN_NUMBER = re.compile(rf"\b(hundred|thousand|million|billion) and (?={_NUMBER}\b)")
_NOT_SAID = re.compile(r"[^\w\s]|_")
_ALTERNATIVES = re.compile(r"\(([^()]*)\)")


class Case(NamedTuple):
    kind: str
    written: str
    spoken: tuple[str, ...]
    """Any of these is right; ``(a|b|)`` in one is a or b or nothing."""


def read_cases(path: Path = CASES) -> list[Case]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [
        Case(entry["kind"], entry["in"], tuple(entry["out"])) for entry in map(json.loads, lines)
    ]


def is_right(said: str, case: Case) -> bool:
    heard = heard_in(said)
    return any(heard_in(spoken) == heard for right in case.spoken for spoken in _each(right))


def heard_in(text: str) -> str:
    """The words of a text, in small letters, one space between them."""
    text = unicodedata.normalize("NFC", text).lower().replace("’", "").replace("'", "")
    text = " ".join(_NOT_SAID.sub(" ", text).split())
    return _AND_IN_NUMBER.sub(r"\1 ", text)


def _each(pattern: str) -> list[str]:
    """All texts that a pattern with ``(a|b)`` stands for."""
    parts = _ALTERNATIVES.split(pattern)  # texts at even places, alternatives at odd ones
    choices = [part.split("|") if place % 2 else [part] for place, part in enumerate(parts)]
    return ["".join(choice) for choice in itertools.product(*choices)]
