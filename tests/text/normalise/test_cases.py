"""Written texts, said as a newsreader would: the table in cases.jsonl.

Its sets: `shared` was given; `own` was written before the rules, the others after them, each
before it was tried and by somebody who had not seen the rules. On their first run 363 of 385, 269
of 272, 206 of 211, 330 of 351, 263 of 273 and 212 of 223 were right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stages.text.normalise import LetterStyle, normalise
from tests.segmenter.cutting import segments_of
from tests.text.normalise.scoring import Case, is_right, read_cases

if TYPE_CHECKING:
    from stages.items import Segmentation

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


SHORTENED = ("https://", "http://", "github.com/", "example.com/", "docs.python.org/")
"""Of these the segmenter leaves the host."""
FACTORIALS = frozenset({"So 3! = 6.", "So 5! = 120."})
"""An exclamation mark behind a digit ends a segment at once."""


@pytest.mark.parametrize("segmentation", ["eager", "auto"])
def test_a_text_that_is_cut_into_segments_is_said_the_same(segmentation: Segmentation) -> None:
    """`Mon, 3 June` is cut behind its comma, `July 4th, 1776` before its year."""
    for case in read_cases():
        if case.written in FACTORIALS or any(host in case.written for host in SHORTENED):
            continue
        segments = segments_of([case.written], segmentation)
        said = [
            normalise(segment.spoken, "en-us", letters=LetterStyle.HYPHENED).text
            for segment in segments
        ]
        assert is_right(" ".join(said), case), said


@pytest.mark.parametrize("case", params())
def test_a_text_is_said_as_a_newsreader_says_it(case: Case) -> None:
    for letters in LetterStyle:
        said = normalise(case.written, "en-us", letters=letters).text
        assert is_right(said, case), said
