"""Words of a lexicon in a text: which are found, and which of several counts."""

from __future__ import annotations

import pytest
import structlog.testing
from pydantic import ValidationError

from stages.text.lexicon import Pronunciation, WordTable, pronunciations
from stages.text.lexicon.entries import WordEntry


def table(**words: str) -> WordTable:
    return table_of(words)


def table_of(words: dict[str, str]) -> WordTable:
    return WordTable({word: Pronunciation(say) for word, say in words.items()})


def said(text: str, *tables: WordTable, language: str = "en-us", takes_sounds: bool = False) -> str:
    """The text with what is said in place of its words."""
    edits = pronunciations(text, language, tables, takes_sounds=takes_sounds)
    for begin, end, new in reversed(edits):
        text = text[:begin] + new + text[end:]
    return text


@pytest.mark.parametrize("word", ["Nginx", "nginx", "NGINX", "nGiNx"])
@pytest.mark.parametrize("entry", ["Nginx", "nginx", "nGinx"])
def test_case_does_not_count(entry: str, word: str) -> None:
    assert said(f"I use {word}.", table_of({entry: "engine x"})) == "I use engine x."


def test_an_entry_of_capital_letters_is_for_capital_letters() -> None:
    """`us` is another word, and `A` is no article."""
    words = table_of({"US": "U S", "A": "ay"})
    assert said("The US told us. A grade: a", words) == "The U S told us. ay grade: a"
    assert said("Us, US, us", table_of({"US": "U S", "us": "uss"})) == "uss, U S, uss"


def test_the_same_spelling_comes_before_another() -> None:
    words = table_of({"polish": "paw lish", "Polish": "pole ish"})
    assert said("Polish polish POLISH", words) == "pole ish paw lish paw lish"


@pytest.mark.parametrize(
    "text",
    ["concatenate", "cats", "acat", "cat5", "5cat", "cat_", "cate", "cat\u0301", "scat's"],
)
def test_it_is_never_found_inside_a_longer_word(text: str) -> None:
    assert said(text, table(cat="kitty")) == text


@pytest.mark.parametrize(
    "text", ["cat", "cat's", "cat’s", "cat-like", "(cat)", "the cat.", "“cat”"]
)
def test_what_stands_beside_a_word_stays(text: str) -> None:
    assert said(text, table(cat="kitty")) == text.replace("cat", "kitty")


@pytest.mark.parametrize("text", ["won't", "can't", "it's", "I'd", "WON'T", "we'll"])
def test_what_an_apostrophe_ties_to_a_word_is_none(text: str) -> None:
    words = table_of(dict.fromkeys(("won", "can", "t", "s", "d", "ll"), "X"))
    assert said(text, words) == text


def test_an_elision_leaves_the_word_behind_it() -> None:
    assert said("l'Oréal d’Oréal", table_of({"Oréal": "oréalle"})) == "l'oréalle d’oréalle"


def test_the_longest_phrase_counts() -> None:
    words = table_of({"SQL": "sequel", "SQL Server": "sequel server", "Server": "sir"})
    assert said("SQL SQL Server Server", words) == "sequel sequel server sir"


def test_a_phrase_that_ends_within_a_word_leaves_the_shorter_one() -> None:
    words = table_of({"New York": "noo yawk", "New": "noo"})
    assert said("New Yorkers", words) == "noo Yorkers"


@pytest.mark.parametrize("space", ["  ", "\n", "\u00a0", " \t "])
def test_any_white_space_is_that_of_a_phrase(space: str) -> None:
    words = table_of({"New York": "noo yawk"})
    assert said(f"In New{space}York, new{space}york", words) == "In noo yawk, noo yawk"


@pytest.mark.parametrize("entry", ["Café", "Cafe\u0301"])
@pytest.mark.parametrize("text", ["café", "CAFE\u0301", "Cafe\u0301"])
def test_an_accent_may_be_written_apart(entry: str, text: str) -> None:
    assert said(f"a {text}.", table_of({entry: "caffay"})) == "a caffay."


def test_capital_forms_of_other_lengths_are_the_same_word() -> None:
    assert said("STRASSE, straße", table_of({"Straße": "shtrahsuh"})) == "shtrahsuh, shtrahsuh"


def test_scripts_without_spaces_have_their_words_in_running_text() -> None:
    words = table_of(
        {"東京": "とうきょう", "東京都": "とうきょうと", "ไทย": "tie", "Nginx": "エンジン"}
    )
    assert said("私は東京に", words) == "私はとうきょうに"
    assert said("東京都は東京", words) == "とうきょうとはとうきょう"
    assert said("私のNginxは", words) == "私のエンジンは"
    assert said("ภาษาไทยง่าย", words) == "ภาษาtieง่าย"


def test_a_vowel_that_is_drawn_out_belongs_to_its_word() -> None:
    assert said("サーバーとサーバ", table_of({"サーバ": "X"})) == "サーバーとX"


