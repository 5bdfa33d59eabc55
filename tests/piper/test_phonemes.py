"""Phonemes for Piper's voices: those of training, each with its word."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import numpy as np
import pytest
import structlog

from stages.errors import SynthesisError
from stages.tts.espeak.engine import EspeakEngine
from stages.tts.espeak.libespeak import IPA
from stages.tts.piper.clause_marks import mark_of
from stages.tts.piper.config import PiperConfig
from stages.tts.piper.phonemes import NO_PLACE, Alphabet, Phonemizer
from tests.engine_driver import DrivenRequest, make_segment, run, speak
from tests.libespeak_here import LibespeakHere, libespeak_here
from tests.piper.sentences import AS_TRAINED, SENTENCES

if TYPE_CHECKING:
    from collections.abc import Iterator

SYMBOLS = "_^$ !'(),-.:;?abcdefhijklmnopqrstuvwxyzæçðøħŋœɐɑɒɔəɚɛɜɡɪɹɾʃʊʌʒʔˈˌːθᵻ̩̃"
CONFIG = PiperConfig(phoneme_id_map={symbol: [number] for number, symbol in enumerate(SYMBOLS)})
LETTERS = PiperConfig(
    phoneme_type="text",
    phoneme_id_map={
        symbol: [number] for number, symbol in enumerate("_^$ .,?абвгдеийїкмнопрстуця")
    },
)
TEXTS = [(voice, text) for voice, texts in SENTENCES.items() for text in texts]


@pytest.fixture(scope="module")
def phonemizer() -> Iterator[Phonemizer]:
    phonemizer = Phonemizer()
    phonemizer.load()
    yield phonemizer
    phonemizer.close()


def said(phonemizer: Phonemizer, text: str, voice: str = "en-us") -> str:
    return phonemizer.phonemes(make_segment(text), voice, CONFIG).text


def words(phonemizer: Phonemizer, text: str, voice: str = "en-us") -> dict[int, str]:
    """What is said of each word, by its place."""
    found = phonemizer.phonemes(make_segment(text), voice, CONFIG)
    said_of: dict[int, str] = {}
    for place, phoneme in zip(found.places, found.text, strict=True):
        if place != NO_PLACE:
            said_of[place] = said_of.get(place, "") + phoneme
    return said_of


@pytest.fixture(scope="module")
def here() -> Iterator[LibespeakHere]:
    with libespeak_here() as here:
        yield here


def as_piper_does(here: LibespeakHere, text: str) -> str:
    """piper1-gpl's pipeline, on the voice that was chosen last. What it asks its own edition of
    the library, how a clause ends, is looked up at its end."""
    made, begin = "", 0
    for clause, n_left in here.clauses_as(text, IPA):
        end = len(text) - n_left - bool(n_left)
        mark = text[begin:end].rstrip()[-2:]
        mark = "?" if mark == "?!" else {"—": ";", "؟": "?", "،": ","}.get(
            mark[-1:], mark[-1:]
        )  # fmt: skip
        mark = mark if mark in tuple(".,:;?!") else ""
        made += re.sub(r"\([^)]+\)", "", clause) + mark + " " * (mark in tuple(",:;"))
        begin = end
    return unicodedata.normalize("NFD", made)


@pytest.mark.parametrize(("voice", "text"), TEXTS)
def test_phonemes_are_those_of_pipers_own_pipeline(
    phonemizer: Phonemizer, here: LibespeakHere, voice: str, text: str
) -> None:
    here.take_phonemes(voice)
    expected = as_piper_does(here, text)
    found = phonemizer.phonemes(make_segment(text), voice, CONFIG)
    assert found.text == expected
    assert len(found.places) == len(found.text)


@pytest.mark.parametrize(("voice", "text", "phonemes"), AS_TRAINED)
def test_phonemes_are_those_that_voices_were_trained_on(
    phonemizer: Phonemizer, voice: str, text: str, phonemes: str
) -> None:
    """Later editions of espeak-ng write some of these in another way than training did ("jolly
    earth" as dʒˈɒlɪʲ ˈɜːθ), and piper-tts with them."""
    assert said(phonemizer, text, voice) == unicodedata.normalize("NFD", phonemes)


@pytest.mark.parametrize(
    ("voice", "text", "expected"),
    [
        ("en-us", "On the road, of a (well-known) house.", "ɔn ðə ɹˈoʊd əv ə wˈɛlnˈoʊn hˈaʊs"),
        ("en-us", "We are out of the woods.", "wiː ɑːɹ ˌaʊɾ əv ðə wˈʊdz"),
        ("en-us", "They would have to wait as it is.", "ðeɪ wʊd hˌæv tə wˈeɪt ˌæz ɪt ˈɪz"),
        ("en-us", "And that a recogniser", "ænd ðˌæɾ ɚ ɹˈɛkəɡnˌaɪzɚ"),
        ("en-us", "All GPUs and the GIL.", "ˈɔːl dʒˌiːpˌiːjˈuːz ænd ðə dʒˌiːˌaɪˈɛl"),
        ("cs", "Na okraji", "nˈa okrˌaji"),
        ("ru", "В виду", "v vʲidˈu"),
        ("pt-br", "devido à casa", "dˌevˈidw ˌaː kˈazæ"),
        ("de", "Das ist cool!", "das ɪst kˈuːl"),
        ("cmn", "天气很好", "thˈiɛ5ntɕhˈi5 χə2nχˈɑu2"),
        ("ar", "مرحبا، كيف", "mrħbˈaː kˈajfa"),
    ],
)
def test_each_word_has_its_phonemes(
    phonemizer: Phonemizer, voice: str, text: str, expected: str
) -> None:
    """espeak-ng says some words in one ("of a", "out of"), and others in several ("well-known")."""
    found = words(phonemizer, text, voice)
    assert list(found.values()) == expected.split()
    assert list(found) == [word.start() for word in re.finditer(r"(?<![\w-])\w|很", text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I live in [Worcester](/ˈwʊstɚ/), now.", "aɪ lˈɪv ɪn wˈʊstɚ, nˈaʊ."),
        ("[New York](/nuː ˈjɔɹk/).", "nˈuː jˈɔrk."),
        ("In [the](/ðiː/) end", "ɪn ðˈiː ˈɛnd"),
        ("([x](/pʊt/))", "pˈʊt"),
        ('"[x](/pʊt/)"!', "pˈʊt!"),
        ("[China](/ˈt͡ʃaɪ.nə/)", "tʃˈaɪnə"),
        ("[x](/nˈAʃən/)", "nˈeɪʃən"),
        ("[x](/ˈty/)", "tˈi"),
    ],
)
def test_pronunciations_are_said_as_they_stand(
    phonemizer: Phonemizer, text: str, expected: str
) -> None:
    """In the sounds of the voice's language, with the stress where espeak-ng has it."""
    assert said(phonemizer, text) == expected


def test_a_pronunciation_has_the_place_of_its_word(phonemizer: Phonemizer) -> None:
    text = "In [New York](/nuː ˈjɔɹk/) of [a](/ˈeɪ/) dog."
    assert list(words(phonemizer, text)) == [0, 3, 27, 30, 41]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("[[h@loU]] there", "((h@loU)) there"),
        ("]] x [[ y", ")) x (( y"),
        ("a [[b] c]", "a ((b) c)"),
    ],
)
def test_no_other_brackets_become_phonemes(phonemizer: Phonemizer, text: str, same: str) -> None:
    assert said(phonemizer, text) == said(phonemizer, same)


