"""Opus (RFC 6716): bare packets, and a stream of them in Ogg.

The sound is mono and so are the packets, for players of two channels too: an Opus decoder gives out
as many channels as it was opened with, whatever is in a packet (RFC 7845, 5.1).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from stages.audio.encoders.codec import Codec
from stages.audio.encoders.ogg import GRANULE_RATE, PageKind, Pages, opus_head, opus_tags
from stages.audio.format import OPUS_PACKET_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stages.audio.format import Samples

DEFAULT_BIT_RATE = 64_000
"""Bits a second: what Discord's voice channels have, and more than speech needs."""

LOOK_AHEAD_US = 6_500
"""The time that sound comes out late: libopus looks so far ahead (its application ``audio``)."""


class OpusPackets:
    """An encoder of packets of 20 ms, for sound at one of `OPUS_RATES`."""

    def __init__(self, sample_rate: int, bit_rate: int = DEFAULT_BIT_RATE) -> None:
        self.packet_samples = sample_rate * OPUS_PACKET_MS // 1000
        self.look_ahead = sample_rate * LOOK_AHEAD_US // 1_000_000
        """Samples of silence that must follow the last sound, so that all of it comes out."""
        self._sample_rate = sample_rate
        self._bit_rate = bit_rate

    @cached_property
    def _codec(self) -> Codec:
        # Opened by the first packet, and so in the thread that encodes.
        options = {
            "b": str(self._bit_rate),
            "vbr": "constrained",  # else speech takes a third more than it was given
            "application": "audio",
            "frame_duration": str(OPUS_PACKET_MS),
        }
        return Codec("libopus", "flt", self._sample_rate, options=options)

    def push(self, samples: Samples) -> list[bytes]:
        """Take sound; give out the packets that it fills."""
        return self._codec.push(samples)


class OggOpus:
    """A stream of Opus in Ogg (RFC 7845), as long as the sound, for players of so many channels."""

    def __init__(self, sample_rate: int, channels: int, bit_rate: int) -> None:
        self._packets = OpusPackets(sample_rate, bit_rate)
        self._channels = channels
        self._pages = Pages()
        self._scale = GRANULE_RATE // sample_rate
        self._n_samples = 0
        self._n_packets = 0

    def start(self) -> bytes:
        """The two headers, a page each."""
        head = opus_head(self._channels, self._packets.look_ahead * self._scale)
        pages = self._pages
        return pages.page(head, 0, PageKind.FIRST) + pages.page(opus_tags(), 0)

    def push(self, samples: Samples) -> bytes:
        """Take sound; give out the pages of the packets that it fills."""
        self._n_samples += len(samples)
        return self._paged(self._packets.push(samples))

    def flush(self) -> bytes:
        """The rest. The last page says where the sound ends in it (end trimming, RFC 7845, 4.4)."""
        end = self._n_samples + self._packets.look_ahead
        silence = np.zeros(self._packets.look_ahead + -end % self._packets.packet_samples)
        # One packet at least, since what was looked ahead at is still to come.
        *others, last = self._packets.push(silence.astype(np.float32))
        return self._paged(others) + self._pages.page(last, end * self._scale, PageKind.LAST)

    def _paged(self, packets: Iterable[bytes]) -> bytes:
        pages = bytearray()
        for packet in packets:
            self._n_packets += 1
            end = self._n_packets * self._packets.packet_samples
            pages += self._pages.page(packet, end * self._scale)
        return bytes(pages)
