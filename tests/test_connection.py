"""A connection from end to end, on fake engines and Trio's autojump clock."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from pipeline.close_code import CloseCode
from stages.errors import EngineGone, ProtocolError, SynthesisError, TooMuchText, UnknownVoice
from stages.intake.conversation import Conversation
from stages.items import (
    ClientMessage,
    Flushed,
    PcmFrame,
    Ready,
    SegmentEnded,
    SegmentFailed,
    SegmentStarted,
)
from tests.fakes import (
    CANCEL,
    FLUSH,
    STYLE,
    VOICES,
    ListPeer,
    Negating,
    TellingEngine,
    converse,
    service,
    sound_of,
    text_of,
    token,
)
from tests.inline_models import InlineModels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.engine import Request


async def test_text_is_spoken_in_order_before_it_is_over(autojump_clock: MockClock) -> None:
    peer = ListPeer(token("Hello"), token(" there! How"), ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(converse, peer)
        await wait_all_tasks_blocked()
        await trio.sleep(1)
        assert text_of(peer.pcm) == "Hello there!"
        peer.say(token(" are you?"))
        peer.hang_up()
    assert text_of(peer.pcm) == "Hello there!How are you?"


async def test_a_client_that_knows_only_the_base_protocol_hears_only_sound(
    autojump_clock: MockClock,
) -> None:
    peer = ListPeer(token("Hi! Ho, ho."), FLUSH, ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(converse, peer, events=False))
        await wait_all_tasks_blocked()
        peer.say(CANCEL)
        peer.hang_up()
    assert text_of(peer.pcm) == "Hi!Ho,ho."
    assert all(isinstance(item, PcmFrame) for item in peer.heard)


async def test_events_tell_where_each_segment_lies_in_the_sound(autojump_clock: MockClock) -> None:
    peer = ListPeer(token("One! Two; three"), FLUSH)
    await converse(peer)
    starts, ends = peer.heard_of(SegmentStarted), peer.heard_of(SegmentEnded)
    assert [start.segment.source for start in starts] == ["One!", " Two;", " three"]
    assert [start.segment.index for start in starts] == [0, 1, 2]
    for start, end in zip(starts, ends, strict=True):
        assert start.sample_offset == end.sample_offset
        own = peer.pcm[start.sample_offset : start.sample_offset + end.n_samples]
        assert text_of(own) == start.segment.spoken
    assert [(done.number, done.sample_offset) for done in peer.heard_of(Flushed)] == [
        (1, len(peer.pcm))
    ]
    assert peer.heard_of(Ready)[0] is peer.heard[0]
    assert isinstance(peer.heard[-1], Flushed)


async def test_text_keeps_the_pitch_it_came_with(autojump_clock: MockClock) -> None:
    peer = ListPeer(token("low ", 0), token("high", 5), token(" too"), FLUSH)
    await converse(peer)
    starts = peer.heard_of(SegmentStarted)
    assert [(s.segment.source, s.segment.style.pitch_shift) for s in starts] == [
        ("low ", 0), ("high too", 5),
    ]  # fmt: skip
    first, second = sound_of("low"), -sound_of("high too")
    assert np.array_equal(peer.pcm, np.concatenate((first, second)))


async def test_auto_joins_what_the_engine_would_not_speak_well(autojump_clock: MockClock) -> None:
    engine = TellingEngine()
    engine.least_chars = 15
    peer = ListPeer(token("Well, yes. No, I think so. Good."), FLUSH)
    await converse(peer, service(synthesizer=engine), segmentation="auto")
    texts = [started.segment.source for started in peer.heard_of(SegmentStarted)]
    assert texts == ["Well,", " yes. No, I think so.", " Good."]


async def test_what_is_spoken_is_told_as_it_is_said(autojump_clock: MockClock) -> None:
    peer = ListPeer(token("It costs $5.3 billion!"), FLUSH)
    await converse(peer)
    [started] = peer.heard_of(SegmentStarted)
    assert started.segment.source == "It costs $5.3 billion!"
    assert started.segment.spoken == "It costs five point three billion dollars!"


async def test_a_config_acts_on_the_text_that_follows(autojump_clock: MockClock) -> None:
    peer = ListPeer(
        token("This, "), ClientMessage(config={"voice": "other", "segmentation": "sentence"}),
        token("that, and more"), FLUSH,
    )  # fmt: skip
    await converse(peer)
    starts = peer.heard_of(SegmentStarted)
    assert [(s.segment.source, s.segment.style.voice) for s in starts] == [
        ("This,", "plain"), (" ", "plain"), ("that, and more", "other"),
    ]  # fmt: skip
    assert [ready.style.voice for ready in peer.heard_of(Ready)] == ["plain", "other"]


@pytest.mark.parametrize(
    ("config", "error"),
    [({"voice": "nobody"}, UnknownVoice), ({"channels": 2, "pitch_shift": 3.0}, ProtocolError)],
)
async def test_a_config_that_cannot_be_had_changes_nothing(
    autojump_clock: MockClock, config: dict[str, object], error: type[ProtocolError]
) -> None:
    peer = ListPeer(token("A"), ClientMessage("lost", config=config), token("B"), FLUSH)
    await converse(peer)
    assert [type(item) for item in peer.heard_of(ProtocolError)] == [error]
    assert [s.segment.source for s in peer.heard_of(SegmentStarted)] == ["AB"]
    assert text_of(peer.pcm) == "AB"


@pytest.mark.parametrize(
    ("sample_rate", "frame_ms", "fits"),
    [(22_050, 30, 20), (22_050, 50, 20), (44_100, 25, 10), (22_050, 40, None), (8_000, 11, None)],
)
def test_frames_that_are_no_whole_number_of_samples_are_refused(
    sample_rate: int, frame_ms: int, fits: int | None
) -> None:
    """30 ms at 22 050 Hz are 661.5 samples; 662 were sent, and called exactly 30 ms."""
    conversation = Conversation(VOICES, STYLE)
    conversation.configure({"sample_rate": sample_rate})
    if fits is None:
        conversation.configure({"frame_ms": frame_ms})
        return
    with pytest.raises(ProtocolError, match=f"frame_ms.* {fits} "):
        conversation.configure({"frame_ms": frame_ms, "pitch_shift": 5.0})
    assert conversation.stream_format.frame_ms is None
    assert conversation.style == STYLE


def test_null_takes_a_setting_of_the_voice_back() -> None:
    """And where none was set, it changes no style, which would close the open segment."""
    conversation = Conversation(VOICES, STYLE)
    conversation.configure({"index_rate": None})
    assert conversation.style == STYLE
    conversation.configure({"index_rate": 0.5, "speaker": 1})
    conversation.configure({"speaker": None})
    assert conversation.style.conversion == {"index_rate": 0.5}


async def test_a_message_that_breaks_the_protocol_is_answered_and_the_session_lives(
    autojump_clock: MockClock,
) -> None:
    error = ProtocolError("token: what?")
    peer = ListPeer(token("A"), error, token("B"), FLUSH)
    await converse(peer)
    assert peer.heard_of(ProtocolError) == [error]
    assert text_of(peer.pcm) == "AB"


async def test_a_segment_that_fails_is_told_in_its_place_and_the_next_is_spoken(
    autojump_clock: MockClock,
) -> None:
    """It has an end like any other, behind its error; the page and the metrics count on it, and
    docs/protocol.md denied it."""
    peer = ListPeer(token("One; t~o; three; "), FLUSH)
    assert await converse(peer) == CloseCode.NORMAL
    [failed] = peer.heard_of(SegmentFailed)
    assert failed.segment.index == 1
    ends = peer.heard_of(SegmentEnded)
    assert [end.segment.index for end in ends] == [0, 1, 2, 3]
    assert [end.n_samples for end in ends] == [400, 100, 600, 0]
    assert peer.heard.index(failed) + 1 == peer.heard.index(ends[1])
    assert text_of(peer.pcm) == "One;tthree;"


async def test_a_converter_that_fails_does_not_hold_up_the_synthesizer(
    autojump_clock: MockClock,
) -> None:
    class Faulty(Negating):
        def step(self, batch: Sequence[Request]) -> None:
            if batch[0].segment.index == 0:
                batch[0].fail(SynthesisError("no"))
            else:
                super().step(batch)

    server = service()
    server.converter = Faulty()
    peer = ListPeer(token("One; two;", 2), FLUSH)
    await converse(peer, server)
    assert [failed.segment.index for failed in peer.heard_of(SegmentFailed)] == [0]
    assert np.array_equal(peer.pcm, -sound_of("two;"))


async def test_a_synthesizer_that_fails_ends_the_conversion_too(autojump_clock: MockClock) -> None:
    peer = ListPeer(token("On~e; two;", 2), FLUSH)
    await converse(peer)
    assert [failed.segment.index for failed in peer.heard_of(SegmentFailed)] == [0]
    assert text_of(-peer.pcm) == "Ontwo;"


async def test_when_the_engine_is_gone_the_connection_ends(autojump_clock: MockClock) -> None:
    class Gone(TellingEngine):
        def step(self, batch: Sequence[Request]) -> None:
            batch[0].fail(EngineGone("gone"))

    peer = ListPeer(token("One; two"), FLUSH, ends=False)
    assert await converse(peer, service(synthesizer=Gone())) == CloseCode.INTERNAL_ERROR
    assert len(peer.heard_of(SegmentFailed)) == 1


async def test_flushes_without_end_are_all_answered(autojump_clock: MockClock) -> None:
    peer = ListPeer(*[FLUSH] * 1000)
    await converse(peer)
    assert [flushed.number for flushed in peer.heard_of(Flushed)] == list(range(1, 1001))


async def test_an_utterance_ends_when_nothing_is_left_to_say(autojump_clock: MockClock) -> None:
    peer = ListPeer(token("One! "), ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(converse, peer, frame_ms=10))
        await wait_all_tasks_blocked()
        assert len(peer.pcm) == 480  # 400 samples of sound, and silence to fill the frame
        peer.say(token("Two!"))
        await wait_all_tasks_blocked()
        assert len(peer.pcm) == 960
        peer.hang_up()
    assert [s.sample_offset for s in peer.heard_of(SegmentStarted)] == [0, 480]


async def test_with_exact_frames_a_segment_has_ended_when_its_last_frame_has_gone(
    autojump_clock: MockClock,
) -> None:
    peer = ListPeer(token("One! Two! Three!"), FLUSH)
    await converse(peer, frame_ms=20)  # 960 samples; the segments have 400, 400 and 600
    kinds = [type(item) for item in peer.heard if not isinstance(item, SegmentStarted)]
    assert kinds == [
        Ready, PcmFrame, SegmentEnded, SegmentEnded, PcmFrame, SegmentEnded, Flushed,
    ]  # fmt: skip
    frames, ends = peer.heard_of(PcmFrame), peer.heard_of(SegmentEnded)
    assert [frame.timing for frame in frames] == [ends[0].segment.timing, ends[2].segment.timing]
    assert [(end.sample_offset, end.n_samples) for end in ends] == [
        (0, 400), (400, 400), (800, 600),
    ]  # fmt: skip
    assert peer.heard_of(Flushed)[0].sample_offset == 1920


async def test_each_segment_is_resampled_to_its_exact_length(autojump_clock: MockClock) -> None:
    peer = ListPeer(token("One! Two; three, four"), FLUSH)
    await converse(peer, sample_rate=44_100)
    lengths = [end.n_samples for end in peer.heard_of(SegmentEnded)]
    assert lengths == [368, 368, 551, 368]  # 400, 400, 600, 400 samples at 48 kHz


async def test_text_above_the_bound_is_refused_once_and_the_rest_of_its_reply_with_it(
    autojump_clock: MockClock,
) -> None:
    """Above the bound reading stopped, and so a cancel was not seen either."""
    models = InlineModels(iter([0.01] * 100_000))
    texts = [f"word {'x' * (number % 3 + 1)}; " for number in range(50)]
    peer = ListPeer(*map(token, texts), ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(converse, peer, service(models, max_pending_bytes=200))
        await wait_all_tasks_blocked()
        assert peer.unread == 0
        [error] = peer.heard_of(TooMuchText)
        assert "206 bytes" in str(error)
        assert "200" in str(error)
        await trio.sleep(1)
        peer.say(token("There would be room. "), FLUSH, token("A new reply!"))
        await trio.sleep(60)
        peer.hang_up()
    said = "".join(s.segment.source for s in peer.heard_of(SegmentStarted))
    assert said == "".join(texts[:23]) + "A new reply!"
    assert len(peer.heard_of(TooMuchText)) == 1
    assert len(peer.heard_of(Flushed)) == 1


async def test_a_refusal_names_what_was_refused(autojump_clock: MockClock) -> None:
    """A flush that was refused was called a token."""
    peer = ListPeer(token("x" * 64), *[FLUSH] * 2, ends=False)
    async with trio.open_nursery() as nursery:
        slow = InlineModels(iter([0.01] * 1000))
        nursery.start_soon(converse, peer, service(slow, max_pending_bytes=64))
        await trio.sleep(5)
        peer.hang_up()
    assert [str(error).split()[0] for error in peer.heard_of(TooMuchText)] == ["flush:"]


async def test_the_rest_of_a_message_counts_when_its_text_is_refused(
    autojump_clock: MockClock,
) -> None:
    too_much = ClientMessage("too much", flush=True, config={"voice": "other"})
    peer = ListPeer(token("x" * 100), too_much, ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            converse, peer, service(InlineModels(iter([0.01] * 1000)), max_pending_bytes=100)
        )
        await trio.sleep(5)
        peer.say(token("Taken"), FLUSH)
        peer.hang_up()
    starts = peer.heard_of(SegmentStarted)
    assert [(s.segment.source, s.segment.style.voice) for s in starts] == [
        ("x" * 100, "plain"), ("Taken", "other"),
    ]  # fmt: skip
    assert [flushed.number for flushed in peer.heard_of(Flushed)] == [1, 2]
    assert len(peer.heard_of(TooMuchText)) == 1


async def test_the_sound_is_as_it_was_asked_for(autojump_clock: MockClock) -> None:
    peer = ListPeer(token("Hello there!"), FLUSH)
    await converse(peer, encoding="s16le", channels=2, frame_ms=10, sample_rate=24_000)
    frames = peer.heard_of(PcmFrame)
    assert {len(frame.data) for frame in frames} == {240 * 2 * 2}
    stereo = np.frombuffer(b"".join(f.data for f in frames), "<i2").reshape(-1, 2)
    assert np.array_equal(stereo[:, 0], stereo[:, 1])
    assert peer.heard_of(Flushed)[0].sample_offset == len(stereo) == 720


async def test_the_ledger_is_in_the_order_of_the_data(autojump_clock: MockClock) -> None:
    peer = ListPeer(token("Hello there!", 1), FLUSH)
    await converse(peer, service(InlineModels(iter([0.01] * 100))))
    timing = peer.heard_of(SegmentEnded)[0].segment.timing
    points = [timing.arrived, timing.cut, timing.speech, timing.converted, timing.sent]
    assert all(a is not None and b is not None and a <= b for a, b in pairwise(points))
