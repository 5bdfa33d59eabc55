"""Languages, from what a connection asks for to the voice that is heard."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.voices import Voices
from stages.errors import ProtocolError, UnknownLanguage, UnknownVoice
from stages.items import ClientMessage, SegmentEnded, SegmentStarted, Style
from stages.text import normalise
from stages.text.lexicon import Pronunciation, WordTable
from stages.text.normalise import is_prepared
from stages.tts.espeak.engine import EspeakEngine
from stages.voices import Voice
from tests.fakes import FLUSH, ListPeer, Negating, TellingEngine, converse, service, token
from tests.inline_models import InlineModels

if TYPE_CHECKING:
    from pipeline.service import Service
    from stages.audio.format import Samples

ANNA = Voice("anna", "negating", "en-us", None, "converted", 48_000, "rvc", speaks_with="en-us+f3")
SOPRANO = Voice("soprano", "telling", "en-us", None, "English alone", 48_000, "neural")


@cache
def espeak() -> EspeakEngine:
    engine = EspeakEngine()
    engine.load()
    engine.install()
    return engine


def server(voice: str = "en-us+f3") -> Service:
    """A server as it starts without options, with two voices of other kinds."""
    made = service(InlineModels(), espeak(), voice_converters=[Negating()])
    made.synthesizers["telling"] = TellingEngine()
    made.voices = Voices([*espeak().voices(), ANNA, SOPRANO], espeak().voice)
    made.style = Style(voice)
    return made


class Heard:
    """What was heard of a text, and told of its segments."""

    def __init__(self, peer: ListPeer) -> None:
        started = peer.heard_of(SegmentStarted)
        self.spoken = [event.segment.spoken for event in started]
        self.languages = [event.segment.language for event in started]
        self.remarks = [event.segment.remarks for event in peer.heard_of(SegmentEnded)]
        self.pcm = peer.pcm


async def hear(*texts: str, voice: str = "en-us+f3", **config: object) -> Heard:
    peer = ListPeer(*map(token, texts), FLUSH)
    await converse(peer, server(voice), sample_rate=48_000, **config)
    return Heard(peer)


def length_s(sound: Samples) -> float:
    return len(sound) / 48_000


async def test_a_language_reads_the_text_with_its_voice_and_the_same_variant() -> None:
    """Numbers, too: those are the normaliser's."""
    german = await hear("Am 3.5.2024 kostet es 5 €.", language="de-AT")
    asked = await hear("Am 3.5.2024 kostet es 5 €.", voice="de+f3")
    assert german.languages == ["de"]
    assert german.spoken == asked.spoken
    assert "Mai" in german.spoken[0]
    assert np.array_equal(german.pcm, asked.pcm)


@pytest.mark.parametrize(
    ("voice", "language", "spoken_in"),
    [
        ("en-us+f3", "en", "en-us"),
        ("en-us+f3", "en-us", "en-us"),
        ("en-us+f3", "en-gb", "en-gb"),
        ("en-gb", "en", "en-gb"),
        ("de", "de-at", "de"),
        ("yue", "zh-hk", "yue"),
        ("fr", "fr", "fr-fr"),
        ("soprano", "en", "en-us"),
        ("soprano", "fr", "fr-fr"),
        ("anna", "ja", "ja"),
        ("en-us+f3", None, "en-us"),
    ],
)
async def test_a_voice_that_speaks_the_language_keeps_the_word(
    voice: str, language: str | None, spoken_in: str
) -> None:
    heard = await hear("Mama 2!", voice=voice, language=language)
    assert heard.languages == [spoken_in]


async def test_a_converted_voice_is_spoken_in_the_language_and_stays_itself() -> None:
    anna = await hear("Guten Tag!", voice="anna", language="de")
    base = await hear("Guten Tag!", voice="de+f3")
    # The fake converter takes samples at 22,050 Hz for ones at 48,000.
    assert length_s(anna.pcm) == pytest.approx(length_s(base.pcm) * 22_050 / 48_000, abs=0.01)
    assert anna.languages == ["de"]


async def test_the_script_of_each_segment_decides_with_auto() -> None:
    texts = ["Hello! ", "Привет! ", "안녕하세요! ", "你好！", "こんにちは！", "नमस्ते! ", "Bye!"]
    heard = await hear("".join(texts), language="auto")
    assert heard.languages == ["en-us", "ru", "ko", "cmn", "ja", "hi", "en-us"]
    assert heard.remarks == [[]] * 7
    alone = await hear("Привет!", voice="ru+f3")
    again = await hear("Привет!", language="auto")
    assert np.array_equal(again.pcm, alone.pcm)


