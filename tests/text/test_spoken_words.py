"""The words of what is spoken, and what each of them was in the text as it came."""

from __future__ import annotations

from stages.segmenter.spoken import is_audible, spoken_of
from stages.text.lexicon import pronunciations
from stages.text.normalise import LetterStyle, normalise
from stages.text.spoken_words import spoken_words


def words_of(text: str) -> list[tuple[str, int]]:
    """Each word as it was written, and about how long it takes."""
    fixed = pronunciations(text, "en-us", [], takes_sounds=True)
    said = normalise(text, "en-us", letters=LetterStyle.HYPHENED, fixed=fixed)
    return [
        (text[slice(*word.source)], word.n_letters) for word in spoken_words(said.text, text, said)
    ]


def test_pronunciations_without_a_space_are_one_word() -> None:
    """From the first one's word to the last one's: an event told the first alone."""
    assert words_of("a [2](/ˈtuː/)[3](/ˈθriː/). b") == [
        ("a", 1),
        ("2](/ˈtuː/)[3", 9),
        ("b", 1),
    ]


def test_a_sign_made_of_letters_is_a_word() -> None:
    """It is read as one: degrees Celsius."""
    assert [word for word, _ in words_of("It is 5 ℃ now")] == ["It", "is", "5 ℃", "now"]
    assert is_audible("℃", skip_emoji=True)
    assert spoken_of("℃", skip_emoji=True).text == "℃"
    assert not is_audible("Ⓜ️ ㊗️", skip_emoji=True)
