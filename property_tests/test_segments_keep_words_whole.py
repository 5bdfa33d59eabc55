"""The law of words: no segment under the limit cuts a number, an abbreviation or an address;
none cuts a grapheme."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import example, given
from hypothesis import strategies as st

from stages.segmenter.marks import MARKS
from tests.segmenter.cutting import (
    LIMIT,
    as_characters,
    graphemes_of,
    nasty_texts,
    sources_of,
)

if TYPE_CHECKING:
    from stages.items import Segmentation

AT_ONCE = {mark for mark, traits in MARKS.items() if traits.acts_at_once}
"""Marks that do not wait for what may join them in a grapheme."""

SIGNS = set("`<>*_~|#[]$\\&=(!")
"""Signs of markup: no character joins one in a grapheme, since it is not spoken."""

numbers = st.one_of(
    st.floats(0.001, 1e6).map(lambda number: f"{number:.3f}"),
    st.integers(0, 10**9).map(lambda number: f"{number:,}"),
    st.dates().map(str),
    st.ip_addresses(v=4).map(str),
    st.tuples(*[st.integers(0, 20)] * 3).map(lambda parts: "v{}.{}.{}".format(*parts)),
    st.sampled_from(["1.23e4", "12.5%", "$29.95", "€1.000,50", "3:22", "123-456-7890", ".5"]),
)
addresses = st.one_of(
    st.sampled_from(
        [
            "https://example.com:8080/a?b=1,2&c=d;e#f!g",
            "http://a.b/c;d,e?f=g!h",
            "www.example.org",
            "www.example.org/a?b=c,d",
            "example.com/search?q=a,b",
            "me+tag@mail.example.co.uk",
            "./a/b.txt",
            "[text](https://a.b/c?d=1,2)",
            "[text](/c?d=1;2)",
        ]
    ),
    st.text("abc?!,;.=&/", min_size=1, max_size=60).map(lambda end: f"https://a.b/x{end}y"),
)
named = st.builds(
    lambda title, name: f"{title} {name}",
    st.sampled_from(
        [
            "Dr.",
            "Mr.",
            "Mrs.",
            "St.",
            "J.",
            "A. J.",
            "U.S.",
            "Prof.",
            "vs.",
            "e.g.",
            "Ph.D.",
            "i.e.",
        ]
    ),
    st.sampled_from(["Smith", "Rivera", "John", "Government", "Orlov"]),
)
counted = st.builds(
    lambda label, number: f"{label} {number}",
    st.sampled_from(["No.", "p.", "pp.", "Fig.", "Vol.", "Sec.", "Jan.", "approx.", "et al."]),
    st.integers(1, 2000),
)
plain = st.sampled_from(["word", "and", "is", "Then", "it", "went", "über"])
wholes = st.one_of(numbers, addresses, named, counted)


@st.composite
def sentences(draw: st.DrawFn) -> tuple[str, list[tuple[int, int]]]:
    """Text, and the places of what must stay whole in it."""
    text = ""
    places = []
    for _ in range(draw(st.integers(1, 40))):
        text += draw(st.sampled_from(["", "(", '"', "**", "you, ", "so "])) if text else ""
        piece = draw(st.one_of(plain, wholes))
        places.append((len(text), len(text) + len(piece)))
        text += piece + draw(
            st.sampled_from([" ", " ", ", ", ". ", "! ", '." ', "; ", "?! ", "\n"])
        )
    return text, places


@given(sentences(), st.sampled_from(("eager", "sentence")))
def test_numbers_abbreviations_and_addresses_stay_whole(
    text_and_places: tuple[str, list[tuple[int, int]]], segmentation: Segmentation
) -> None:
    text, places = text_and_places
    begin = 0
    for source in sources_of([text], segmentation)[:-1]:
        cut = begin + len(source)
        if not is_cut_for_length(text, begin, cut):
            inside = [text[a:b] for a, b in places if a < cut < b]
            assert not inside, f"{source!r} cuts {inside}"
        begin = cut


def is_cut_for_length(text: str, begin: int, cut: int) -> bool:
    """At the last white space of a text that passes the limit, or at the limit."""
    passes = text[begin : begin + LIMIT + 1]
    is_last_space = text[cut].isspace() and not any(
        map(str.isspace, text[cut + 1 : begin + LIMIT + 1])
    )
    return len(passes) > LIMIT and (is_last_space or cut - begin == LIMIT)


@given(nasty_texts)
@example("Hello.\U0001f3fd Next")
def test_no_grapheme_is_cut(text: str) -> None:
    edges = {0, *itertools.accumulate(map(len, graphemes_of(text)))}
    cut = 0
    for source in sources_of(as_characters(text)):
        cut += len(source)
        if cut in edges or text[cut - 1] in AT_ONCE or text[cut] in SIGNS:
            continue
        longest = max(edge for edge in edges if edge < cut)
        assert cut - longest >= LIMIT or len(source) == LIMIT, repr(text[cut - 5 : cut + 5])
