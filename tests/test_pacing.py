"""Speech that is made more slowly than it is heard: held back, told, and heard without a gap."""

from __future__ import annotations

import random
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from pipeline.close_code import CloseCode
from pipeline.rehearsal import rehearse, rehearse_what_is_chosen
from pipeline.speak_text import speak_text
from stages.errors import ProtocolError
from stages.items import Cancelled, ClientMessage, Flushed, PcmFrame, Ready, SegmentStarted
from stages.sender.pacer import MAX_HOLD_S
from tests.fakes import CANCEL, FLUSH, converse, service, token
from tests.timed_models import (
    PIECE_S,
    SENTENCE,
    Figures,
    SlowSpeaker,
    TimedModels,
    TimedPeer,
    slow_service,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio.testing import MockClock

    from stages.engine import Engine, Job, Playback
    from stages.items import Outgoing, Segment

LONGER = (
    "And one that is longer by half says of each thing more than a reader would ever want to know"
    " of it. "
)


def noisy(seed: int) -> partial[float]:
    """Steps that take 20 % less or more."""
    return partial(random.Random(seed).uniform, 0.8, 1.2)


@pytest.mark.parametrize("factor", [1.2, 2.0, 3.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("chars_per_s", [13.0, 15.0, 18.0])
async def test_a_listener_who_plays_at_once_hears_no_gap_and_knows_how_long_it_waits(
    autojump_clock: MockClock, factor: float, seed: int, chars_per_s: float
) -> None:
    """Also where steps jitter, and where the voice speaks more slowly, or more quickly, than was
    thought. Without the hold a sentence of 5 s had 9 s of silence in it; a few hundredths may be
    left while all that is known of an engine is one second."""
    engine = SlowSpeaker(factor, chars_per_s=chars_per_s, jitter=noisy(seed))
    server = await slow_service(engine)
    peer = TimedPeer(token(SENTENCE + LONGER + SENTENCE), FLUSH)
    await converse(peer, server)
    assert Figures(server)("gap_seconds_total") < 0.05
    waits = peer.waits()
    assert len(waits) == 3
    for told, real in waits:
        assert told > 0
        assert told == pytest.approx(real, rel=0.2, abs=0.3)
    assert Figures(server)("hold_seconds_count") == 3
    assert Figures(server)("hold_seconds_sum") == pytest.approx(sum(real for _, real in waits))


@pytest.mark.parametrize("factor", [1.2, 2.0, 3.0])
async def test_who_buffers_himself_gets_sound_as_it_is_made(
    autojump_clock: MockClock, factor: float
) -> None:
    server = await slow_service(SlowSpeaker(factor))
    peer = TimedPeer(token(SENTENCE), FLUSH)
    await converse(peer, server, pacing="asap")
    [(told, real)] = peer.waits()
    assert told == real == 0
    silence_s = (factor - 1) * (5 - PIECE_S)
    assert Figures(server)("gap_seconds_total") == pytest.approx(silence_s, abs=0.5)
    [ready] = peer.heard_of(Ready)
    assert ready.pacing == "asap"
    assert ready.real_time_factor == pytest.approx(factor, rel=0.01)


@pytest.mark.parametrize("pacing", ["smooth", "asap"])
async def test_the_samples_are_the_same_whenever_they_go_out(
    autojump_clock: MockClock, pacing: str
) -> None:
    quick, slow = TimedPeer(token(SENTENCE * 2), FLUSH), TimedPeer(token(SENTENCE * 2), FLUSH)
    await converse(quick, await slow_service(SlowSpeaker(0.1)))
    await converse(slow, await slow_service(SlowSpeaker(2.0)), pacing=pacing)
    assert quick.pcm.tobytes() == slow.pcm.tobytes()
    offsets = [item.sample_offset for item in slow.heard_of(SegmentStarted)]
    assert offsets == [item.sample_offset for item in quick.heard_of(SegmentStarted)]


async def test_engines_that_are_fast_enough_hold_nothing_back(autojump_clock: MockClock) -> None:
    server = await slow_service(SlowSpeaker(0.4))
    peer = TimedPeer(token(SENTENCE * 3), FLUSH)
    await converse(peer, server)
    assert [item.pacing.hold_s for item in peer.started] == [0, 0, 0]
    assert Figures(server)("gaps_total") == Figures(server)("hold_seconds_count") == 0


async def test_nothing_is_held_back_while_nobody_knows_how_fast_it_is(
    autojump_clock: MockClock,
) -> None:
    """The first sentence of an engine that was never heard: it might be quick."""
    server = service(TimedModels(), SlowSpeaker(3.0), segmentation="sentence")
    peer = TimedPeer(token(SENTENCE * 2), FLUSH)
    await converse(peer, server)
    first, second = peer.started
    assert (first.pacing.hold_s, first.pacing.real_time_factor) == (0, None)
    assert second.pacing.real_time_factor == pytest.approx(3.0, rel=0.01)
    assert second.pacing.hold_s > 5
    assert peer.heard_of(Ready)[0].real_time_factor is None


async def test_what_a_listener_chooses_is_rehearsed_where_nobody_knows_how_fast_it_is(
    autojump_clock: MockClock,
) -> None:
    """An RVC voice that is not the default one: the first sentence of the first listener who chose
    it was sent as it was made, with all its gaps, since only the default voice had been rehearsed.
    """
    server = service(TimedModels(), SlowSpeaker(3.0), segmentation="sentence")
    server.load_ahead("somebody", server.style)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rehearse_what_is_chosen, server)
        await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(10)  # the listener looks for words
        peer = TimedPeer(token(SENTENCE), FLUSH)
        await converse(peer, server)
        nursery.cancel_scope.cancel()
    assert Figures(server)("gap_seconds_total") < 0.05
    assert peer.started[0].pacing.hold_s > 5


async def test_who_is_spoken_to_by_a_rehearsal_leaves(autojump_clock: MockClock) -> None:
    """He counted as a listener for 5 s, and whoever was a minute ahead by then waited for him:
    0.3 s for each sentence."""
    playbacks: list[Playback] = []

    class Watched(TimedModels):
        @contextmanager
        def open(self, engine: Engine, segment: Segment, playback: Playback) -> Iterator[Job]:
            playbacks.append(playback)
            with super().open(engine, segment, playback) as job:
                assert not playback.has_left
                yield job

    server = service(Watched(), SlowSpeaker(0.5))
    await rehearse(server, server.style)
    assert playbacks
    assert all(playback.has_left for playback in playbacks)


async def test_what_is_told_by_the_engine_is_believed(autojump_clock: MockClock) -> None:
    """A voice of twice the usual pace, of which one short sentence was heard: where its engine
    knows how long the next is, nobody waits for more."""
    waits = []
    for knows_length in (False, True):
        engine = SlowSpeaker(3.0, chars_per_s=30.0, knows_length=knows_length)
        peer = TimedPeer(token(SENTENCE), FLUSH)
        server = await slow_service(engine)
        await converse(peer, server)
        assert Figures(server)("gaps_total") == 0
        [(told, _)] = peer.waits()
        waits.append(told)
    assert waits[1] < 0.65 * waits[0]


async def test_a_voices_pace_is_learnt(autojump_clock: MockClock) -> None:
    """A voice that takes twice the usual time has gaps at first, and none later."""
    server = await slow_service(SlowSpeaker(2.0, chars_per_s=7.5))
    await converse(TimedPeer(token(SENTENCE * 4), FLUSH), server)
    had = Figures(server)("gaps_total")
    assert had
    peer = TimedPeer(token(SENTENCE * 2), FLUSH)
    await converse(peer, server)
    assert Figures(server)("gaps_total") == had


async def test_nobody_waits_for_longer_than_the_cap(autojump_clock: MockClock) -> None:
    server = await slow_service(SlowSpeaker(20.0))
    peer = TimedPeer(token(SENTENCE), FLUSH)
    await converse(peer, server)
    [(told, real)] = peer.waits()
    assert told == pytest.approx(real) == MAX_HOLD_S
    assert Figures(server)("gaps_total") > 0


async def test_a_barge_in_drops_what_is_held_back_and_says_that_it_was_not_heard(
    autojump_clock: MockClock,
) -> None:
    server = await slow_service(SlowSpeaker(3.0))
    peer = TimedPeer(token(SENTENCE), ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(converse, peer, server)
        await trio.sleep(5)
        assert peer.heard_of(SegmentStarted)
        peer.say(CANCEL, token("New!"), FLUSH)
        await trio.sleep(0.001)
        [cancelled] = peer.heard_of(Cancelled)
        assert (cancelled.text_spoken, cancelled.text_remaining) == ("", SENTENCE)
        assert not len(peer.pcm)
        peer.hang_up()
    [started] = peer.heard_of(SegmentStarted)[1:]
    assert (started.segment.source, started.sample_offset) == ("New!", 0)
    assert Figures(server)("hold_seconds_count") == 1
    assert len(peer.pcm)


async def test_nobody_is_taken_for_idle_whose_sound_is_held_back(
    autojump_clock: MockClock,
) -> None:
    server = await slow_service(SlowSpeaker(3.0))
    server.idle_timeout_s = 1.0
    peer = TimedPeer(token(SENTENCE), FLUSH, ends=False)
    await converse(peer, server)  # it is closed for its silence afterwards
    assert len(peer.heard_of(Flushed)) == 1
    [(_, real)] = peer.waits()
    assert real > 5


async def test_what_is_held_back_may_be_said_to_its_end_at_a_shutdown(
    autojump_clock: MockClock,
) -> None:
    server = await slow_service(SlowSpeaker(3.0))
    peer = TimedPeer(token(SENTENCE), FLUSH, ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(converse, peer, server)
        await trio.sleep(3)
        assert not len(peer.pcm)
        server.leaving.close()
    assert len(peer.heard_of(Flushed)) == 1
    assert Figures(server)("gaps_total") == 0


async def test_what_is_held_back_is_dropped_when_the_grace_is_over(
    autojump_clock: MockClock,
) -> None:
    server = await slow_service(SlowSpeaker(3.0))
    peer = TimedPeer(token(SENTENCE), FLUSH, ends=False)
    codes = []

    async def listen() -> None:
        codes.append(await converse(peer, server))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        await trio.sleep(3)
        server.leaving.close()
        server.leaving.grace_over.set()
    assert codes == [CloseCode.GOING_AWAY]
    assert not len(peer.pcm)


async def test_a_sentences_last_frame_does_not_wait_with_the_next_one(
    autojump_clock: MockClock,
) -> None:
    """Where messages have one length, the end of a sentence is in one with the next one's
    beginning. Where that is held back, silence fills the message."""
    server = await slow_service(SlowSpeaker(3.0))
    peer = TimedPeer(token(SENTENCE * 2), FLUSH)
    await converse(peer, server, frame_ms=1000)
    times = [at for at, item in peer.times if isinstance(item, (SegmentStarted, PcmFrame))]
    started = [at for at, item in peer.times if isinstance(item, SegmentStarted)][1]
    ends = [at for at in times if at <= started]
    assert ends[-2:] == [started, started]  # its last message, and behind it the next one's start
    assert Figures(server)("gaps_total") == 0
    assert len({len(item.data) for item in peer.heard_of(PcmFrame)}) == 1


async def test_listeners_who_share_a_slow_machine_hear_no_gap_in_a_sentence(
    autojump_clock: MockClock,
) -> None:
    """Who was there before is spoken to, however full it is; each waits as long as it takes beside
    the others, and is told of it."""
    server = await slow_service(SlowSpeaker(1.2))
    peers = [TimedPeer(token(SENTENCE * 2), FLUSH) for _ in range(3)]
    async with trio.open_nursery() as nursery:
        for peer in peers:
            nursery.start_soon(converse, peer, server)
    assert Figures(server)("gaps_total") == 0
    for peer in peers:
        first, _ = peer.started
        assert first.pacing.real_time_factor == pytest.approx(3 * 1.2, rel=0.1)
        told, real = peer.waits()[0]
        assert told == pytest.approx(real, rel=0.2)


async def test_the_log_says_once_that_an_engine_is_slow_and_what_helps(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    engine = SlowSpeaker(3.0)
    engine.can_use_gpu = True
    server = await slow_service(engine)
    for _ in range(2):
        await converse(TimedPeer(token(SENTENCE * 2), FLUSH), server)
    [warning] = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert "slow takes 3.0 s for a second of sound on cpu" in warning
    assert "a GPU (--device)" in warning


async def test_what_runs_on_the_cpu_alone_is_promised_nothing_of_a_gpu(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Who was slow with Piper or espeak-ng was told to get a GPU, which they do not use."""
    await converse(TimedPeer(token(SENTENCE * 2), FLUSH), await slow_service(SlowSpeaker(3.0)))
    [warning] = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert "GPU" not in warning
    assert "quicker" not in warning


async def test_an_answer_over_http_loses_nothing(autojump_clock: MockClock) -> None:
    server = await slow_service(SlowSpeaker(3.0))
    heard: list[int] = []

    async def hear(item: Outgoing) -> None:
        await trio.lowlevel.checkpoint()
        if isinstance(item, PcmFrame):
            heard.append(item.n_samples)

    began = trio.current_time()
    await speak_text(server, SENTENCE, hear, {})
    assert sum(heard) == pytest.approx(5 * 48_000, rel=0.1)
    # No later than without a hold: all of it has been made by then.
    assert trio.current_time() - began <= 3.0 * 5 + 0.2


async def test_pacing_is_chosen_before_the_first_token(autojump_clock: MockClock) -> None:
    late = ClientMessage(config={"pacing": "asap"})
    peer = TimedPeer(ClientMessage(config={"pacing": "asap"}), token("Hello!"), late)
    await converse(peer, service())
    assert [ready.pacing for ready in peer.heard_of(Ready)] == ["smooth", "asap"]
    [error] = peer.heard_of(ProtocolError)
    assert str(error).startswith("pacing: can only be set before")
