"""Barge-in: what a cancel drops, what it tells, and what may come after it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from pipeline.playback import NEWCOMER_S
from stages.errors import ProtocolError
from stages.items import (
    Cancelled,
    ClientMessage,
    PcmFrame,
    SegmentStarted,
)
from tests.fakes import CANCEL, FLUSH, ListPeer, converse, service, text_of, token
from tests.inline_models import InlineModels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stages.engine import Engine, Job, Playback
    from stages.items import Answer, Outgoing, Segment


async def test_a_barge_in_drops_everything_and_tells_what_was_heard(
    autojump_clock: MockClock,
) -> None:
    models = InlineModels(iter([0.05] * 10_000))
    peer = ListPeer(token("One two three; four five six; seven. "), ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(converse, peer, service(models))
        await trio.sleep(1)
        peer.say(CANCEL)
        await wait_all_tasks_blocked()
        [cancelled] = peer.heard_of(Cancelled)
        assert models.open_requests == 0
        assert cancelled.text_spoken
        assert (
            cancelled.text_spoken + cancelled.text_remaining
            == "One two three; four five six; seven. "
        )
        assert cancelled.sample_offset == len(peer.pcm)
        before = len(peer.pcm)
        await trio.sleep(60)
        assert len(peer.pcm) == before  # not a sample of the old
        peer.say(token("New!"))
        await trio.sleep(60)
        assert text_of(peer.pcm[before:]) == "New!"
        last = peer.heard_of(SegmentStarted)[-1]
        assert last.sample_offset == before
        assert last.segment.index > 0
        peer.hang_up()


async def test_played_ms_says_which_text_was_heard(autojump_clock: MockClock) -> None:
    peer = ListPeer(token("Abcd efgh ijkl!"), ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(converse, peer)
        await wait_all_tasks_blocked()
        # 15 characters of 100 samples: the second word ends after 900 samples, 18.75 ms
        peer.say(ClientMessage(cancel=True, played_ms=19.0))
        await wait_all_tasks_blocked()
        assert peer.heard_of(Cancelled)[0].text_spoken == "Abcd efgh"
        peer.say(token("Xyzw abcd!"))
        await wait_all_tasks_blocked()
        peer.say(ClientMessage(cancel=True, played_ms=9.0))  # counted from the last cancel
        await wait_all_tasks_blocked()
        assert peer.heard_of(Cancelled)[1].text_spoken == "Xyzw"
        peer.hang_up()


async def test_a_barge_in_drops_what_waits_for_a_client_that_is_slow_to_read(
    autojump_clock: MockClock,
) -> None:
    peer = ListPeer(token("a" * 199 + "; " + "b" * 199 + "; "), ends=False)
    peer.stop_reading()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(converse, peer)
        await wait_all_tasks_blocked()
        peer.say(CANCEL)
        await wait_all_tasks_blocked()
        peer.go_on_reading()
        peer.hang_up()
    assert len(peer.heard_of(PcmFrame)) <= 1  # the one that was under way
    assert peer.heard_of(Cancelled)[0].sample_offset == len(peer.pcm)


async def test_a_barge_in_makes_room_for_new_text(autojump_clock: MockClock) -> None:
    server = service(InlineModels(iter([1.0] * 1000)), max_pending_bytes=105)
    peer = ListPeer(token("old " * 20), CANCEL, token("new " * 10), token("and more"), FLUSH)
    await converse(peer, server)
    assert text_of(peer.pcm).endswith("new and more")


async def test_what_an_interrupted_listener_had_not_heard_does_not_delay_its_ear(
    autojump_clock: MockClock,
) -> None:
    peer = ListPeer(token("a" * 190 + "; "), ends=False)  # 0.4 s of sound
    async with trio.open_nursery() as nursery:
        nursery.start_soon(converse, peer)
        await wait_all_tasks_blocked()
        peer.say(CANCEL, token("abcd efgh!"))
        await wait_all_tasks_blocked()
        await trio.sleep(0.03)  # more than the new text's 1000 samples
        peer.say(CANCEL)
        peer.hang_up()
    assert peer.heard_of(Cancelled)[1].text_spoken == "abcd efgh!"


async def test_a_cancel_may_bring_the_next_text_with_it(autojump_clock: MockClock) -> None:
    peer = ListPeer(token("Old text"), ClientMessage("New!", cancel=True))
    await converse(peer)
    assert text_of(peer.pcm) == "New!"


async def test_a_cancel_of_nothing_is_answered(autojump_clock: MockClock) -> None:
    peer = ListPeer(CANCEL, CANCEL)
    await converse(peer)
    assert peer.heard_of(Cancelled) == [Cancelled("", "", 0), Cancelled("", "", 0)]


async def test_a_cancel_is_seen_behind_text_that_came_letter_by_letter(
    autojump_clock: MockClock,
) -> None:
    letters = [token(letter) for letter in "word " * 8_000]
    peer = ListPeer(*letters, CANCEL)
    await converse(peer, service(InlineModels(iter([1000.0] * 10))))
    assert peer.heard_of(Cancelled)[0].text_remaining == "word " * 8_000
    assert trio.current_time() < 1000


async def test_a_cancel_is_seen_however_much_text_waits(autojump_clock: MockClock) -> None:
    """It was behind text that was not read before some had been spoken: 1,800 s, in real time."""
    texts = ["A sentence of a book. " * 100] * 200
    models = InlineModels(iter([0.5] * 10_000))
    peer = ListPeer(*map(token, texts), ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(converse, peer, service(models))
        await trio.sleep(10)
        peer.say(CANCEL)
        await trio.sleep(1)
        [cancelled] = peer.heard_of(Cancelled)
        assert 1 << 18 <= len(cancelled.text_spoken + cancelled.text_remaining) < 1 << 19
        peer.say(token("New!"))
        await trio.sleep(10)
        peer.hang_up()
    assert text_of(peer.pcm).endswith("New!")


@pytest.mark.parametrize(
    "message",
    [ProtocolError("what?"), ClientMessage(config={"pitch_shift": 1.0}), CANCEL, FLUSH],
    ids=["errors", "settings", "barge-ins", "flushes"],
)
async def test_a_cancel_is_seen_while_no_answer_can_be_sent(
    autojump_clock: MockClock, message: ClientMessage | ProtocolError
) -> None:
    """The intake waited until the 65th of them had room, for a client that did not read."""
    models = InlineModels(iter([0.05] * 10_000))
    peer = ListPeer(token("A long story, " * 100), ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(converse, peer, service(models))
        await trio.sleep(1)
        peer.stop_reading()
        peer.say(*[message] * 500)
        await trio.sleep(1)
        assert peer.unread == 0
        peer.say(CANCEL)
        await trio.sleep(1)
        assert models.open_requests == 0
        peer.go_on_reading()
        await trio.sleep(1)
        assert peer.heard_of(Cancelled)
        peer.hang_up()


async def test_a_client_that_reads_none_of_its_answers_is_given_up(
    autojump_clock: MockClock,
) -> None:
    """They are kept for it in memory."""
    peer = ListPeer(*[ProtocolError("what?")] * 100_000, ends=False)
    async with trio.open_nursery() as nursery:
        peer.stop_reading()
        nursery.start_soon(converse, peer)
        await trio.sleep(1)
        assert peer.unread > 98_000


async def test_a_reply_after_a_barge_in_is_due_at_once(autojump_clock: MockClock) -> None:
    """The message that was in flight ended after the cancel, and the clock took it to be played:
    the reply was due 340 ms too late, and its first sound was not counted as waited for."""
    due_in_s: list[float] = []

    class Watched(InlineModels):
        @contextmanager
        def open(self, engine: Engine, segment: Segment, playback: Playback) -> Iterator[Job]:
            now = trio.current_time()
            due_in_s.append(playback.deadline(now) - now)
            with super().open(engine, segment, playback) as job:
                yield job

    class Slow(ListPeer):
        async def send(self, item: Outgoing | Answer) -> None:
            if isinstance(item, PcmFrame) and item.n_samples > 160 * 48:
                self.stop_reading()
            await super().send(item)

    server = service(Watched())
    peer = Slow(token("a" * 190 + "! "), ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(converse, peer, server)
        await wait_all_tasks_blocked()
        peer.say(CANCEL)
        await trio.sleep(0.1)
        peer.go_on_reading()
        await wait_all_tasks_blocked()
        peer.say(token("New!"), FLUSH)
        peer.hang_up()
    assert text_of(peer.pcm).endswith("New!")
    assert due_in_s[-1] == pytest.approx(NEWCOMER_S)
    rendered = server.metrics.render().decode()
    assert "voice_first_audio_seconds_count 2.0" in rendered
    assert "voice_gaps_total 0.0" in rendered
