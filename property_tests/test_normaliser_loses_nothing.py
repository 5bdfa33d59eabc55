"""The laws of the normaliser: it never raises, its places are in order and without gaps, plain
words come out as they went in, and no word beside a number is lost."""

from __future__ import annotations

import itertools
import re
import time
from typing import TYPE_CHECKING

import pytest
import structlog.testing
from hypothesis import example, given
from hypothesis import strategies as st

from stages.text.normalise import LetterStyle, normalise, prepare
from tests.text.normalise.scoring import read_cases

if TYPE_CHECKING:
    from stages.text.normalise import Spoken

LANGUAGES = ("en-us", "en-gb", "de", "es", "fr-fr", "it", "pt-br", "cmn", "ja", "pl")
WORDS = ("garden", "boats", "stayed", "under", "quiet", "Weather", "walked", "Überzeugung")
"""They are short for nothing and stand for no number, nor is any of them a ruler or a unit."""

languages = st.sampled_from(LANGUAGES)
styles = st.sampled_from(LetterStyle)
words = st.sampled_from(WORDS)
written = st.sampled_from([case.written for case in read_cases()])
numbers = st.one_of(
    st.integers(-(10**6), 10**12).map(str),
    st.integers(0, 10**9).map("{:,}".format),
    st.floats(0, 1e6).map("{:.2f}".format),
    st.dates().map(str),
    st.times().map(lambda time: time.isoformat("minutes")),
    st.ip_addresses().map(str),
    st.fractions(max_denominator=1000).map(str),
    st.tuples(st.sampled_from("$€£¥"), st.integers(0, 10**7)).map(lambda it: f"{it[0]}{it[1]}"),
    st.tuples(st.integers(0, 999), st.sampled_from(["km/h", "°C", "%", "GB", "th", "m²", "x"])).map(
        lambda it: f"{it[0]}{it[1]}"
    ),
    st.text("0123456789.,:/-–$%°'\"+x mkM", min_size=1, max_size=12),
    st.text("IVXLCDM.", min_size=1, max_size=6),
)
nasty = st.one_of(
    st.text(max_size=80),
    st.text(
        "aA10.,-/:;'\"$%#@&*_+=<>^~()[]{}|\\ \n½²³①Ⅳ５％µ°−–—…\u200b\u00ad\u00a0é字م", max_size=80
    ),
    st.lists(st.one_of(written, numbers, words), max_size=8).map(" ".join),
)


def said(text: str, language: str, letters: LetterStyle = LetterStyle.HYPHENED) -> Spoken:
    return normalise(text, language, letters=letters)


@given(nasty, languages, styles)
@example("I-V", "en-us", LetterStyle.HYPHENED)
def test_places_are_in_order_and_leave_no_gap(
    text: str, language: str, letters: LetterStyle
) -> None:
    spoken = said(text, language, letters)
    assert spoken.source_length == len(text)
    assert len(spoken.begins) == len(spoken.ends) == len(spoken.text)
    if not spoken.text:
        return
    assert spoken.begins[0] == 0
    assert spoken.ends[-1] == len(text)
    pairs = zip(spoken.begins, spoken.ends, strict=True)
    for (begin, end), (next_begin, next_end) in itertools.pairwise(pairs):
        assert begin <= next_begin <= end <= next_end
    for at in range(len(text)):
        begin, end = spoken.spoken_span(at, at + 1)
        assert begin < end
        source_begin, source_end = spoken.source_span(begin, end)
        assert source_begin <= at < source_end


@given(st.lists(st.tuples(words, st.sampled_from([" ", ", ", "; ", "! "])), min_size=1), languages)
def test_plain_words_are_left_alone(pieces: list[tuple[str, str]], language: str) -> None:
    text = "".join(itertools.chain.from_iterable(pieces))
    spoken = said(text, language)
    assert spoken.text == text
    assert spoken.begins == tuple(range(len(text)))


@given(nasty, languages, styles)
@example("$.00", "en-us", LetterStyle.SPACED)
def test_no_rule_fails(text: str, language: str, letters: LetterStyle) -> None:
    """Where one does, the text is said as it came, and the log has a line."""
    with structlog.testing.capture_logs() as logged:
        said(text, language, letters)
    assert logged == []


@given(nasty, styles)
def test_english_has_no_digits_left(text: str, letters: LetterStyle) -> None:
    assert not any(char.isdecimal() for char in said(text, "en-us", letters).text)


@given(st.lists(st.tuples(words, numbers), min_size=1, max_size=6), languages)
def test_no_word_beside_a_number_is_lost(pieces: list[tuple[str, str]], language: str) -> None:
    text = " ".join(itertools.chain.from_iterable(pieces))
    spoken = said(text, language)
    at = said_at = 0
    for word, _ in pieces:
        at = text.index(word, at)
        found = re.compile(rf"\b{word}\b").search(spoken.text, said_at)
        assert found, spoken.text
        begin, end = spoken.source_span(*found.span())
        assert begin <= at
        assert at + len(word) <= end
        at, said_at = at + len(word), found.end()


@pytest.fixture(scope="module", autouse=True)
def _prepared() -> None:
    for language in LANGUAGES:
        prepare(language)


@given(nasty.filter(bool), languages)
def test_no_200_characters_cost_20_ms(text: str, language: str) -> None:
    text = (text * 200)[:200]

    def cost_s() -> float:
        began = time.process_time()
        said(text, language)
        return time.process_time() - began

    assert min(cost_s() for _ in range(3)) < 0.02  # the garbage collector may be in one of them
