"""What a lexicon says is not touched by the normaliser, and what stands around it is."""

from __future__ import annotations

import pytest

from stages.text.lexicon import Pronunciation, WordTable, pronunciations
from stages.text.normalise import LetterStyle, Spoken, normalise

WORDS = WordTable(
    {
        "Dr.": Pronunciation("doc"),
        "kg": Pronunciation("kay gee"),
        "Nginx": Pronunciation("engine 1/2 x"),
        "Worcester": Pronunciation("Wooster", "ˈwʊstɚ"),
        "2nd": Pronunciation("No. 2"),
    }
)


def spoken(text: str, *, takes_sounds: bool = False) -> Spoken:
    fixed = pronunciations(text, "en-gb", [WORDS], takes_sounds=takes_sounds)
    return normalise(text, "en-gb", letters=LetterStyle.HYPHENED, fixed=fixed)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Nginx for $5.3", "engine 1/2 x for five dollars and thirty cents"),
        ("Dr. Who has 3/4", "doc Who has three quarters"),
        ("5 kg, 5kg", "five kay gee, five kilograms"),
        ("The 2nd of 3 Worcester", "The No. 2 of three [Worcester](/ˈwʊstɚ/)"),
        ("[x](/ˈwʊs.tɚ/) is 1/2", "[x](/ˈwʊs.tɚ/) is one half"),
        ("Nginx", "engine 1/2 x"),
    ],
)
def test_a_respelling_is_said_as_it_stands(text: str, said: str) -> None:
    assert spoken(text, takes_sounds=True).text == said


def test_the_rules_still_see_the_word_that_was_written() -> None:
    """Without it `Dr.` would be a street."""
    assert spoken("Prof. and Dr Worcester").text == "Professor and Doctor Wooster"


def test_places_point_into_the_text_as_it_came() -> None:
    text = "\u00bd of Nginx's 1,234 at Worcester\u200b."
    made = spoken(text)
    for word, written in {"engine 1/2 x": "Nginx", "Wooster": "Worcester\u200b"}.items():
        begin = made.text.index(word)
        first, last = made.source_span(begin, begin + len(word))
        assert text[first:last] == written
        assert made.spoken_span(first, last) == (begin, begin + len(word))


def test_a_long_text_is_not_cut_within_what_is_fixed() -> None:
    """It is normalised in pieces of 512 characters, cut at spaces."""
    phrase = WordTable({"New York City": Pronunciation("NYC")})
    for n in range(495, 515):
        text = "x" * n + " New York City 1/2 " + "y" * 600
        fixed = pronunciations(text, "en-us", [phrase], takes_sounds=False)
        made = normalise(text, "en-us", letters=LetterStyle.HYPHENED, fixed=fixed)
        assert made.text == "x" * n + " NYC one half " + "y" * 600


def test_text_that_cannot_be_normalised_keeps_its_pronunciations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("stages.text.normalise.apply", broken)
    assert spoken("Nginx 1/2").text == "engine 1/2 x 1/2"


@pytest.mark.parametrize(
    ("text", "language", "words", "said"),
    [
        (
            "3 kg Mehl, das kg zu 2 €.",
            "de",
            {"Mehl": "Meel"},
            "drei Kilogramm Meel, das kg zu zwei Euro.",
        ),
        (
            "10 % Rabatt auf die % Werte.",
            "de",
            {"Rabatt": "Rabbatt"},
            "zehn Prozent Rabbatt auf die % Werte.",
        ),
        (
            "at km Mr. 10:30 5 km it 10:30 km on.",
            "en-us",
            {"5": "QQQ"},
            "at km Mr. ten thirty QQQ km it ten thirty km on.",
        ),
        ("am 5. Mehl ȹ", "de", {"Mehl": "Meel"}, "am fünf. Meel ȹ"),
        ("am 5. Mehl", "de", {"Mehl": "Meel"}, "am fünften Meel"),
    ],
)
def test_nothing_around_a_word_is_said_twice_or_lost(
    text: str, language: str, words: dict[str, str], said: str
) -> None:
    """The words that a rule's text has in common with what was written were looked for on the
    other side of the lexicon's word, too."""
    table = WordTable({word: Pronunciation(say) for word, say in words.items()})
    fixed = pronunciations(text, language, [table], takes_sounds=True)
    assert normalise(text, language, letters=LetterStyle.HYPHENED, fixed=fixed).text == said
