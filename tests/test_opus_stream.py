"""A connection that asks for Opus, or for G.711: what its messages are, and what is counted."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from stages.audio.encoders.opus import OpusPackets
from stages.audio.format import OPUS_RATES, StreamFormat
from stages.audio.pcm import encode
from stages.errors import ProtocolError
from stages.intake.conversation import Conversation
from stages.items import (
    Cancelled,
    Flush,
    Flushed,
    PcmFrame,
    Ready,
    SegmentEnded,
    SegmentStarted,
)
from stages.sender.packing import Packer
from tests.audio.listening import hear_packets, voice_like
from tests.fakes import (
    CANCEL,
    FLUSH,
    STYLE,
    VOICES,
    ListPeer,
    chunk,
    converse,
    segment,
    sound_of,
    token,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.audio.format import PcmEncoding, Samples

PACKET = 960  # samples


def packed(packer: Packer, *sounds: Samples) -> list[PcmFrame]:
    """An utterance of segments with these sounds, each in pieces, and its end."""
    messages = [
        message
        for sound in sounds
        for spoken in [segment("voice")]
        for part in (*np.array_split(sound, 7), sound[:0])
        for message in packer.pack(chunk(part, spoken, is_last=not len(part)))
    ]
    messages += packer.pack(Flush(1))
    return [message for message in messages if isinstance(message, PcmFrame)]


def opus(offset: int = 0) -> Packer:
    return Packer(StreamFormat("opus"), offset)


def data_of(frames: Sequence[PcmFrame]) -> list[bytes]:
    return [frame.data for frame in frames]


async def test_each_message_is_a_packet_of_20_ms() -> None:
    peer = ListPeer(token("One! Two! Three!"), FLUSH)  # 400, 400 and 600 samples
    await converse(peer, encoding="opus", channels=2)
    frames = peer.heard_of(PcmFrame)
    assert [frame.n_samples for frame in frames] == [PACKET, PACKET]
    assert hear_packets(data_of(frames)).shape == (2, 2 * PACKET)
    ready = peer.heard_of(Ready)[0]
    assert (ready.stream_format.encoding, ready.stream_format.exact_ms) == ("opus", 20)
    ends = [(end.sample_offset, end.n_samples) for end in peer.heard_of(SegmentEnded)]
    assert ends == [(0, 400), (400, 400), (800, 600)]
    assert peer.heard_of(Flushed)[0].sample_offset == 2 * PACKET


@pytest.mark.parametrize("rate", OPUS_RATES)
async def test_every_rate_of_opus_is_counted_in_its_own_samples(rate: int) -> None:
    peer = ListPeer(token("One! Two! Three!"), FLUSH)
    await converse(peer, encoding="opus", sample_rate=rate)
    frames = peer.heard_of(PcmFrame)
    assert {frame.n_samples for frame in frames} == {rate // 50}
    assert hear_packets(data_of(frames), 1).shape == (1, len(frames) * PACKET)


async def test_packets_are_made_in_a_worker_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of a millisecond a packet, and the import of FFmpeg before the first."""
    threads: list[int] = []
    push = OpusPackets.push

    def watched(self: OpusPackets, samples: Samples) -> list[bytes]:
        threads.append(threading.get_ident())
        return push(self, samples)

    monkeypatch.setattr(OpusPackets, "push", watched)
    await converse(ListPeer(token("One! Two! Three!"), FLUSH), encoding="opus")
    assert threads
    assert threading.get_ident() not in threads


