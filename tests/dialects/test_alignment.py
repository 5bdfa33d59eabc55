"""The times of characters and words, as dialects tell them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from pipeline.dialects.alignment import SaidPiece, TextTimes, characters, words
from stages.items import SegmentEnded, SegmentStarted, Word, WordTimes
from tests.fakes import segment

if TYPE_CHECKING:
    from collections.abc import Sequence

RATE = 1000


def said(text: str, found: Sequence[Word], start: int, n_samples: int) -> list[SaidPiece]:
    """What is told of a segment with these words."""
    times, own = TextTimes(RATE), segment(text)
    told = times.said(SegmentStarted(own, start))
    for word in found:
        told += times.said(WordTimes(own, (word,), RATE))
    assert told == []
    return times.said(SegmentEnded(own, start, n_samples))


def test_words_have_their_own_times_and_what_is_between_them_the_rest() -> None:
    found = [Word("Oh,", 1, 4, 2.0, 2.5, True), Word("yes!", 5, 9, 2.7, 3.0, True)]
    assert said(" Oh, yes!\n", found, 1000, 3000) == [
        (" ", 1.0, 2.0), ("Oh,", 2.0, 2.5), (" ", 2.5, 2.7), ("yes!", 2.7, 3.0), ("\n", 3.0, 4.0),
    ]  # fmt: skip


def test_all_of_the_time_is_told() -> None:
    """Clients add up what each message tells, and would be ahead by the pause at its end."""
    assert said("Oh", [Word("Oh", 0, 2, 1.2, 1.5, True)], 1000, 1000) == [
        ("", 1.0, 1.2), ("Oh", 1.2, 1.5), ("", 1.5, 2.0),
    ]  # fmt: skip


def test_without_words_the_characters_are_spoken_evenly() -> None:
    assert words(said("ab cd", [], 0, 5000)) == [("ab", 0.0, 2.0), ("cd", 3.0, 5.0)]


def test_one_segments_words_are_not_the_next_ones() -> None:
    times, one = TextTimes(RATE), segment("a")
    times.said(SegmentStarted(one, 0))
    times.said(WordTimes(one, (Word("a", 0, 1, 0.0, 1.0, True),), RATE))
    times.said(SegmentStarted(segment("b", 1), 1000))  # the first one failed
    assert times.said(SegmentEnded(segment("b", 1), 1000, 500)) == [("b", 1.0, 1.5)]


@given(st.lists(st.tuples(st.text("ab, ", max_size=3), st.text("cd", min_size=1)), max_size=5))
def test_all_of_the_text_is_told_in_order(parts: list[tuple[str, str]]) -> None:
    text = ""
    found: list[Word] = []
    for before, word in parts:
        begin = len(text) + len(before)
        start_s = float(2 * len(found))
        text += before + word
        found.append(Word(word, begin, len(text), start_s, start_s + 1.5, True))
    told = characters(said(text, found, 0, 2000 * len(found)))
    assert "".join(piece.text for piece in told) == text
    assert all(one.start_s <= one.end_s <= other.start_s + 1e-9 for one, other in pairwise(told))
