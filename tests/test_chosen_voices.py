"""Engines are told which voice a listener has chosen, before there is anything to say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from stages.items import ClientMessage
from tests.fakes import ListPeer, Negating, converse, service

if TYPE_CHECKING:
    from collections.abc import Hashable

    from pipeline.service import Service
    from stages.items import Style


class Expecting(Negating):
    """Speaks in the voice "other", and remembers whom it expects to."""

    def __init__(self) -> None:
        self.expected: dict[Hashable, str] = {}
        self.told: list[str | None] = []

    def expect(self, listener: Hashable, style: Style) -> None:
        self.expected[listener] = style.voice
        self.told.append(style.voice)

    def forget(self, listener: Hashable) -> None:
        self.expected.pop(listener, None)
        self.told.append(None)


def service_with(converter: Expecting) -> Service:
    """Its voice "other" is the converter's."""
    server = service(voice_converters=[converter])
    other = replace(server.voices["other"], engine=converter.name, speaks_with="plain")
    server.voices = {**server.voices, "other": other}
    return server


async def test_a_voice_is_expected_as_soon_as_it_is_chosen(autojump_clock: MockClock) -> None:
    converter = Expecting()
    server = service_with(converter)
    peer = ListPeer(ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(converse, peer, server)
        await wait_all_tasks_blocked()
        peer.say(ClientMessage(config={"voice": "other"}))
        await wait_all_tasks_blocked()
        assert list(converter.expected.values()) == ["other"]
        peer.say(ClientMessage(config={"voice": "plain"}))
        await wait_all_tasks_blocked()
        assert converter.expected == {}
        peer.say(
            ClientMessage(config={"voice": "other"}), ClientMessage(config={"voice": "nobody"})
        )
        await wait_all_tasks_blocked()
        assert list(converter.expected.values()) == ["other"]
        peer.hang_up()
    assert converter.expected == {}
    assert converter.told == [None, "other", None, "other", None]


async def test_a_voice_in_the_query_is_expected_at_once(autojump_clock: MockClock) -> None:
    converter = Expecting()
    server = service_with(converter)
    await converse(ListPeer(), server, voice="other")
    assert converter.told == ["other", None]