async def test_a_voice_that_knows_latin_letters_alone_leaves_the_rest_to_others() -> None:
    heard = await hear("Hello! Привет!", voice="soprano", language="auto")
    assert heard.languages == ["en-us", "ru"]


async def test_how_tokens_are_cut_decides_nothing() -> None:
    text = "Hello! Привет, мир! 你好，世界。 Bye."
    whole, letters = await hear(text, language="auto"), await hear(*text, language="auto")
    assert np.array_equal(whole.pcm, letters.pcm)
    assert whole.languages == letters.languages


async def test_a_language_acts_on_the_text_behind_it() -> None:
    peer = ListPeer(
        token("One"), ClientMessage("zwei", config={"language": "de"}),
        ClientMessage("three", config={"language": None}), FLUSH,
    )  # fmt: skip
    await converse(peer, server())
    assert Heard(peer).languages == ["en-us", "de", "en-us"]


@pytest.mark.parametrize(
    ("text", "voice", "spoken", "remarks"),
    [
        ("漢字を読む。", "ja", "を む。", ["skipped"]),
        ("漢字。", "ja", "", ["skipped"]),
        ("東京!", "en-us", "", ["skipped"]),
        ("東京 2024!", "en-us", "", ["skipped"]),
        ("Say 東京 now.", "en-us", "Say now.", ["skipped"]),
        ("Hello there.", "en-us", "Hello there.", []),
        ("(...)", "en-us", "", []),
        ("α ist ein Winkel.", "de", "Alpha ist ein Winkel.", []),
    ],
)
async def test_what_a_voice_cannot_read_is_silent_and_told(
    text: str, voice: str, spoken: str, remarks: list[str]
) -> None:
    heard = await hear(text, voice=voice)
    assert heard.spoken == [spoken]
    assert heard.remarks == [remarks]
    assert bool(length_s(heard.pcm)) == bool(spoken)


@pytest.mark.parametrize(
    ("text", "spoken", "remarks"),
    [
        ("東京!", "toe key oh!", []),
        ("Say 東京 and 京都.", "Say toe key oh and.", ["skipped"]),
        ("[京都](/kjoːto/) 京都!", "[京都](/kjoːto/)!", ["skipped"]),
    ],
)
async def test_a_word_with_a_pronunciation_can_be_read(
    text: str, spoken: str, remarks: list[str]
) -> None:
    words = WordTable({"東京": Pronunciation("toe key oh", None)})
    heard = await hear(text, lexicon=words)
    assert heard.spoken == [spoken]
    assert heard.remarks == [remarks]


async def test_what_an_engine_says_nothing_of_is_told_as_well() -> None:
    """Whatever the reason: an emoji that espeak-ng has no name for."""
    made = server()
    made.segmenter_options = replace(made.segmenter_options, skip_emoji=False)
    peer = ListPeer(token("🫨"), FLUSH)
    await converse(peer, made)
    assert Heard(peer).remarks == [["skipped"]]


@pytest.mark.parametrize("name", ["de", "fr-fr", "cmn", "de+f3", "ja+m1", "en-gb-x-rp"])
async def test_each_voice_of_espeak_can_be_asked_for_without_an_option(name: str) -> None:
    peer = ListPeer(ClientMessage("1, 2.", config={"voice": name}), FLUSH)
    await converse(peer, server())
    assert length_s(peer.pcm) > 0.3


def test_a_language_nobody_speaks_is_refused_by_name() -> None:
    conversation = server().new_conversation("eager")
    with pytest.raises(UnknownLanguage, match=r"^language: .*'tlh'"):
        conversation.configure({"language": "tlh", "voice": "de"})
    assert conversation.style == Style("en-us+f3")
    assert issubclass(UnknownLanguage, ProtocolError)
    with pytest.raises(UnknownVoice):
        conversation.configure({"voice": "de-AT"})


async def test_rules_are_compiled_off_the_loop_and_only_for_languages_that_are_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(normalise, "_prepared", set())  # whatever was spoken before
    assert not is_prepared("pt")
    await hear("São 3 km.", language="pt-br")
    assert is_prepared("pt")
    assert is_prepared("sw")  # nothing to prepare
