"""Ogg pages around packets (RFC 3533), and what Opus adds to them (RFC 7845).

A packet a page: each goes out at once, and the pages do not depend on how sound was cut.
"""

from __future__ import annotations

import struct
import zlib
from enum import IntFlag

GRANULE_RATE = 48_000
"""Hertz of the positions in an Opus stream."""

MAX_SEGMENT_BYTES = 255
"""A packet is written as segments of so many bytes and a shorter one, which may be empty. A page
has room for 254 of them and that one; Opus has 1275 bytes a packet at most."""

SERIAL = 1
"""The number of the stream, of which there is one; the same, so that the same sound has the same
bytes."""

VENDOR = b"voice-server"

_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class PageKind(IntFlag):
    """The flags in a page's head."""

    PLAIN = 0
    FIRST = 2
    LAST = 4


class Pages:
    """The pages of one stream, numbered in their order."""

    def __init__(self) -> None:
        self._number = 0

    def page(self, packet: bytes, granule: int, kind: PageKind = PageKind.PLAIN) -> bytes:
        """A page with this packet. `granule` is its end's place in the stream: for Opus samples at
        48 kHz, the pre-skip among them."""
        n_full, rest = divmod(len(packet), MAX_SEGMENT_BYTES)
        lacing = bytes([MAX_SEGMENT_BYTES] * n_full + [rest])
        head = struct.pack("<4sBBqIII", b"OggS", 0, kind, granule, SERIAL, self._number, 0)
        page = head + bytes([len(lacing)]) + lacing + packet
        self._number += 1
        return page[:22] + struct.pack("<I", _checksum(page)) + page[26:]


def opus_head(channels: int, pre_skip: int) -> bytes:
    """The identification header. `channels` are those of a decoder, packets may have fewer;
    `pre_skip` is in samples. All that it says is about 48 kHz, whatever rate an encoder is given:
    @discordjs/voice takes no stream that says another, and decoders ignore it."""
    return struct.pack("<8sBBHIhB", b"OpusHead", 1, channels, pre_skip, GRANULE_RATE, 0, 0)


def opus_tags() -> bytes:
    """The comment header, without comments."""
    return b"OpusTags" + struct.pack("<I", len(VENDOR)) + VENDOR + struct.pack("<I", 0)


def _checksum(page: bytes) -> int:
    """Ogg's CRC: zlib's polynomial, but with the highest bit first, from 0 and not inverted."""
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int(f"{mirrored:032b}"[::-1], 2)
