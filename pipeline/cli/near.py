"""Names that are like one that there is not."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(words: Iterable[str], known: Iterable[str], most: int = 1) -> str:
    """``; did you mean --port?``: of the known names those that are most like one of these words;
    empty where none is."""
    names = sorted(known)
    near = dict.fromkeys(own for word in words for own in get_close_matches(word, names, n=most))
    return f"; did you mean {' or '.join(near)}?" if near else ""
