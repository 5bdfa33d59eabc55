"""Pronunciations in text: whole in one segment, and no boundary by their marks."""

from __future__ import annotations

from tests.segmenter.cutting import SPLITS, segments_of

WORD = "[Worcester](/ˈwʊs.tɚ/)"


def test_its_marks_end_no_segment() -> None:
    """The dot of a syllable is none of a sentence."""
    text = f"I live in {WORD}. And you, in {WORD}? [Dr. No](/ˈnoʊ/) does."
    for split in SPLITS:
        segments = segments_of(split(text))
        assert [segment.spoken for segment in segments] == [
            f"I live in {WORD}.",
            "And you,",
            f"in {WORD}?",
            "[Dr. No](/ˈnoʊ/) does.",
        ]
        assert "".join(segment.source for segment in segments) == text


def test_a_word_may_have_any_mark() -> None:
    """It was cut behind its question mark, and its sounds were not said."""
    for word in ("Dr. Who?", "Yahoo!", "a, b: c", "C++", "«Où»"):
        text = f"[{word}](/ˈhuː/) said."
        for split in SPLITS:
            assert [each.spoken for each in segments_of(split(text))] == [text]


def test_a_long_text_is_not_cut_within_it() -> None:
    for n in range(170, 200):
        text = "x" * n + " [New York](/ˈnuː ˈjɔːk/) and so on"
        spoken = [segment.spoken for segment in segments_of([text])]
        assert sum("[New York](/ˈnuː ˈjɔːk/)" in each for each in spoken) == 1
