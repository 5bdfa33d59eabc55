"""The laws of pronunciations within text that is normalised: each is said once, in order, and what
stands around them is said as it would be around any other word, none of it twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypothesis import example, given
from hypothesis import strategies as st

from stages.text.normalise import LetterStyle, normalise

if TYPE_CHECKING:
    from stages.text.normalise.spoken import Edit

PLAIN = ("garden", "boats", "it", "das", "Weather", "Walked")
"""They are short for nothing and no rule looks for them."""
TOKENS = (
    *("3", "5", "10", "1,5", "10:30", "5.", "1/2", "$5", "1999", "-3", "5kg", "+", "="),
    *("kg", "km", "%", "€", "Mr.", "Dr.", "am", "die", "Uhr", "x", "²"),
)

languages = st.sampled_from(["en-us", "en-gb", "de", "fr-fr", "es"])
tokens = st.one_of(st.sampled_from(PLAIN), st.sampled_from(TOKENS))
SAID = "qxq"


def marked(text: str, fixed: str) -> list[tuple[str, bool]]:
    return [(word, word == fixed) for word in text.split()]


def fixed_in(written: list[tuple[str, bool]]) -> tuple[str, list[Edit]]:
    """The text of these words, and the edits that say something else for those that are marked."""
    edits: list[Edit] = []
    at = 0
    for word, is_fixed in written:
        if is_fixed:
            edits.append((at, at + len(word), f"{SAID}{len(edits)}"))
        at += len(word) + 1
    return " ".join(word for word, _ in written), edits


@given(st.lists(st.tuples(tokens, st.booleans()), max_size=20), languages)
@example(marked("at km Mr. 10:30 5 km it 10:30 km on.", "5"), "en-us")
@example(marked("3 kg Mehl, das kg zu 2 €.", "Mehl,"), "de")
def test_each_is_said_once_and_plain_words_are_kept(
    written: list[tuple[str, bool]], language: str
) -> None:
    text, edits = fixed_in(written)
    spoken = normalise(text, language, letters=LetterStyle.HYPHENED, fixed=edits)
    kept = [*PLAIN, rf"{SAID}\d+"]
    expected = [new for *_, new in edits]
    found = re.findall(rf"\b(?:{'|'.join(kept)})\b", spoken.text)
    assert [word for word in found if word.startswith(SAID)] == expected
    remaining = iter(expected)
    assert found == [
        next(remaining) if is_fixed else word
        for word, is_fixed in written
        if is_fixed or word in PLAIN
    ]


@given(
    st.lists(st.tuples(tokens, st.booleans()), max_size=20).map(
        lambda written: [(word, mark and word in PLAIN) for word, mark in written]
    ),
    languages,
)
@example(marked("3 kg garden das kg zu 2 €", "garden"), "de")
@example(marked("10 % Weather auf die % Werte", "Weather"), "de")
@example(marked("at km Mr. 10:30 boats km it 10:30 km on", "boats"), "en-us")
def test_the_rest_is_said_as_around_any_word(
    written: list[tuple[str, bool]], language: str
) -> None:
    """Word for word what is said where the words stay as they are written."""
    text, edits = fixed_in(written)
    plain = normalise(text, language, letters=LetterStyle.HYPHENED)
    spoken = normalise(text, language, letters=LetterStyle.HYPHENED, fixed=edits)
    was = {new: text[begin:end] for begin, end, new in edits}
    assert re.sub(rf"{SAID}\d+", lambda found: was[found[0]], spoken.text) == plain.text
