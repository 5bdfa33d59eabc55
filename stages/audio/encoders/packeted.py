"""Formats that are a codec's packets, one behind the other: MP3, AAC in ADTS, FLAC.

None of them has anything in it that counts or names what came before or comes behind: a stream can
be begun before its end is known, and another one can follow it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from stages.audio.encoders.codec import Codec

if TYPE_CHECKING:
    from collections.abc import Callable

    from stages.audio.format import Samples

ADTS_RATES = (
    *(96_000, 88_200, 64_000, 48_000, 44_100, 32_000),
    *(24_000, 22_050, 16_000, 12_000, 11_025, 8_000),
)
"""The numbers that rates have in ADTS (ISO/IEC 14496-3, table 1.18)."""

ADTS_HEAD_BYTES = 7

FLAC_FRAME_SAMPLES = 1152
"""24 ms at 48 kHz, of the block sizes that have a number of their own in FLAC (RFC 9639, 9.1.1):
FFmpeg's own choice, 96 ms, would hold the first sound back for so long."""


class Packeted:
    """A codec's packets, each behind what `frame` puts before it, and all behind `head`."""

    def __init__(
        self, codec: Codec, head: bytes = b"", frame: Callable[[bytes], bytes] = bytes
    ) -> None:
        self._codec = codec
        self._head = head
        self._frame = frame

    def start(self) -> bytes:
        """What goes before all sound."""
        return self._head

    def push(self, samples: Samples) -> bytes:
        """Take sound; give out what is ready."""
        return b"".join(map(self._frame, self._codec.push(samples)))

    def flush(self) -> bytes:
        """The rest."""
        return b"".join(map(self._frame, self._codec.flush()))


def mp3(sample_rate: int, channels: int, bit_rate: int) -> Packeted:
    """MPEG audio, layer III: frames alone. LAME's tag, which tells a length, is the work of a
    container, and there is none.

    Without the reservoir each frame holds its own sound: the first goes out 24 ms sooner, and no
    frame needs the one before it, where players join answers."""
    options = {"b": str(bit_rate), "reservoir": "0", "compression_level": "5"}
    return Packeted(Codec("libmp3lame", "fltp", sample_rate, channels, options))


def flac(sample_rate: int, channels: int) -> Packeted:
    """FLAC of 16 bits (RFC 9639), of a length that its head does not know."""
    options = {"frame_size": str(FLAC_FRAME_SAMPLES)}
    codec = Codec("flac", "s16", sample_rate, channels, options)
    # The one metadata block is STREAMINFO, number 0, and the last, which is the highest bit.
    return Packeted(codec, b"fLaC" + struct.pack(">I", 1 << 31 | len(codec.head)) + codec.head)


def aac(sample_rate: int, channels: int, bit_rate: int) -> Packeted:
    """AAC, low complexity, in ADTS (ISO/IEC 14496-3, 1.A.2)."""
    rate = ADTS_RATES.index(sample_rate)

    def frame(packet: bytes) -> bytes:
        # 16 bits that say MPEG-4 and no checksum; the profile; rate, channels; the length, and
        # that the buffer's fullness is not told.
        n_bytes = ADTS_HEAD_BYTES + len(packet)
        head = 0xFFF1 << 40 | 1 << 38 | rate << 34 | channels << 30 | n_bytes << 13 | 0x7FF << 2
        return head.to_bytes(ADTS_HEAD_BYTES, "big") + packet

    # bitexact: without FFmpeg's version in the first frame. The other coder, ``twoloop``, takes
    # five times as long, and more noise is left with a voice.
    options = {"b": str(bit_rate), "flags": "+bitexact", "aac_coder": "fast"}
    codec = Codec("aac", "fltp", sample_rate, channels, options)
    return Packeted(codec, frame=frame)
