"""The gate of `make nightly` (bench/quality.py) fails where it should."""

from __future__ import annotations

import pytest

from bench.common import Figure
from bench.judges import word_errors, words_of


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("The rain stopped.", "the rain stopped", 0),
        ("The rain stopped.", "the train stopped", 1),
        ("The rain stopped.", "rain stopped", 1),
        ("The rain stopped.", "the rain has stopped", 1),
        ("The rain stopped.", "rain the stopped", 2),
        ("The rain stopped.", "", 3),
        ("Yes.", "yes that is what she said", 5),
    ],
)
def test_words_are_counted_that_are_wrong_missing_or_too_many(
    said: str, heard: str, errors: int
) -> None:
    assert word_errors(words_of(said), words_of(heard)) == errors


def test_a_figure_is_missed_on_the_wrong_side_of_its_bound_alone() -> None:
    """One that was not measured, since only one engine was asked for, is not."""
    least = Figure("how good", "as it is", "p808", at_least=3.5)
    most = Figure("wrong words", "as it is", "wer_percent", at_most=20)
    told = {"as it is": {"p808": 3.4, "wer_percent": 21.0}}
    assert [figure.is_missed(told) for figure in (least, most)] == [True, True]
    told = {"as it is": {"p808": 3.5, "wer_percent": 20.0}}
    assert [figure.is_missed(told) for figure in (least, most)] == [False, False]
    assert not least.is_missed({})
    assert least.has_target
    assert not Figure("how long", "as it is", "ms").has_target
