"""Written texts, said as a newsreader would: the table in cases.jsonl.

Its sets: `shared` was given; `own` was written before the rules, `second` and `third` after them,
each before it was tried. On their first run 363 of 385, 269 of 272 and 206 of 211 were right.
"""

from __future__ import annotations

import pytest

from stages.text.normalise import LetterStyle, normalise
from tests.text.normalise.scoring import Case, is_right, read_cases

KNOWN_FAILURES: frozenset[str] = frozenset()
"""Texts that are not said right yet. One that becomes right must leave this list."""


def params() -> list[object]:
    return [
        pytest.param(
            case,
            id=f"{case.kind}: {case.written}",
            marks=[pytest.mark.xfail(strict=True)] if case.written in KNOWN_FAILURES else [],
        )
        for case in read_cases()
    ]


@pytest.mark.parametrize("case", params())
def test_a_text_is_said_as_a_newsreader_says_it(case: Case) -> None:
    for letters in LetterStyle:
        said = normalise(case.written, "en-us", letters=letters).text
        assert is_right(said, case), said
