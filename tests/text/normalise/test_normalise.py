"""Folding, letters, places, and what happens when a rule fails."""

from __future__ import annotations

import logging
import time

import pytest

from stages.text import normalise as room
from stages.text.normalise import LetterStyle, normalise, rules
from stages.text.normalise.fold import fold
from stages.text.normalise.spoken import Buffer, joined
from stages.text.spoken_words import spoken_words

FOLDED = {
    "Room ３ ％": "Room 3 %",
    "ｈｉ": "hi",
    "𝐇𝐞𝐥𝐥𝐨 𝟒𝟐": "Hello 42",
    "ﬁne": "fine",
    "Ⅳ ⅻ": "4 12",
    "①one ❷ ⑶ ㊿": "1 one 2 3 50",
    "ⓐ 🄱 🅒": "a B C",
    "２½ ⅔cup": "2 1/2 2/3 cup",
    "10² m² x⁵ 10⁻³ xⁿ": "10² m² x^5 10^-3 x^n",
    "result¹ said.²": "result said.²",
    "H₂O": "H2O",
    "㎡ ㎏ ℃ ㎧": "m² kg °C m/s",
    "1ˢᵗ 2ⁿᵈ": "1st 2nd",
    "1\u202f000\u00a0km": "1 000 km",
    "soft\u00adware Hel\u200blo \ufeffHi\u2060": "software Hello Hi",
    "cafe\u0301": "café",
    "1\ufe0f\u20e3": "1",
    "It’s 5′ 10″": "It's 5' 10\"",
    "−5 – 3‑4": "-5 – 3-4",
    "١٢٣ १२": "123 12",
    "ﾊﾟﾝ": "パン",
    "１２：３０": "12:30",
    "你好，世界！价格５，好": "你好，世界！价格5，好",
    "\ud83d \x00\x07\ue000x": " x",
    # what must stay
    "naïve Straße Ünïcödé": "naïve Straße Ünïcödé",
    "می\u200cخواهم": "می\u200cخواهم",
    "👩\u200d👧 ❤\ufe0f 🅰": "👩\u200d👧 ❤\ufe0f 🅰",
    "αβγ №5 ™": "αβγ №5 ™",
}


@pytest.mark.parametrize(("written", "folded"), FOLDED.items())
def test_unreadable_characters_are_folded(written: str, folded: str) -> None:
    buffer = Buffer(written)
    fold(buffer)
    assert buffer.text == folded


LETTERS = {
    "We left at 5 p.m. today": ("five p m", "five P-M"),
    "Take vitamin A now": ("vitamin A", "vitamin A"),
    "Gate A12 is it": ("Gate a twelve", "Gate A-twelve"),  # else espeak-ng says "uh twelve"
    "AT&T did": ("a t and t", "A-T and T"),
    "the U.S. team": ("u s", "U-S"),
    "APIs and FBI's": ("a p i's and f b i's", "A-P-I's and F-B-I's"),
}


@pytest.mark.parametrize(("written", "said"), LETTERS.items())
def test_letters_are_written_as_the_engine_reads_them(written: str, said: tuple[str, str]) -> None:
    for letters, expected in zip((LetterStyle.SPACED, LetterStyle.HYPHENED), said, strict=True):
        assert expected in normalise(written, "en-us", letters=letters).text


def test_a_place_in_the_speech_is_a_place_in_the_text() -> None:
    written = "It cost $5.3 billion on Jan. 5, 2024, Dr. Smith said."
    spoken = normalise(written, "en-us", letters=LetterStyle.HYPHENED)
    for words, source in {
        "five point three billion dollars": "$5.3 billion",
        "January fifth, twenty twenty-four": "Jan. 5, 2024",
        "Doctor": "Dr.",
        "Smith": "Smith",
        "said.": "said.",
    }.items():
        begin = spoken.text.index(words)
        assert written[slice(*spoken.source_span(begin, begin + len(words)))] == source
        begin = written.index(source)
        assert spoken.text[slice(*spoken.spoken_span(begin, begin + len(source)))] == words


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("hello to all. He chose plan B. Then we left at once.", "B. Then"),
        ("Yes. iPhone sales are up.", "Yes. iPhone"),
    ],
)
def test_a_stop_within_a_segment_may_end_a_sentence(written: str, said: str) -> None:
    """An engine that wants long texts is given short sentences joined."""
    assert said in normalise(written, "en-us", letters=LetterStyle.SPACED).text


