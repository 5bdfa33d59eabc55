"""Voices are loaded as soon as a listener has chosen them, before there is anything to say."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from pipeline.executor import open_executor
from stages.engine import Engine
from stages.items import ClientMessage, Style
from tests.fakes import ListPeer, Negating, TellingEngine, converse, service

if TYPE_CHECKING:
    from collections.abc import Hashable
    from concurrent.futures import Future
    from typing import Any

    from pipeline.service import Service


class Remembering(Engine):
    """Remembers which voices were chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.chosen: dict[Hashable, str] = {}
        self.ever_chosen: list[str] = []

    def load_voice(self, user: Hashable, style: Style, *, ahead: bool = False) -> Future[Any]:
        assert ahead
        self.chosen[user] = style.voice
        self.ever_chosen.append(style.voice)
        return super().load_voice(user, style, ahead=ahead)

    def release_voice(self, user: Hashable) -> None:
        self.chosen.pop(user, None)


class Synthesizer(Remembering, TellingEngine):
    """Has the voice "plain"."""


class Converter(Remembering, Negating):
    """Has the voice "other", which speaks with "plain"."""


class Chosen:
    """A service on both, and what they remember of its one listener."""

    def __init__(self) -> None:
        self.synthesizer, self.converter = Synthesizer(), Converter()
        self.service: Service = service(
            synthesizer=self.synthesizer, voice_converters=[self.converter]
        )
        voices = self.service.voices
        other = replace(voices["other"], engine=self.converter.name, speaks_with="plain")
        self.service.voices = {**voices, "other": other}

    @property
    def voices(self) -> tuple[list[str], list[str]]:
        return [*self.synthesizer.chosen.values()], [*self.converter.chosen.values()]


async def test_voices_are_loaded_as_soon_as_they_are_chosen(autojump_clock: MockClock) -> None:
    chosen = Chosen()
    peer = ListPeer(ends=False)

    async def configure(*voices: str) -> None:
        peer.say(*[ClientMessage(config={"voice": voice}) for voice in voices])
        await wait_all_tasks_blocked()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(converse, peer, chosen.service)
        await wait_all_tasks_blocked()
        assert chosen.voices == (["plain"], [])
        await configure("other")
        assert chosen.voices == (["plain"], ["other"])
        await configure("plain")
        assert chosen.voices == (["plain"], [])
        await configure("other", "nobody")
        assert chosen.voices == (["plain"], ["other"])
        peer.hang_up()
    assert chosen.voices == ([], [])


async def test_a_voice_in_the_query_is_loaded_at_once(autojump_clock: MockClock) -> None:
    chosen = Chosen()
    peer = ListPeer(ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(converse, peer, chosen.service, voice="other"))
        await wait_all_tasks_blocked()
        assert chosen.voices == (["plain"], ["other"])
        peer.hang_up()


async def test_the_default_voice_is_loaded_before_anybody_comes() -> None:
    chosen = Chosen()
    chosen.service.style = Style("other")
    async with open_executor() as executor:
        chosen.service.executor = executor
        await chosen.service.install_engines()
    assert chosen.synthesizer.ever_chosen == ["plain"]
    assert chosen.converter.ever_chosen == ["other"]
    assert chosen.voices == ([], [])
