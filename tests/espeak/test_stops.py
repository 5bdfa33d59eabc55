"""A full stop that ends nothing is no pause, whatever the language."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stages.items import Segment, Style, Token
from stages.segmenter import Segmenter
from stages.text.normalise import LetterStyle, normalise
from stages.tts.espeak.engine import EspeakEngine
from stages.tts.espeak.library import SAMPLE_RATE
from tests.engine_driver import DrivenRequest, make_segment, run, speak

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXTS = {
    "en-us": (
        "See No. 5 here!",
        "On Jan. 5 it rained!",
        "Use e.g. Apples here!",
        "At 5 p.m. Mr. Lee left!",
        "Mrs. Jones met Dr. Smith!",
        "J. R. R. Tolkien wrote it!",
        "He read J. K. Rowling all day!",
        "We went to St. Mary on foot!",
        "It is Smith vs. the state!",
        "It takes approx. 5 hours!",
        "The U.S. Army came!",
        "Ask Prof. Higgins first!",
        "Acme Inc. makes rockets!",
        "He and co. went off!",
        "Turn at Elm Ave. near Fifth!",
        "Smith et al. found it!",
        "Sam Jones Jr. ran home!",
        "About 5 ft. of rope is left!",
        "I saw George W. Bush there!",
    ),
    "de": (
        "Das ist z. B. gut!",
        "Das ist Dr. med. Schmidt!",
        "Der Hund bzw. die Katze bellt!",
        "Zimmer Nr. 5 ist frei!",
        "Es kostet ca. 5 Euro!",
        "Das kommt d. h. morgen!",
        "Er kam u. a. gestern!",
        "Prof. Dr. Müller kommt evtl. morgen!",
    ),
    "fr-fr": (
        "M. Dupont est là!",
        "Voir p. ex. la page!",
        "Mme. Dupont et M. Durand sont là!",
        "Le Dr. Martin arrive!",
    ),
    "es": ("El Sr. López está aquí!", "La Sra. García y el Dr. Ruiz!", "Es p. ej. esto!"),
    "it": ("Il Sig. Rossi arriva!", "Vedi pag. 5 qui!"),
    "pt": ("O Sr. Silva chegou!", "Veja pág. 5 agora!"),
    "nl": ("Bijv. de hond blaft!", "Dhr. Jansen komt!", "Dat is nr. 5 hier!"),
    "pl": ("To jest np. tak dobre!", "Na ul. Długa stoi dom!", "Prof. Nowak i dr. Kowalski!"),
    "sv": ("Det är t.ex. bra!", "Prof. Anders kom!"),
    "da": ("Det er f.eks. godt!", "Hr. Jensen kom!"),
    "fi": ("Se on esim. tämä!",),
    "cs": ("To je např. dobré!", "Bydlí na ul. Nová!"),
    "ru": ("Это т. е. хорошо!", "На ул. Ленина дом!"),
    "tr": ("Dr. Ahmet geldi!",),
    "ro": ("Str. Lungă nr. 5 aici!",),
    "el": ("Ο κ. Παπαδόπουλος ήρθε!",),
    "cy": ("Dr. Jones yma!",),
}
LOUD = 0.003
LONGEST_MS = 52
"""A stop consonant is silent for as long: 51 ms in "P-M Mister"."""


@pytest.fixture(scope="module")
def engine() -> Iterator[EspeakEngine]:
    engine = EspeakEngine(tuple(TEXTS))
    engine.load()
    engine.install()
    yield engine
    engine.close()


def segments(text: str, voice: str) -> list[Segment]:
    """As they come to the engine."""
    segmenter = Segmenter()
    cut = [*segmenter.push(Token(text, Style(voice)), 0.0), *segmenter.flush(0.0)]
    return [
        replace(each, spoken=normalise(each.spoken, voice, letters=LetterStyle.HYPHENED).text)
        for each in cut
    ]


def longest_silence_ms(engine: EspeakEngine, segment: Segment) -> float:
    loud = np.flatnonzero(np.abs(run(engine, DrivenRequest(segment)).sound) > LOUD)
    return max(after - before for before, after in pairwise(loud)) / SAMPLE_RATE * 1000


@pytest.mark.parametrize(
    ("voice", "text"), [(voice, text) for voice, texts in TEXTS.items() for text in texts]
)
def test_a_short_word_is_no_pause(engine: EspeakEngine, voice: str, text: str) -> None:
    """espeak-ng paused for 300 ms at each stop before a capital or a digit."""
    (segment,) = segments(text, voice)
    assert longest_silence_ms(engine, segment) < LONGEST_MS, segment.spoken


@pytest.mark.parametrize("voice", ["en-us", "de", "fr-fr", "sv"])
@pytest.mark.parametrize("text", ["1. Anna", "2) Bert", "**3.** Carl", "- 4. Dora"])
def test_behind_a_lists_number_a_reader_pauses(engine: EspeakEngine, voice: str, text: str) -> None:
    (segment,) = segments(text, voice)
    assert longest_silence_ms(engine, segment) > 250, segment.spoken


def test_trailing_off_is_a_pause(engine: EspeakEngine) -> None:
    assert longest_silence_ms(engine, make_segment("Wait... Anna")) > 200


def test_what_espeak_knows_by_the_stop_it_still_knows(engine: EspeakEngine) -> None:
    """In Danish ``Hr.`` is a word, and ``5.`` before a month an ordinal."""
    for text in ("Hr. Jensen kom", "Den 5. maj kom"):
        bare = text.replace(".", "")
        assert not np.array_equal(speak(engine, text, "da"), speak(engine, bare, "da"))
