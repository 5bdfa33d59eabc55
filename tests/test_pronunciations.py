"""Pronunciations on their way: from a client's config, a lexicon or the text to the engine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipeline.dialects import native
from stages.errors import ProtocolError
from stages.items import SegmentStarted
from stages.text.lexicon import Lexicon, Pronunciation, WordTable
from tests.fakes import FLUSH, ListPeer, Negating, TellingEngine, converse, service, token

if TYPE_CHECKING:
    from trio.testing import MockClock

    from pipeline.service import Service
    from stages.items import ClientMessage

FILE = Lexicon(
    {
        "*": WordTable({"Nginx": Pronunciation("engine x")}),
        "en": WordTable({"Worcester": Pronunciation("Wooster", "ˈwʊstɚ")}),
    }
)


def speaking(*, takes_sounds: bool = False) -> Service:
    engine = TellingEngine()
    engine.takes_sounds = takes_sounds
    server = service(synthesizer=engine)
    server.words_for = FILE.tables
    return server


async def spoken(server: Service, *messages: ClientMessage, **config: object) -> list[str]:
    """What `segment_start` tells as spoken, segment by segment."""
    peer = ListPeer(*messages, FLUSH)
    await converse(peer, server, **config)
    return [started.segment.spoken for started in peer.heard_of(SegmentStarted)]


async def test_the_servers_words_are_said_and_told(autojump_clock: MockClock) -> None:
    assert await spoken(speaking(), token("Nginx in Worcester.")) == ["engine x in Wooster."]


async def test_an_engine_that_takes_sounds_gets_and_tells_them(autojump_clock: MockClock) -> None:
    server = speaking(takes_sounds=True)
    said = await spoken(server, token("In Worcester, or [Worcester](/ˈwɔːstə/)."))
    assert said == ["In [Worcester](/ˈwʊstɚ/),", "or [Worcester](/ˈwɔːstə/)."]


async def test_an_engine_without_sounds_says_the_word(autojump_clock: MockClock) -> None:
    assert await spoken(speaking(), token("[Kokoro](/kˈOkəɹO/) here.")) == ["Kokoro here."]


async def test_a_connections_words_come_first_from_then_on(autojump_clock: MockClock) -> None:
    own = native.parse('{"config": {"lexicon": {"nginx": "en jinx", "Bob": {"ipa": "bɒb"}}}}')
    none = native.parse('{"config": {"lexicon": null}}')
    said = await spoken(speaking(), token("Nginx."), own, token("Nginx Bob."), none, token("Nginx"))
    assert said == ["engine x.", "en jinx Bob.", "engine x"]


async def test_the_same_words_again_end_no_segment(autojump_clock: MockClock) -> None:
    own = native.parse('{"config": {"lexicon": {"nginx": "en jinx"}}}')
    said = await spoken(speaking(), own, token("I like "), own, token("nginx."))
    assert said == ["I like en jinx."]


async def test_a_converted_voice_gets_what_its_speaking_engine_gets(
    autojump_clock: MockClock,
) -> None:
    engine, converter = TellingEngine(), Negating()
    engine.takes_sounds = True
    server = service(synthesizer=engine, voice_converters=[converter])
    server.words_for = FILE.tables
    other = replace(
        server.voices["other"], engine=converter.name, speaks_with="plain", language="xx"
    )
    server.voices = {**server.voices, "other": other}
    assert await spoken(server, token("Worcester."), voice="other") == ["[Worcester](/ˈwʊstɚ/)."]


@pytest.mark.parametrize(
    ("lexicon", "told"),
    [
        ('{"k": {"ipa": "k@t"}}', "config.lexicon.k.ipa: '@' is no symbol of the International"),
        ('{"k": {}}', "config.lexicon.k: must have say, ipa, or both"),
        ('{"k": 5}', "config.lexicon.k: must be a text, or an object with say, ipa, or both"),
        ('{"k": {"say": "a", "x": 1}}', "config.lexicon.k.x: unknown key"),
        ('{"k": ""}', "config.lexicon.k.say: is empty"),
        ('{"": "a"}', "config.lexicon..[key]: is empty"),
        ('{"k": "a\\u0000"}', "config.lexicon.k.say: must not contain control characters"),
        ('{"k": "a\\ud800"}', "config.lexicon.k.say: "),
        ('{"k": "' + "x" * 201 + '"}', "config.lexicon.k.say: String should have at most 200"),
        ('{"' + "k" * 65 + '": "a"}', "String should have at most 64 characters"),
        ('{"k": {"ipa": "' + "ə" * 101 + '"}}', "config.lexicon.k.ipa: String should have at most"),
        ("{" + ", ".join(f'"{n}": "a"' for n in range(201)) + "}", "config.lexicon: Dictionary"),
        ("[]", "config.lexicon: "),
        ('"Nginx"', "config.lexicon: "),
    ],
)
def test_bounds_of_the_wire_are_told_with_their_entry(lexicon: str, told: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        native.parse(f'{{"config": {{"lexicon": {lexicon}}}}}')
    assert told in str(caught.value)


def test_a_lexicon_has_no_place_in_a_url() -> None:
    with pytest.raises(ProtocolError, match=r"^lexicon: "):
        native.parse_query([("lexicon", '{"a": "b"}')])


async def test_words_that_wait_count_as_text_that_waits(autojump_clock: MockClock) -> None:
    """Four thousand tables of 50 kB could wait with a letter each, 200 MB of a client."""
    server = speaking()
    peer = ListPeer(ends=False)
    for n in range(100):
        words = ", ".join(f'"word {n} {k}": "{"x" * 190}"' for k in range(200))
        peer.say(native.parse(f'{{"config": {{"lexicon": {{{words}}}}}, "token": "a"}}'))
    peer.hang_up()
    await converse(peer, server)
    errors = [item for item in peer.heard if isinstance(item, ProtocolError)]
    assert [error.code for error in errors] == ["too_much_text"]
    assert not server.ledgers
