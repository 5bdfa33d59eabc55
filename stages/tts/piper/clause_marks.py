"""The mark that training has behind a clause.

piper1-gpl asks libespeak-ng what a clause ended with, by a function that is only in later editions
than ours. Here it is read from the clause's text, as ``readclause.c`` (1.52.0) does: the first of
the marks at the end counts.
"""

from __future__ import annotations

import re

_MARKS = {mark: mark for mark in ".,:;!?"} | {
    "،": ",", "؛": ";", "؟": "?", "۔": ".",
    "\N{EN DASH}": ";", "\N{EM DASH}": ";",
    "\N{GREEK QUESTION MARK}": "?", "\N{GREEK ANO TELEIA}": ";",
}  # fmt: skip
_SPACED = frozenset(",:;")
_UNKNOWN_TO_TRAINING = frozenset("。．，、！？：；।։")
"""piper1-gpl does not know them by their flag for needing no space behind, and so the voices of
their languages know neither marks nor spaces between clauses."""
_ELLIPSIS = "…"
"""It has that flag, too, but in text of other languages, where words would be run together."""
_LAST_MARKS = re.compile(
    f"[{re.escape(''.join([*_MARKS, *_UNKNOWN_TO_TRAINING, _ELLIPSIS]))}]+(?=\\s*\\Z)"
)


def mark_of(clause: str, *, is_last: bool) -> str:
    """The mark behind a clause, with the space behind that."""
    found = _LAST_MARKS.search(clause)
    marks = found[0] if found is not None else ""
    if is_last and not any(map(str.isalnum, clause)):
        return ""
    if marks.startswith((_ELLIPSIS, "...")):
        return "." if is_last else "; "
    if marks[:1] in _UNKNOWN_TO_TRAINING:
        return ""
    mark = _MARKS.get(marks[:1], "")
    if mark in _SPACED:
        return f"{mark} "
    # What ends without a mark, as before "¿", is not run together with what follows.
    return mark if mark or is_last else " "
