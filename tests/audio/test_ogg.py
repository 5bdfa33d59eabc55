"""Ogg Opus, page by page."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from stages.audio.encoders import new_encoder
from stages.audio.encoders.opus import LOOK_AHEAD_US, OpusPackets
from stages.audio.format import OPUS_RATES
from tests.audio.listening import encoded, hear_packets, pages_of, voice_like

FIRST, LAST = 2, 4


@pytest.mark.parametrize("rate", OPUS_RATES)
def test_pages_are_in_order_with_the_place_of_their_end(rate: int) -> None:
    n_samples = 48_077
    pages = list(pages_of(encoded(new_encoder("opus", rate), voice_like(n_samples))))
    assert [page.number for page in pages] == list(range(len(pages)))
    assert {page.serial for page in pages} == {pages[0].serial}
    assert [page.flags for page in pages] == [FIRST, *[0] * (len(pages) - 2), LAST]
    assert all(len(page.packets) == 1 for page in pages)
    *sound, last = pages[2:]
    assert [page.granule for page in pages[:2]] == [0, 0]
    assert [page.granule for page in sound] == [960 * n for n in range(1, len(sound) + 1)]
    assert 0 < last.granule - sound[-1].granule <= 960
    assert abs(last.granule - 312 - n_samples) <= 48_000 // rate  # the pre-skip comes on top


@pytest.mark.parametrize("channels", [1, 2])
def test_the_headers_are_what_players_look_for(channels: int) -> None:
    """@discordjs/voice looks for two channels at 48000 Hz, whatever the packets hold."""
    head, tags = (
        page.packets[0] for page in pages_of(new_encoder("opus", 24_000, channels).start())
    )
    magic, version, n_channels, pre_skip, rate, gain, family = struct.unpack("<8sBBHIhB", head)
    assert (magic, version, n_channels, rate, gain, family) == (
        b"OpusHead",
        1,
        channels,
        48_000,
        0,
        0,
    )
    assert pre_skip == 312
    assert tags == b"OpusTags\x0c\0\0\0voice-server\0\0\0\0"


@pytest.mark.parametrize("rate", OPUS_RATES)
def test_the_encoder_looks_as_far_ahead_as_is_said(rate: int) -> None:
    """libopus tells it when it is opened, which is later than we must know it."""
    packets = OpusPackets(rate)
    [packet] = packets.push(voice_like(rate // 50, rate))
    assert packets._codec.head[10:12] == (312).to_bytes(2, "little")  # noqa: SLF001 - what libopus says
    assert packets.look_ahead * 48_000 // rate == 312 == 48 * LOOK_AHEAD_US // 1000
    assert len(packet) < 500


def test_a_stereo_decoder_hears_mono_packets_in_both_ears() -> None:
    sound = voice_like(48_000)
    packets = OpusPackets(48_000).push(sound)
    assert {packet[0] >> 2 & 1 for packet in packets} == {0}  # none is stereo (RFC 6716, 3.1)
    assert {(packet[0] >> 3, packet[0] & 3) for packet in packets} <= {
        (config, 0) for config in (15, 19, 23, 27, 31)
    } | {(13, 0)}  # one frame of 20 ms each
    mono, stereo = hear_packets(packets, 1), hear_packets(packets, 2)
    assert stereo.shape == (2, 48_000)
    assert np.array_equal(stereo[0], mono[0])
    assert np.array_equal(stereo[1], mono[0])
