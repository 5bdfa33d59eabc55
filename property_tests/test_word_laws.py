"""The laws of word times: whatever is said, and whatever an engine tells of it, words rise in the
text and in the sound, slice to themselves, and do not depend on how the text was cut."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from stages.engine import SaidWord
from stages.items import Segment, Style, Token
from stages.segmenter import Segmenter
from stages.text.normalise import LetterStyle, normalise
from stages.text.spoken_words import spoken_words
from stages.tts.word_times import Envelope, Timescale, estimated_words, told_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.word_clock import Word

RATE = 1000

PIECES = (
    *("word", "Dr. ", "don't", "$5 million", "3/4", "x², ", "a", "\u00ad", "\u200b", "&", "5 %"),
    *("今天天气", "很好", "วันนี้อากาศ", "ดี", "Café", "e\u0301", "👍🏽", "😀", "№"),
    *(
        "**",
        "`",
        "[link](http://a.b/c)",
        "[York](/jɔɹk/)",
        "[New York](/nuː jɔɹk/)",
        "<b>",
        "$x^2$",
    ),
    *(
        " ",
        "  ",
        "\n",
        "\n\n",
        "- ",
        ", ",
        ". ",
        "! ",
        "—",
        "“",
        "”",
        "(",
        ")",
        "…",
        '<break time="1s"/>',
    ),
)
texts = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


def segments_of(text: str, cuts: Sequence[int] = ()) -> list[Segment]:
    """As the server makes them, with what is said of each."""
    segmenter, style = Segmenter(), Style("plain")
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    made = [
        one for a, b in pairwise(places) for one in segmenter.push(Token(text[a:b], style), 0.0)
    ]
    return [said(one) for one in (*made, *segmenter.flush(0.0))]


def said(one: Segment) -> Segment:
    normal = normalise(one.spoken, "en", letters=LetterStyle.HYPHENED)
    assert one.written is not None
    assert one.written.text == one.spoken
    return replace(one, spoken=normal.text, written=normal.of(one.written))


def check(words: Sequence[Word], source: str, end_s: float) -> None:
    """Words that rise and are what they say."""
    for word in words:
        assert word.text == source[word.begin : word.end]
        assert word.text == word.text.strip() != ""
        assert 0 <= word.start_s <= word.end_s <= end_s + 1e-9
    for one, following in pairwise(words):
        assert one.end <= following.begin
        assert one.end_s <= following.start_s + 1e-9


@given(texts, st.lists(st.integers(0, 500), max_size=8))
@example("**Hello** 😀 world", [3])
def test_words_are_those_of_the_text_however_it_was_cut(text: str, cuts: list[int]) -> None:
    whole, in_pieces = segments_of(text), segments_of(text, cuts)
    assert "".join(one.source for one in whole) == text
    for one, other in zip(whole, in_pieces, strict=True):
        words = spoken_words(one.spoken, one.source, one.written)
        assert words == spoken_words(other.spoken, other.source, other.written)
        assert all(a.source[1] <= b.source[0] for a, b in pairwise(words))
        assert all(a.spoken[1] <= b.spoken[0] for a, b in pairwise(words))
        assert bool(words) == bool(one.spoken)


@given(texts, st.data())
def test_times_that_an_engine_tells_rise_with_the_words(text: str, data: st.DataObject) -> None:
    """It tells of some characters, as it likes: of none of a word, or several times."""
    for one in segments_of(text):
        n_chars = len(one.spoken)
        if not n_chars:
            continue
        begins = sorted(data.draw(st.lists(st.integers(0, n_chars - 1), min_size=1)))
        borders = sorted(
            data.draw(
                st.lists(st.integers(0, 900), min_size=2 * len(begins), max_size=2 * len(begins))
            )
        )
        told = [SaidWord(*each) for each in zip(begins, borders[::2], borders[1::2], strict=True)]
        words = told_words(one, told, Timescale(RATE, lead_s=0.5, speed=2.0))
        check(words, one.source, (0.5 + 0.9) / 2)
        assert len(words) == len(spoken_words(one.spoken, one.source, one.written))


levels = st.lists(st.tuples(st.sampled_from((0.0, 0.3, 0.01)), st.integers(1, 400)), max_size=9)


@given(texts, levels, st.integers(1, 300))
def test_estimates_lie_in_the_speech(text: str, sound: list[tuple[float, int]], cut: int) -> None:
    samples = np.concatenate(
        [np.zeros(0, np.float32)] + [np.full(n, at, np.float32) for at, n in sound]
    )
    for one in segments_of(text):
        envelope, in_pieces = Envelope(RATE), Envelope(RATE)
        envelope.push(samples)
        for start in range(0, len(samples), cut):
            in_pieces.push(samples[start : start + cut])
        words = estimated_words(one, envelope, Timescale(RATE))
        assert words == estimated_words(one, in_pieces, Timescale(RATE))
        check(words, one.source, len(samples) / RATE)
        is_heard = samples[: len(samples) // 10 * 10].any()  # whole hops
        assert bool(words) == (is_heard and bool(one.spoken))
        assert not any(word.is_exact for word in words)