def test_all_of_an_utterance_comes_out_before_it_ends() -> None:
    """An encoder looks 6.5 ms ahead: behind a packet that is full of speech there must be one of
    silence."""
    for n_samples in (PACKET * 10 - 313, PACKET * 10 - 312, PACKET * 10 - 311, PACKET * 10):
        sound = voice_like(n_samples)
        frames = packed(opus(), sound)
        assert len(frames) == -(-(n_samples + 312) // PACKET)
        [heard] = hear_packets(data_of(frames), 1)
        late = heard[312:][:n_samples]
        assert len(late) == n_samples
        assert np.corrcoef(late, sound)[0, 1] > 0.98
        assert np.corrcoef(late[-200:], sound[-200:])[0, 1] > 0.9


def test_an_utterance_without_sound_has_no_packets() -> None:
    assert packed(opus()) == []
    packer = opus()
    assert packed(packer, voice_like(100))
    assert list(packer.end_utterance()) == []


def test_packets_do_not_depend_on_segments_and_pieces() -> None:
    sound = voice_like(10_000)
    in_one, in_two = packed(opus(), sound), packed(opus(), sound[:3_333], sound[3_333:])
    assert data_of(in_one) == data_of(in_two)


def test_after_a_barge_in_nothing_old_is_heard_and_nothing_clicks() -> None:
    """The client's decoder goes on from where the barge-in left it, and the encoder is a new one:
    speech that began loud was a burst, twice as loud as itself."""
    old, new = voice_like(41_280), voice_like(24_000)
    before = data_of(packed(opus(), old))[:40]  # the rest was dropped
    after = data_of(packed(opus(offset=40 * PACKET), new))
    behind = hear_packets(before + after, 1)[0][len(before) * PACKET :]
    fresh = hear_packets(after, 1)[0]
    faded = 7 * 48  # the look-ahead, as samples, and a little
    assert np.array_equal(behind[faded:], fresh[faded:])
    assert np.abs(behind[PACKET - 48 : PACKET]).max() < 0.01  # the lead-in ends silent
    heard = hear_packets(before + after[:1], 1)[0]
    jumps = np.abs(np.diff(heard[-PACKET - 10 :]))
    assert jumps.max() <= 1.1 * np.abs(np.diff(old)).max()


async def test_the_silence_after_a_barge_in_is_counted_and_belongs_to_no_segment() -> None:
    peer = ListPeer(token("One! Two! Three!"), FLUSH, ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(converse, peer, encoding="opus"))
        while not peer.heard_of(Flushed):
            await wait_all_tasks_blocked()
        peer.say(CANCEL, token("Four!"), FLUSH)
        peer.hang_up()
    [cancelled] = peer.heard_of(Cancelled)
    assert cancelled.sample_offset == 2 * PACKET
    behind = peer.heard[peer.heard.index(cancelled) + 1 :]
    assert [type(item) for item in behind] == [
        PcmFrame, SegmentStarted, PcmFrame, SegmentEnded, Flushed,
    ]  # fmt: skip
    lead_in, started, frame, *_ = behind
    assert isinstance(lead_in, PcmFrame)
    assert isinstance(frame, PcmFrame)
    assert isinstance(started, SegmentStarted)
    assert (lead_in.timing, frame.timing) == (None, started.segment.timing)
    assert started.sample_offset == 3 * PACKET


async def test_without_sound_before_it_a_barge_in_needs_no_silence() -> None:
    peer = ListPeer(CANCEL, token("One!"), FLUSH)
    await converse(peer, encoding="opus")
    assert peer.heard_of(SegmentStarted)[0].sample_offset == 0
    assert all(frame.timing for frame in peer.heard_of(PcmFrame))


@pytest.mark.parametrize("encoding", ["mulaw", "alaw"])
async def test_g711_has_a_byte_a_sample(encoding: PcmEncoding) -> None:
    peer = ListPeer(token("Hello there!"), FLUSH)
    await converse(peer, encoding=encoding)
    frames = peer.heard_of(PcmFrame)
    assert all(len(frame.data) == frame.n_samples for frame in frames)
    expected = encode(sound_of("Hello there!"), encoding, 1)
    assert b"".join(data_of(frames)) == expected


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"encoding": "opus", "sample_rate": 44_100}, "sample_rate: opus has 8000, 12000"),
        ({"encoding": "opus", "frame_ms": 40}, "frame_ms: must be 20 with opus, or left out"),
    ],
)
def test_what_opus_cannot_do_is_refused_and_changes_nothing(
    config: dict[str, object], named: str
) -> None:
    conversation = Conversation(VOICES, STYLE)
    with pytest.raises(ProtocolError, match=named):
        conversation.configure(config)
    assert conversation.stream_format == StreamFormat()
    conversation.configure({"encoding": "opus", "frame_ms": 20})
    conversation.configure({"encoding": "s16le", "frame_ms": None, "sample_rate": 44_100})
    assert conversation.stream_format.exact_ms is None
