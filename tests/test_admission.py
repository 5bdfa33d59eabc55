"""Who is given a place: as many as the machine can speak to, and one at the least."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from stages.errors import Overloaded
from stages.items import Style
from tests.fakes import FLUSH, converse, service, token
from tests.timed_models import SENTENCE, Figures, SlowSpeaker, TimedPeer, slow_service

if TYPE_CHECKING:
    from trio.testing import MockClock


async def test_a_newcomer_is_refused_where_those_who_hear_something_would_starve(
    autojump_clock: MockClock,
) -> None:
    """Each takes 0.45 of the machine: two fit. Who is silent takes nothing, and who is there
    already is spoken to."""
    server = await slow_service(SlowSpeaker(0.45))
    style = Style("plain")
    peers = [TimedPeer(ends=False) for _ in range(3)]
    async with trio.open_nursery() as nursery:
        for peer in peers:
            nursery.start_soon(converse, peer, server)
        await trio.sleep(1)
        with server.admit(style):
            pass  # nobody says anything
        for peer in peers[:1]:
            peer.say(token(SENTENCE * 5))
        await trio.sleep(5)
        with server.admit(style):
            pass  # one does
        peers[1].say(token(SENTENCE * 5))
        await trio.sleep(1)
        assert Figures(server)("load") == pytest.approx(0.9, rel=0.01)
        with (
            pytest.raises(Overloaded, match="no more listeners now") as refused,
            server.admit(style),
        ):
            pass
        assert 18 < refused.value.retry_after_s < 24  # the first has heard 6 of 25 s and pauses
        assert Figures(server)("refused_total", "busy") == 1
        peers[2].say(token("Me too!"), FLUSH)
        await trio.sleep(120)
        with server.admit(style):
            pass  # all has been heard
        assert all(len(peer.pcm) for peer in peers)
        for peer in peers:
            peer.hang_up()


async def test_who_is_refused_is_told_when_a_place_is_likely_to_come_free(
    autojump_clock: MockClock,
) -> None:
    """A place is held for half an hour, or for a moment; nobody is sent away for longer than a
    minute, or for less than a second."""
    server = service(max_listeners=1)
    told = []
    for held_s in (1.0, 10.0, 1800.0, *[0.1] * 100):
        with server.admit():
            await trio.sleep(held_s)
            with pytest.raises(Overloaded) as refused, server.admit():
                pass
        told.append(refused.value.retry_after_s)
    assert told[:5] == [20, 19, 18, 60, 60]
    assert told[-1] == 1


async def test_a_machine_that_is_too_slow_for_one_speaks_to_one(autojump_clock: MockClock) -> None:
    server = await slow_service(SlowSpeaker(3.0))
    with server.admit():
        pass
    peer = TimedPeer(token(SENTENCE), ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(converse, peer, server)
        await trio.sleep(1)
        with pytest.raises(Overloaded), server.admit():
            pass
        peer.hang_up()
