"""Speed and volume on their way: asked for at any time, acting on the text that follows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.dialects import native
from stages.audio.format import StreamFormat
from stages.audio.gain import amplified
from stages.audio.stretch import BLOCK_S, REACH_S
from stages.errors import ProtocolError
from stages.items import (
    AudioChunk,
    ClientMessage,
    PcmFrame,
    Ready,
    SegmentEnded,
    SegmentStarted,
    Style,
)
from stages.pitch_only import PitchOnlyConverter
from stages.sender.packing import Packer
from tests.engine_driver import DrivenRequest, make_segment
from tests.fakes import FLUSH, ListPeer, TellingEngine, converse, segment, service, sound_of, token

if TYPE_CHECKING:
    from trio.testing import MockClock

    from pipeline.service import Service


class Quick(TellingEngine):
    """An engine that speaks up to half as fast again by itself."""

    def own_speed(self, speed: float) -> float:
        return min(speed, 1.5)


def server(synthesizer: TellingEngine | None = None) -> Service:
    made = service(synthesizer=synthesizer)
    made.converter = PitchOnlyConverter()
    return made


def config(**keys: object) -> ClientMessage:
    return ClientMessage(config=keys)


def lengths(peer: ListPeer) -> list[int]:
    return [ended.n_samples for ended in peer.heard_of(SegmentEnded)]


TEXT = "A sentence that takes a while to say."
N_SAMPLES = len(sound_of(TEXT))


async def test_what_follows_is_faster_and_what_was_said_is_not(autojump_clock: MockClock) -> None:
    peer = ListPeer(
        token("One"), config(speed=2.0), token("Two"), config(speed=0.5), token("six"), FLUSH
    )
    await converse(peer, server())
    assert [start.segment.source for start in peer.heard_of(SegmentStarted)] == [
        "One",
        "Two",
        "six",
    ]
    assert lengths(peer) == [300, 150, 600]
    assert [ready.style.speed for ready in peer.heard_of(Ready)] == [1.0, 2.0, 0.5]


@pytest.mark.parametrize(
    ("synthesizer", "speed", "left"),
    [(TellingEngine(), 1.6, 1.6), (Quick(), 1.6, 1.6 / 1.5), (Quick(), 1.2, 1.0)],
)
async def test_only_what_the_engine_leaves_is_stretched(
    autojump_clock: MockClock, synthesizer: TellingEngine, speed: float, left: float
) -> None:
    peer = ListPeer(token(TEXT), FLUSH)
    await converse(peer, server(synthesizer), speed=speed)
    assert lengths(peer) == [pytest.approx(N_SAMPLES / left, abs=1)]


async def test_speed_1_takes_no_turn_on_the_model_thread(autojump_clock: MockClock) -> None:
    made = server()
    assert made.converter_for(Style("plain")) is None
    peer = ListPeer(token(TEXT), FLUSH)
    await converse(peer, made, speed=1.0, volume=0.0)
    assert np.array_equal(peer.pcm, sound_of(TEXT))


async def test_pitch_and_speed_take_one_pass(autojump_clock: MockClock) -> None:
    peer = ListPeer(token(TEXT), FLUSH)
    await converse(peer, server(), speed=1.25, pitch_shift=5.0)
    assert lengths(peer) == [round(N_SAMPLES / 1.25)]


@pytest.mark.parametrize("synthesizer", [TellingEngine(), Quick()])
async def test_who_speaks_faster_pauses_less(
    autojump_clock: MockClock, synthesizer: TellingEngine
) -> None:
    peer = ListPeer(token('One <break time="300ms"/>two'), FLUSH)
    await converse(peer, server(synthesizer), speed=1.5)
    own = synthesizer.own_speed(1.5)
    spoken = [len(sound_of("One,")), len(sound_of("two"))]
    rest = 1.5 / own
    assert lengths(peer) == [
        pytest.approx(spoken[0] / rest, abs=1),
        pytest.approx(48_000 * 0.3 / 1.5 + spoken[1] / rest, abs=1),
    ]


def test_the_first_sound_waits_for_no_more_than_the_stretcher_looks_ahead() -> None:
    """At twice the speed the first block, of 15 ms, ends at 30; 7.5 ms more are looked through."""
    converter, speed = PitchOnlyConverter(), 2.0
    request = DrivenRequest(make_segment("Said.", speed=speed))
    hum = np.sin(np.arange(48_000, dtype=np.float32) / 40)
    n_ahead = round((BLOCK_S * speed + REACH_S) * 48_000) + 1
    request.push(hum[: n_ahead - 2], 48_000)
    converter.step([request])
    assert not len(request.sound)
    request.push(hum[n_ahead - 2 : n_ahead], 48_000)
    converter.step([request])
    assert len(request.sound) == round(BLOCK_S * 48_000)


async def test_volume_acts_on_what_follows(autojump_clock: MockClock) -> None:
    peer = ListPeer(
        token("One"), config(volume=-6.0), token("Two"), config(volume=20), token("six"),
        config(volume=0), token("end"), FLUSH,
    )  # fmt: skip
    await converse(peer, server())
    expected = [sound_of("One"), amplified(sound_of("Two"), -6.0), amplified(sound_of("six"), 20.0)]
    assert np.array_equal(peer.pcm, np.concatenate([*expected, sound_of("end")]))
    assert [ready.style.volume for ready in peer.heard_of(Ready)] == [0.0, -6.0, 20.0, 0.0]


@pytest.mark.parametrize("sample_rate", [8_000, 24_000, 48_000])
def test_sound_stays_within_full_scale_behind_the_resampler(sample_rate: int) -> None:
    """A resampler overshoots at steps, so the limiter is the last to touch the sound."""
    loud = segment("x", style=Style("plain", volume=20.0))
    square = np.sign(np.sin(np.arange(48_000, dtype=np.float32) / 30)).astype(np.float32)
    packer = Packer(StreamFormat(sample_rate=sample_rate), 0)
    made = packer.pack(AudioChunk(loud, square, 48_000, is_last=True))
    data = b"".join(item.data for item in made if isinstance(item, PcmFrame))
    sound = np.frombuffer(data, "<f4")
    assert 0.95 < np.abs(sound).max() < 1.0


@pytest.mark.parametrize(
    "key", [{"speed": 0.49}, {"speed": 2.01}, {"volume": 20.1}, {"volume": -41}, {"speed": None}]
)
def test_a_value_out_of_range_is_refused_by_name(key: dict[str, float | None]) -> None:
    with pytest.raises(ProtocolError, match=next(iter(key))):
        native.parse(json.dumps({"config": key}))


def test_a_volume_of_null_is_as_it_is() -> None:
    assert native.parse('{"config": {"volume": null}}').config == {"volume": 0.0}
    assert native.parse_query([("speed", "1.5"), ("volume", "-3")]) == {"speed": 1.5, "volume": -3}