def test_a_sign_that_is_said_is_a_word_of_the_text() -> None:
    """It was taken for a mark at the word before it, or for none."""
    for written, sign in (("㎏", (0, 1)), ("Hi ℃ yes", (3, 4))):
        said = normalise(written, "en-us", letters=LetterStyle.HYPHENED)
        assert sign in [word.source for word in spoken_words(said.text, written, said)]


def test_places_survive_what_is_dropped() -> None:
    spoken = normalise("\u200bHel\u00adlo ３\u200b", "pl", letters=LetterStyle.HYPHENED)
    assert spoken.text == "Hello 3"
    assert spoken.source_span(0, 5) == (0, 7)
    assert spoken.source_span(6, 7) == (8, 10)
    assert spoken.source_span(7, 7) == (10, 10)


def test_a_text_without_anything_to_say_has_no_places() -> None:
    spoken = normalise("\u200b", "en-us", letters=LetterStyle.SPACED)
    assert spoken.text == ""
    assert spoken.source_span(0, 0) == (1, 1)
    assert spoken.spoken_span(0, 1) == (0, 0)
    assert joined([spoken, spoken]).text == ""


def test_words_in_common_keep_their_places() -> None:
    """normt2s gives a new text and no places: what both have is found again."""
    buffer = Buffer("we met at 5 and then 6 of us left")
    buffer.become("we met at five and then six of us left")
    spoken = buffer.spoken()
    assert spoken.source_span(*spoken.spoken_span(21, 22)) == (21, 22)
    begin = spoken.text.index("then")
    assert spoken.source_span(begin, begin + 4) == (16, 20)


def test_a_rule_that_fails_leaves_the_folded_text(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> str:
        raise ZeroDivisionError

    broken = rules.rule("0", r"\d", fail)
    monkeypatch.setattr(room.english, "rules", lambda: (broken,))
    with caplog.at_level(logging.WARNING):
        spoken = normalise("Room ３!", "en-us", letters=LetterStyle.SPACED)
    assert spoken.text == "Room 3!"
    [record] = caplog.records
    assert "Room ３!" in record.getMessage()
    assert "ZeroDivisionError" in record.getMessage()


def test_long_texts_are_said_in_pieces_and_none_of_it_is_lost() -> None:
    written = "One costs $5 and 3 cats. " * 200
    spoken = normalise(written, "en-us", letters=LetterStyle.SPACED)
    assert spoken.text.count("five dollars") == 200
    begin = spoken.text.rindex("five dollars")
    span = spoken.source_span(begin, begin + len("five dollars"))
    assert written[slice(*span)] == "$5"
    assert span[0] == written.rindex("$5")


NASTY = (
    "1", "1 ", "1,", "1-", "1/", "1:", "$1", "1x", "a.", "A.", "a@", "_a", "'", '"', "I", "IV ",
    "No.", "#", "1m ", "1:01", "½", "²", "+1 ", "Jan 1 ", "www.", "/a", "A-1", "1 000 ", "é\u0301",
)  # fmt: skip


@pytest.mark.parametrize("unit", NASTY)
@pytest.mark.parametrize("language", ["en-us", "de", "fr-fr"])
def test_no_text_costs_much(unit: str, language: str) -> None:
    """In processor time: 20 ms for 200 characters, of which none takes 3 on a quiet machine."""
    room.prepare(language)
    assert cost_s((unit * 200)[:200], language) < 0.02


def test_cost_grows_with_the_length_and_not_faster() -> None:
    room.prepare("en-us")
    text = "Pay $5 by 3/4, a-b_c 1.1.1 " * 3000
    assert cost_s(text[: 16 * 1024], "en-us") < 8 * cost_s(text[: 4 * 1024], "en-us")


def cost_s(text: str, language: str) -> float:
    """The least of three: the garbage collector may be in one of them."""

    def once() -> float:
        began = time.process_time()
        normalise(text, language, letters=LetterStyle.HYPHENED)
        return time.process_time() - began

    return min(once() for _ in range(3))