def test_signs_may_be_words() -> None:
    words = table_of({"C++": "see plus plus", ".NET": "dot net", "→": "to", "R&D": "are and dee"})
    assert said("C++11, c++ and .NET: R&D → x", words) == (
        "see plus plus 11, see plus plus and dot net: are and dee to x"
    )
    assert said("ASP.NET", words) == "ASP dot net"


def test_the_first_table_counts_most_but_for_longer_words() -> None:
    own, general = table_of({"New": "A"}), table_of({"New": "B", "new york": "C", "old": "D"})
    assert said("new old New York", own, general) == "A D C"


def test_a_segment_does_not_grow_without_bound() -> None:
    """A table that says two hundred characters for each `a` made minutes of one segment, and the
    built-in engine speaks a segment in one step, for which everybody waits."""
    text = "a " * 100
    spoken = said(text, table_of({"a": "b" * 200}))
    assert spoken.count("b" * 200) == 2
    assert len(spoken) < len(text) + 500
    assert spoken.endswith(" a a ")


SOUNDS = WordTable(
    {"Worcester": Pronunciation("Wooster", "ˈwʊstɚ"), "pit": Pronunciation(None, "pit")}
)


def test_an_engine_that_takes_sounds_gets_them() -> None:
    assert said("Worcester pit", SOUNDS, takes_sounds=True) == (
        "[Worcester](/ˈwʊstɚ/) [pit](/ˈpit/)"
    )
    assert said("Worcester pit", SOUNDS) == "Wooster pit"


def test_an_english_possessive_is_said_with_its_word() -> None:
    words = WordTable(
        {w: Pronunciation(None, ipa) for w, ipa in {"A": "ə", "B": "kæt", "C": "ˈhɔːs"}.items()}
    )
    assert said("A's B’s C's", words, takes_sounds=True) == (
        "[A's](/əz/) [B’s](/kæts/) [C's](/ˈhɔːsɪz/)"
    )
    assert said("A's", words, takes_sounds=True, language="de") == "[A](/ə/)'s"


def test_a_pronunciation_in_the_text_comes_before_the_tables() -> None:
    text = "[Worcester](/ˈwɔːstə/)'s Worcester"
    assert said(text, SOUNDS, takes_sounds=True) == (
        "[Worcester's](/ˈwɔːstəz/) [Worcester](/ˈwʊstɚ/)"
    )


def test_an_engine_without_sounds_says_the_word_as_the_tables_have_it() -> None:
    assert said("[Worcester](/ˈwɔːstə/)'s [Kokoro](/kˈOkəɹO/)", SOUNDS) == "Wooster's Kokoro"
    assert said("[Kokoro](/kˈOkəɹO/)") == "Kokoro"


def test_tables_of_the_same_words_are_equal() -> None:
    """A client that sends the same table again ends no segment by it."""
    assert table(a="b") == table(a="b")
    assert table(a="b") != table(a="c")
    assert hash(table(a="b")) == hash(table(a="b"))


@pytest.mark.parametrize(
    "text",
    [
        *("$5", "€ 1.5", "5%", "5€", "5°", "2.5", "5.2", "1,5", "5:30", "10:5", "1/5"),
        *("5–6", "4-5", "-5", "(−5)", ".5", "5-6"),
    ],
)
def test_a_number_is_not_found_inside_one(text: str) -> None:
    """`{"5": "fife"}` made "$fife" of $5, which nobody would say as money."""
    assert said(text, table_of({"5": "fife"})) == text


@pytest.mark.parametrize("text", ["5", "5.", "5, 6", "B-5", "5-fold", "5: x", "(5)", "x: 5/x"])
def test_a_number_by_itself_is_found(text: str) -> None:
    assert said(text, table_of({"5": "fife"})) == text.replace("5", "fife")


def test_words_that_begin_and_end_with_digits_are_found_as_written() -> None:
    words = table_of({"$5": "a fiver", "1999": "x", "1999-2000": "y", "GPT-4": "gee"})
    assert said("$5 $5.30 1999-2000 1999-2001 GPT-4 GPT-4.5", words) == (
        "a fiver $5.30 y 1999-2001 gee GPT-4.5"
    )


def test_words_left_as_written_are_in_the_log() -> None:
    with structlog.testing.capture_logs() as logged:
        said("a " * 100, table_of({"a": "b" * 200}))
        said("a", table_of({"a": "b" * 200}))
    assert [(line["log_level"], line["n_words"]) for line in logged] == [("debug", 98)]


@pytest.mark.parametrize("ipa", ["ˈ", "ˌː", " ˈ ", "ˈ.", "̃"])
def test_marks_alone_are_no_sounds(ipa: str) -> None:
    """They would silence their word."""
    with pytest.raises(ValidationError, match="has no sounds"):
        WordEntry(ipa=ipa)
    text = f"[x](/{ipa}/) y"
    assert said(text, takes_sounds=True) == text
