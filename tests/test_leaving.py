"""How a server leaves its listeners: a drain asks them to go, and may be taken back; at the end
each may finish what it is saying, and nothing is lost without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from pipeline.close_code import CloseCode
from pipeline.leaving import TOLD_AFTER_S, Leaving
from pipeline.open_utterance import SILENT_S
from stages.errors import Draining, GoneAway, Overloaded
from stages.items import Cancelled, Flushed, GoingAway, Staying
from tests.fakes import CANCEL, FLUSH, service, token
from tests.talks import CHAR_S, Talk
from tests.test_metrics import figures_of

if TYPE_CHECKING:
    from trio.testing import MockClock


# The end.


async def test_text_that_is_still_being_sent_is_spoken_up_to_its_flush(
    autojump_clock: MockClock,
) -> None:
    """A language model writes on while the server ends: four of four such listeners were cut off in
    mid-sentence. What comes behind the flush is refused, with a word."""
    talk = Talk(token("One, two; "))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(0.3)
        talk.server.leaving.close(60)
        for text in ("three, ", "four; ", "five."):
            await trio.sleep(1.5)
            talk.peer.say(token(text))
        talk.peer.say(FLUSH)
        await wait_all_tasks_blocked()
        talk.peer.say(token("Six. "), token("Seven."), FLUSH)
    assert talk.spoken == "One,two;three,four;five."
    assert talk.code is CloseCode.GOING_AWAY
    assert [item.number for item in talk.peer.heard_of(Flushed)] == [1]
    assert len(talk.peer.heard_of(GoneAway)) == 1, "the text that was refused, once"
    assert talk.told() == [GoingAway("closing", 60)]


async def test_who_has_just_come_may_say_something_yet(autojump_clock: MockClock) -> None:
    """Its first words were on their way as the server closed: three of two hundred were lost."""
    talk = Talk()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(SILENT_S / 4)
        talk.server.leaving.close(60)
        await trio.sleep(SILENT_S / 4)
        talk.peer.say(token("One; "))
        await trio.sleep(SILENT_S / 2)
        talk.peer.say(token("two."), FLUSH)
    assert talk.spoken == "One;two."
    assert talk.code is CloseCode.GOING_AWAY


async def test_who_says_nothing_is_closed_at_once(autojump_clock: MockClock) -> None:
    quiet, done = Talk(), Talk(token("All said."), FLUSH)
    done.server = quiet.server
    async with trio.open_nursery() as nursery:
        nursery.start_soon(quiet.hold)
        nursery.start_soon(done.hold)
        await trio.sleep(100)
        quiet.server.leaving.close(60)
    assert quiet.code is done.code is CloseCode.GOING_AWAY
    assert quiet.ended_at == done.ended_at == 100
    assert quiet.told() == done.told() == [GoingAway("closing", 60)]


async def test_text_without_a_flush_ends_by_silence(autojump_clock: MockClock) -> None:
    """Most native clients never flush. A pause of their language model does not end the utterance,
    a longer one does, once all that was said has been sent."""
    talk = Talk(token("One; "))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(0.2)
        talk.server.leaving.close(60)
        await trio.sleep(SILENT_S - 0.5)
        talk.peer.say(token("two; three, and a half"))
        await trio.sleep(SILENT_S + 0.1)
        assert talk.code is None, "some of it has not been sent"
    assert talk.spoken == "One;two;three,and a half"
    assert talk.code is CloseCode.GOING_AWAY


async def test_who_has_been_silent_long_enough_waits_no_longer(autojump_clock: MockClock) -> None:
    talk = Talk(token("One; and a wor"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(100)
        talk.server.leaving.close(60)
    assert talk.spoken == "One;and a wor"
    assert talk.ended_at == pytest.approx(100 + len("and a wor") * CHAR_S, abs=2 * CHAR_S)


async def test_who_flushes_is_waited_for(autojump_clock: MockClock) -> None:
    """Its language model may call a tool in the middle of a reply, for as long as the grace is."""
    talk = Talk(token("One."), FLUSH, token("Two; "))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(3)
        talk.server.leaving.close(60)
        await trio.sleep(10 * SILENT_S)
        talk.peer.say(token("three."), FLUSH)
    assert talk.spoken == "One.Two;three."
    assert talk.ended_at < 4 + 10 * SILENT_S


async def test_a_slow_reader_gets_all_and_may_still_be_sending(autojump_clock: MockClock) -> None:
    """While it has not taken all that was made, it is not silent, but busy."""
    talk = Talk(token("One; "))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(2)
        talk.peer.stop_reading()
        talk.peer.say(token("two; three; "))
        await trio.sleep(1)
        talk.server.leaving.close(60)
        await trio.sleep(10 * SILENT_S)
        talk.peer.say(token("four."), FLUSH)
        await wait_all_tasks_blocked()
        talk.peer.say(token("Five."))
        await trio.sleep(1)
        assert talk.peer.unread == 0, "also while it does not read"
        talk.peer.go_on_reading()
    assert talk.spoken == "One;two;three;four."
    assert len(talk.peer.heard_of(GoneAway)) == 1
    assert talk.code is CloseCode.GOING_AWAY


async def test_a_barge_in_ends_the_utterance_and_the_conversation(
    autojump_clock: MockClock,
) -> None:
    """Who interrupts has heard enough; what it says next is for another server."""
    talk = Talk(token("A long story; and more; and more; and more"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(1.55)
        talk.server.leaving.close(60)
        await trio.sleep(0.1)
        began = trio.current_time()
        talk.peer.say(CANCEL, token("Something else."), FLUSH)
    assert len(talk.peer.heard_of(Cancelled)) == 1
    assert "else" not in talk.spoken
    assert len(talk.peer.heard_of(GoneAway)) == 1
    assert talk.code is CloseCode.GOING_AWAY
    assert talk.ended_at == pytest.approx(began, abs=2 * CHAR_S)


async def test_a_client_that_ends_its_text_in_the_grace_is_spoken_to(
    autojump_clock: MockClock,
) -> None:
    talk = Talk(token("One; two"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(0.1)
        talk.server.leaving.close(60)
        talk.peer.say(token(" and three."))
        talk.peer.hang_up()
    assert talk.spoken == "One;two and three."
    assert talk.ended_at < SILENT_S + CHAR_S


@pytest.mark.parametrize("grace_s", [0, 5])
async def test_what_goes_on_behind_the_grace_is_left(
    grace_s: float, autojump_clock: MockClock
) -> None:
    talk = Talk(token("A long story; and more"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(0.5)
        talk.server.leaving.close(grace_s)
        for _ in range(int(grace_s)):
            await trio.sleep(1)
            talk.peer.say(token(" and more,"))
        talk.server.leaving.grace_over.set()
    assert talk.code is CloseCode.GOING_AWAY
    assert talk.ended_at == 0.5 + grace_s


async def test_blank_text_and_a_barge_in_behind_the_end_are_nothing_that_was_lost(
    autojump_clock: MockClock,
) -> None:
    talk = Talk(token("One; two."), FLUSH)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(0.3)
        talk.server.leaving.close(60)
        talk.peer.say(token(" \n"), CANCEL)
    assert len(talk.peer.heard_of(Cancelled)) == 1
    assert talk.code is CloseCode.GOING_AWAY
    assert talk.peer.heard_of(GoneAway) == []


# A drain.


async def test_a_drain_asks_once_and_lets_everybody_speak_on(autojump_clock: MockClock) -> None:
    talk = Talk(token("One."), FLUSH)
    leaving = talk.server.leaving
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(1)
        leaving.drain()
        leaving.drain()
        await trio.sleep(1000)
        talk.peer.say(token("Two."), FLUSH)
        await trio.sleep(1)
        assert (talk.spoken, talk.code) == ("One.Two.", None)
        leaving.stay()
        await wait_all_tasks_blocked()
        leaving.drain()
        await trio.sleep(2 * TOLD_AFTER_S)
        leaving.close(60)
    asked = GoingAway("draining")
    assert talk.told() == [asked, Staying(), asked, GoingAway("closing", 60)]
    assert talk.code is CloseCode.GOING_AWAY


async def test_an_end_is_not_taken_back_with_a_drain(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """SIGUSR2 comes behind SIGTERM: nobody is told that it stays, the log neither."""
    caplog.set_level("INFO")
    talk = Talk(token("One; two."))
    leaving = talk.server.leaving
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(0.1)
        leaving.drain()
        await trio.sleep(2 * TOLD_AFTER_S)
        leaving.close(60)
        leaving.stay()
    assert talk.told() == [GoingAway("draining"), GoingAway("closing", 60)]
    assert "newcomers are taken" not in caplog.text
    assert talk.server.not_ready_because == "the server is shutting down"


async def test_who_comes_in_as_a_drain_begins_is_told_too(autojump_clock: MockClock) -> None:
    """It was admitted a moment before."""
    talk = Talk()
    talk.server.leaving.drain()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.sleep(2 * TOLD_AFTER_S)
        nursery.cancel_scope.cancel()
    assert talk.told() == [GoingAway("draining")]


async def test_a_drain_that_is_taken_back_wakes_nobody(autojump_clock: MockClock) -> None:
    leaving = Leaving()
    gone = []

    async def wait() -> None:
        await leaving.asked()
        gone.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        leaving.drain()
        leaving.stay()
        await trio.sleep(2 * TOLD_AFTER_S)
        assert not gone
        leaving.drain()
    assert gone == [3 * TOLD_AFTER_S]


async def test_who_is_here_is_asked_to_leave_once_balancers_know(
    autojump_clock: MockClock,
) -> None:
    """Who left at once would be sent back: a server that drains is the emptiest, until it was
    asked. Saying it again makes it no later."""
    talk = Talk()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await wait_all_tasks_blocked()
        talk.server.leaving.drain()
        assert talk.server.leaving.turns_away
        await trio.sleep(TOLD_AFTER_S / 2)
        talk.server.leaving.drain()
        await wait_all_tasks_blocked()
        assert talk.told() == []
        await trio.sleep(TOLD_AFTER_S / 2)
        await wait_all_tasks_blocked()
        assert talk.told() == [GoingAway("draining")]
        nursery.cancel_scope.cancel()


async def test_a_drain_turns_newcomers_away_and_says_so(autojump_clock: MockClock) -> None:
    server = service()
    reasons = [server.not_ready_because]
    server.leaving.drain()
    reasons.append(server.not_ready_because)
    with pytest.raises(Draining) as refused:
        server.check_room()
    assert refused.value.retry_after_s > 0
    with server.admit(is_here=True):
        assert server.n_listeners == 1
    assert figures_of(server)("voice_draining") == 1
    assert figures_of(server)("voice_refused_total", reason="draining") == 1
    server.leaving.stay()
    reasons.append(server.not_ready_because)
    server.check_room()
    server.leaving.drain()
    server.leaving.close()
    reasons.append(server.not_ready_because)
    with pytest.raises(Overloaded), server.admit(is_here=True):
        pass
    assert reasons == [None, "draining", None, "the server is shutting down"]