@pytest.mark.parametrize(
    ("voice", "text", "expected"),
    [
        ("es", "El Sr. García llegó.", "el seɲˈoɾ ɡaɾθˈia ʎeɣˈo."),
        ("en-us", "Wait… what…", "wˈeɪt; wˌʌt."),
        ("en-us", "Wait... What?", "wˈeɪt; wˌʌt?"),
        ("es", "Hola ¿qué tal?", "ˈola kˈe tˈal?"),
        ("en-us", "1. Apples", "wˈʌn.ˈæpəlz"),
        ("en-us", "Yes,", "jˈɛs, "),
        ("en-us", "So it is", "sˌoʊ ɪɾ ˈɪz"),
        ("en-us", '"Hi."', "hˈaɪ."),
        ("en-us", "A line\n\nof text", "ɐ lˈaɪn ʌv tˈɛkst"),
    ],
)
def test_marks_end_clauses(phonemizer: Phonemizer, voice: str, text: str, expected: str) -> None:
    """A full stop within a segment ends nothing, but behind a list's number. An ellipsis and "¿",
    at which piper runs words together, part them."""
    found = said(phonemizer, text, voice)
    assert found == expected or (
        voice == "es" and "." not in found[:-1] and found[-1] == expected[-1]
    )


@pytest.mark.parametrize("text", ["", " ", "…", "?!", "😀", "\0", "\ud800", "—", "()", "\u202e"])
def test_nothing_to_say_is_no_phonemes(phonemizer: Phonemizer, text: str) -> None:
    found = phonemizer.phonemes(make_segment(text), "en-us", CONFIG)
    assert (found.text, list(found.places)) == ("", [])


