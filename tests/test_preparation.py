"""A listener is told when a voice has to be read first, and when it is there."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

import trio
from trio.testing import wait_all_tasks_blocked

from pipeline.dialects.native import render
from pipeline.executor import open_executor
from stages.errors import UnusableModel
from stages.items import ClientMessage, Prepared, Preparing, Ready, SegmentFailed
from tests.executing import until
from tests.fakes import FLUSH, ListPeer, TellingEngine, converse, service, token

if TYPE_CHECKING:
    from collections.abc import Hashable

    import pytest

    from stages.items import Style


class Slow(TellingEngine):
    """Its voice "other" is read when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Future[Any]] = []

    def load_voice(self, user: Hashable, style: Style, *, ahead: bool = False) -> Future[Any]:
        if style.voice != "other":
            return super().load_voice(user, style, ahead=ahead)
        self.waiting.append(Future())
        return self.waiting[-1]

    def read_all(self, error: Exception | None = None) -> None:
        for voice in self.waiting:
            if error is None:
                voice.set_result(None)
            else:
                voice.set_exception(error)
        self.waiting.clear()


async def started(engine: Slow, peer: ListPeer, nursery: trio.Nursery, **config: object) -> None:
    executor = await nursery.start(_executor)
    await executor.add(engine)
    nursery.start_soon(partial(converse, peer, service(executor, engine), **config))
    await wait_all_tasks_blocked()


async def _executor(task_status: trio.TaskStatus[Any]) -> None:
    async with open_executor() as executor:
        task_status.started(executor)
        await trio.sleep_forever()


def told(peer: ListPeer) -> list[str | None]:
    """The voices of the two events, ``+`` before the second; None: one cannot be read."""
    names: list[str | None] = []
    for item in peer.heard:
        if isinstance(item, Preparing):
            names.append(item.voice)
        elif isinstance(item, Prepared):
            names.append(None if item.error else f"+{item.voice}")
    return names


async def test_a_voice_that_is_chosen_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """Behind the answer to the choice; the log has it with the seconds that it took."""
    caplog.set_level("INFO")
    engine, peer = Slow(), ListPeer(ends=False)
    async with trio.open_nursery() as nursery:
        await started(engine, peer, nursery)
        assert told(peer) == []
        peer.say(ClientMessage(config={"voice": "other"}))
        await until(lambda: told(peer) == ["other"])
        ready, preparing = peer.heard[-2:]
        assert isinstance(ready, Ready)
        assert render(preparing).rstrip() == '{"event":"preparing","voice":"other"}'
        engine.read_all()
        await until(lambda: told(peer) == ["other", "+other"])
        assert render(peer.heard[-1]).rstrip() == '{"event":"prepared","voice":"other"}'
        nursery.cancel_scope.cancel()
    assert "a voice is there" in caplog.text


async def test_it_is_told_once_though_text_needs_it_too() -> None:
    engine, peer = Slow(), ListPeer(ends=False)
    async with trio.open_nursery() as nursery:
        await started(engine, peer, nursery, voice="other")
        peer.say(token("Hello."), FLUSH)
        await until(lambda: len(engine.waiting) == 2)
        engine.read_all()
        await until(lambda: len(peer.pcm))
        assert told(peer) == ["other", "+other"]
        nursery.cancel_scope.cancel()


async def test_text_that_needs_a_voice_which_has_left_tells_of_it_again() -> None:
    engine, peer = Slow(), ListPeer(ends=False)
    async with trio.open_nursery() as nursery:
        await started(engine, peer, nursery, voice="other")
        engine.read_all()
        await until(lambda: told(peer) == ["other", "+other"])
        peer.say(token("Hello."), FLUSH)
        await until(lambda: engine.waiting)
        await until(lambda: told(peer)[2:] == ["other"])
        engine.read_all()
        await until(lambda: told(peer)[2:] == ["other", "+other"])
        nursery.cancel_scope.cancel()


async def test_a_voice_that_cannot_be_read_is_an_error_in_its_place() -> None:
    engine, peer = Slow(), ListPeer(ends=False)
    async with trio.open_nursery() as nursery:
        await started(engine, peer, nursery, voice="other")
        engine.read_all(UnusableModel("other.pth is torn"))
        await until(lambda: told(peer) == ["other", None])
        assert '"error":"other.pth is torn"' in render(peer.heard[-1])
        assert '"code":"unusable_model"' in render(peer.heard[-1])
        peer.say(token("Hello."), FLUSH)
        await until(lambda: engine.waiting)
        engine.read_all(UnusableModel("other.pth is torn"))
        await until(lambda: peer.heard_of(SegmentFailed))
        assert told(peer) == ["other", None, "other"]
        nursery.cancel_scope.cancel()


async def test_another_choice_ends_the_wait() -> None:
    engine, peer = Slow(), ListPeer(ends=False)
    async with trio.open_nursery() as nursery:
        await started(engine, peer, nursery, voice="other")
        peer.say(ClientMessage(config={"voice": "plain"}))
        await until(lambda: len(peer.heard_of(Ready)) == 2)
        engine.read_all()
        await wait_all_tasks_blocked()
        assert told(peer) == ["other"]
        nursery.cancel_scope.cancel()


async def test_a_choice_that_leaves_the_wait_as_it_is_tells_of_it_again() -> None:
    """A listener who waited for a voice, and then chose one that was there, could not tell that
    from one who had changed the speed: the page waited for ever. Now what is waited for is what is
    told behind the last `ready`."""
    engine, peer = Slow(), ListPeer(ends=False)
    async with trio.open_nursery() as nursery:
        await started(engine, peer, nursery, voice="other")
        peer.say(ClientMessage(config={"speed": 1.5}))
        await until(lambda: told(peer) == ["other", "other"])
        assert isinstance(peer.heard[-2], Ready)
        engine.read_all()
        await until(lambda: told(peer) == ["other", "other", "+other"])
        await wait_all_tasks_blocked()
        assert told(peer) == ["other", "other", "+other"]
        nursery.cancel_scope.cancel()


async def test_who_asks_for_no_events_gets_none() -> None:
    engine, peer = Slow(), ListPeer(ends=False)
    async with trio.open_nursery() as nursery:
        await started(engine, peer, nursery, voice="other", events=False)
        engine.read_all(UnusableModel("other.pth is torn"))
        await wait_all_tasks_blocked()
        assert peer.heard == []
        nursery.cancel_scope.cancel()
