"""The laws of a lexicon: only whole words are found, and all that stand by themselves; what is said
for them comes through the normaliser as it is, with its place; and the looks are bounded."""

from __future__ import annotations

import itertools
import unicodedata

import regex
from hypothesis import example, given
from hypothesis import strategies as st

from stages.text.lexicon import Pronunciation, WordTable, pronunciations
from stages.text.lexicon.rewriting import MAX_GROWTH_CHARS
from stages.text.lexicon.words import FoldedText, Match, find
from stages.text.normalise import LetterStyle, normalise

LETTERS = "aAbBéÉsSßtT5"
WORDS = (
    "Nginx",
    "cat",
    "US",
    "us",
    "SQL",
    "SQL Server",
    "Straße",
    "Café",
    "C++",
    "東京",
    "a",
    "kg",
)

words = st.one_of(
    st.sampled_from(WORDS),
    st.text(LETTERS, min_size=1, max_size=5),
    st.text(LETTERS + " '+.東ー京ไทย\u0301", min_size=1, max_size=6).filter(
        lambda word: word.strip()
    ),
)
tables = st.dictionaries(words, st.builds(Pronunciation, st.text("xyz ", min_size=1, max_size=9)))
texts = st.lists(
    st.one_of(
        words,
        words.map(str.upper),
        words.map(lambda word: unicodedata.normalize("NFD", word)),
        st.sampled_from(
            [" ", "  ", "\n", "\u00a0", ".", ", ", "'s ", "’s", "'t ", "-", "1/2", "$5 "]
        ),
        st.text(max_size=4),
    ),
    max_size=20,
).map("".join)


def same(text: str) -> str:
    """A text without what makes no difference."""
    text = unicodedata.normalize("NFC", " ".join(text.replace("’", "'").split()))
    return unicodedata.normalize("NFD", text.casefold())


@given(texts, tables)
def test_only_whole_words_are_found(text: str, entries: dict[str, Pronunciation]) -> None:
    matches = list(find(text, [WordTable(entries)]))
    known = {same(word) for word in entries}
    for begin, end, said in matches:
        assert same(text[begin:end]) in known
        assert said in entries.values()
        for at in (begin, end):
            assert not regex.fullmatch(
                r"[a-zA-ZÀ-ÖØ-öø-ɏ0-9_]{2}", text[at - 1 : at + 1] if at else ""
            )
    assert all(one.end <= two.begin for one, two in itertools.pairwise(matches))


@given(st.lists(st.sampled_from([word for word in WORDS if word != "a"]), min_size=1))
def test_each_word_that_stands_by_itself_is_found(said: list[str]) -> None:
    entries = {word: Pronunciation(f"[{number}]") for number, word in enumerate(WORDS)}
    text = "; ".join(said)
    edits = pronunciations(text, "en", [WordTable(entries)], takes_sounds=False)
    assert [new for *_, new in edits] == [entries[word].say for word in said]


@given(texts, tables, st.booleans(), st.sampled_from(["en-us", "de", "fr-fr", "ja", "pl"]))
@example("\u200b1/2 Nginx\u200b 5", {"Nginx": Pronunciation("x")}, False, "en-us")
def test_what_is_said_comes_through_with_its_place(
    text: str, entries: dict[str, Pronunciation], sounds: bool, language: str
) -> None:
    entries = {w: Pronunciation(s, "ˈtɛst" if sounds else None) for w, (s, _) in entries.items()}
    fixed = pronunciations(text, language, [WordTable(entries)], takes_sounds=True)
    assert sum(len(new) - (end - begin) for begin, end, new in fixed) <= MAX_GROWTH_CHARS
    spoken = normalise(text, language, letters=LetterStyle.SPACED, fixed=fixed)
    assert len(spoken.begins) == len(spoken.ends) == len(spoken.text)
    at = 0
    for begin, end, new in fixed:
        first, last = spoken.spoken_span(begin, end)
        assert first >= at
        assert spoken.text[first:last] == new
        at = last
    pairs = zip(spoken.begins, spoken.ends, strict=True)
    for (begin, end), (next_begin, next_end) in itertools.pairwise(pairs):
        assert begin <= next_begin <= end <= next_end


class CountingTable(WordTable):
    """Counts its looks at the text."""

    n_looks = 0

    def longest(self, text: FoldedText, begin: int) -> Match | None:
        self.n_looks += 1
        return super().longest(text, begin)


@given(texts, st.integers(1, 50), tables)
@example("a", 500, {"a" * n: Pronunciation("x") for n in range(1, 60)})
@example("字", 500, {"字" * n + "x": Pronunciation("x") for n in range(1, 60)})
def test_each_character_is_looked_at_once(
    text: str, times: int, entries: dict[str, Pronunciation]
) -> None:
    """And then for each length of a word, of which there are 64."""
    table = CountingTable(entries)
    list(find(text * times, [table]))
    assert table.n_looks <= len(text) * times