@pytest.mark.parametrize("voice", ["klingon", "", "en-foo", "en-us+f3", "../en", "english"])
def test_an_unknown_voice_is_an_error_that_names_it(phonemizer: Phonemizer, voice: str) -> None:
    with pytest.raises(SynthesisError, match=re.escape(repr(voice))):
        said(phonemizer, "Hello.", voice)


@pytest.mark.parametrize(
    "voice", ["en-US", "en-gb-x-rp", "zh", "pt-pt", "no", "es-419", "vi-vn-x-south"]
)
def test_voices_go_by_espeaks_names_and_tags(phonemizer: Phonemizer, voice: str) -> None:
    assert said(phonemizer, "Radio.", voice)


def test_without_the_library_nothing_is_said() -> None:
    with pytest.raises(SynthesisError, match="not loaded"):
        said(Phonemizer(), "Hello.")


def test_espeak_ng_speaks_the_same_with_phonemes_in_between(phonemizer: Phonemizer) -> None:
    """400 calls in turn: they share one library, with one state."""
    engine = EspeakEngine(("en-us", "de", "fr"))
    engine.load()
    voices = {"en-us": "en-us", "de": "de+f3", "fr": "fr+whisper"}
    texts = [(voices[voice], text) for voice, text in TEXTS if voice in voices][:20]
    texts.append(("en-us", "in [Worcester](/ˈwʊstɚ/), now"))
    before = [speak(engine, text, voice) for voice, text in texts]
    alone = [said(phonemizer, text, voice) for voice, text in TEXTS]
    for call in range(400):
        voice, text = texts[call % len(texts)]
        assert np.array_equal(speak(engine, text, voice), before[call % len(texts)])
        voice, text = TEXTS[call % len(TEXTS)]
        assert said(phonemizer, text, voice) == alone[call % len(TEXTS)]
    engine.close()
    assert said(phonemizer, TEXTS[0][1]) == alone[0]  # who still has the library keeps it


def test_a_text_that_was_broken_off_leaves_nothing_behind(phonemizer: Phonemizer) -> None:
    """The library keeps the character that it has read ahead: "x cat" was said for "cat"."""
    engine = EspeakEngine()
    engine.load()
    expected = said(phonemizer, "Cat")
    run(engine, DrivenRequest(make_segment("Hello there, xylophone. Quite."), dies_after=1))
    assert said(phonemizer, "Cat") == expected
    engine.close()


