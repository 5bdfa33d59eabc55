"""Names that are like one that there is not."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(words: Iterable[str], known: Iterable[str], prefix: str = "") -> str:
    """``; did you mean --port?``: of the known names those that are most like these words, behind
    a prefix that all of them have; empty where none is."""
    names = sorted(known)
    near = dict.fromkeys(own for word in words for own in get_close_matches(word, names, n=1))
    return f"; did you mean {' or '.join(prefix + own for own in near)}?" if near else ""
