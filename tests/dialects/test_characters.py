"""Characters' times, from words'."""

from __future__ import annotations

from dataclasses import replace

from pipeline.dialects.characters import CharacterTimer
from stages.items import SegmentEnded, WordTimes
from stages.word_clock import Word
from tests.fakes import segment


def test_characters_share_their_words_time_and_make_up_the_text() -> None:
    said = replace(segment("Hi you", 3), source="Hi *you*. ")
    words = Word("Hi", 0, 2, 1.0, 2.0, is_exact=True), Word("you", 4, 7, 3.0, 6.0, is_exact=True)
    timer = CharacterTimer()
    given = [
        *timer.words(WordTimes(said, words[:1], 10)),
        *timer.words(WordTimes(said, words[1:], 10)),
    ]
    given += timer.rest(SegmentEnded(said, 0, 70), 10)
    assert given == [
        ("H", 1.0, 1.5),
        ("i", 1.5, 2.0),
        (" ", 2.0, 2.0),
        ("*", 2.0, 2.0),
        ("y", 3.0, 4.0),
        ("o", 4.0, 5.0),
        ("u", 5.0, 6.0),
        ("*", 6.0, 6.0),
        (".", 6.0, 6.0),
        (" ", 6.0, 6.0),
    ]


def test_a_segment_without_words_has_its_text_where_it_is() -> None:
    silent = segment("...")
    assert list(CharacterTimer().rest(SegmentEnded(silent, 30, 0), 10)) == [(".", 3.0, 3.0)] * 3