ODD = (
    *("\x01\x02\x05 \x1b[0m", "a\0b", "\ud800\udfff x", "\u202eabc\u202c", "\u2028\u2029"),
    *("👍🏽 👨\u200d👩\u200d👧 ok", "e" + "\u0301" * 150, "\u0300" * 200, "a\u00ad" * 60),
    *("<b>&amp;<mark name='a'/>", "A" * 200, "a " * 100, "1" * 200, "." * 200, "a.b." * 50),
    *("ⓜ䫛", "ⓜა", "§-j", "€-đ", "\U0010ffff" * 50, "ก" * 200, "中" * 200, "မ" * 200, "ﷺ" * 50),
    *("(((((" * 40, "'" * 200, f"[x](/{'ˈaʤ' * 33}/)"),
)


@pytest.mark.parametrize("voice", ["en-us", "de", "te", "am", "my", "cmn", "th", "vi", "hi", "ar"])
def test_odd_text_does_no_harm(phonemizer: Phonemizer, voice: str) -> None:
    """In Telugu a letter in a circle with a Chinese one behind it ended the process, in Vietnamese
    "§-j"."""
    for text in ODD:
        found = phonemizer.phonemes(make_segment(text), voice, CONFIG)
        assert len(found.text) == len(found.places)
        places = [place for place in found.places if place != NO_PLACE]
        assert places == sorted(places)
        assert all(0 <= place < len(text) for place in places)
        Alphabet("odd", CONFIG).ids(found.text)


def test_ids_are_those_of_piper() -> None:
    """Each phoneme and the pad behind it know which phoneme they came from."""
    found = Alphabet("x", CONFIG).ids("hˈaɪ.")
    assert found is not None
    at = SYMBOLS.index
    assert list(found.ids) == [
        1, 0, at("h"), 0, at("ˈ"), 0, at("a"), 0, at("ɪ"), 0, at("."), 0, 2,
    ]  # fmt: skip
    assert list(found.indices) == [-1, -1, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, -1]


def test_phonemes_that_a_voice_lacks_are_left_out_and_told_once() -> None:
    with structlog.testing.capture_logs() as logged:
        alphabet = Alphabet("en_US-joe", CONFIG)
        for _ in range(2):
            found = alphabet.ids("aʘ˥a")
            assert found is not None
            assert list(found.indices) == [-1, -1, 0, 0, 3, 3, -1]
    assert [(entry["voice"], entry["phoneme"]) for entry in logged] == [
        ("en_US-joe", "ʘ"),
        ("en_US-joe", "˥"),
    ]


@pytest.mark.parametrize("text", ["", "ʘ", ". ", "ˈʘː, "])
def test_nothing_left_to_be_heard_has_no_ids(text: str) -> None:
    assert Alphabet("x", CONFIG).ids(text) is None


def test_a_voices_map_of_phonemes_comes_first() -> None:
    config = PiperConfig(
        phoneme_id_map={"^": [1], "_": [0], "$": [2], "a": [3], "b": [4, 5]},
        phoneme_map={"x": ["a", "b"]},
    )
    found = Alphabet("x", config).ids("xa")
    assert found is not None
    assert list(found.ids) == [1, 0, 3, 4, 5, 0, 3, 0, 2]
    assert list(found.indices) == [-1, -1, 0, 0, 0, 0, 1, 1, -1]


def test_letters_are_the_phonemes_of_some_voices() -> None:
    """Taken apart, and small where a voice knows no capitals; no espeak-ng is asked."""
    text = "Мій [дім](/dʲˈim/), їде."
    found = Phonemizer().phonemes(make_segment(text), "nowhere", LETTERS)
    assert found.text == unicodedata.normalize("NFD", "мій дім, їде.")
    form, last = text.index("["), text.index("ї")
    assert list(found.places) == [0] * 4 + [-1] + [form] * 3 + [-1, -1] + [last] * 4 + [-1]


@pytest.mark.parametrize(
    ("clause", "mark"),
    [("Yes?!", "?"), ("Yes!? ", "!"), ("So..", "."), ("是，", ""), ("Hm -", " "), ("x –", "; ")],
)
def test_the_first_of_several_marks_counts(clause: str, mark: str) -> None:
    assert mark_of(clause, is_last=False) == mark
