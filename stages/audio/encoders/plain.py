"""Formats without a codec: bare PCM, and WAV."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from stages.audio.pcm import encode

if TYPE_CHECKING:
    from stages.audio.format import PcmEncoding, Samples

UNKNOWN_BYTES = 0xFFFF_FFFF
"""The size that stands for one which is not known: what ffmpeg writes into a pipe."""

WAV_HEAD_BYTES = 44

G711_TAGS = {"alaw": 6, "mulaw": 7}
"""The numbers of G.711's encodings in WAV files (RFC 2361)."""


class BarePcm:
    """PCM, behind a head or bare."""

    def __init__(self, encoding: PcmEncoding, channels: int, head: bytes = b"") -> None:
        self._encoding = encoding
        self._channels = channels
        self._head = head

    def start(self) -> bytes:
        """What goes before all sound."""
        return self._head

    def push(self, samples: Samples) -> bytes:
        """Take sound; give it out."""
        return encode(samples, self._encoding, self._channels)

    def flush(self) -> bytes:
        """Nothing: none is held back."""
        return b""


def wav_head(sample_rate: int, channels: int, n_bytes: int | None = None) -> bytes:
    """The head of a WAV file with so many bytes of 16-bit PCM; None: of unknown length."""
    frame = 2 * channels
    sizes = (
        (UNKNOWN_BYTES, UNKNOWN_BYTES)
        if n_bytes is None
        else (WAV_HEAD_BYTES - 8 + n_bytes, n_bytes)
    )
    sound = (16, 1, channels, sample_rate, sample_rate * frame, frame, 16)
    return struct.pack(
        "<4sI8sIHHIIHH4sI", b"RIFF", sizes[0], b"WAVEfmt ", *sound, b"data", sizes[1]
    )


def g711_wav_head(tag: int, sample_rate: int) -> bytes:
    """The head of a WAV file of unknown length with mono sound of a `G711_TAGS` encoding. What is
    not PCM has a `fact` chunk with the number of samples."""
    sound = (18, tag, 1, sample_rate, sample_rate, 1, 8, 0)
    head = struct.pack("<4sI8sIHHIIHHH", b"RIFF", UNKNOWN_BYTES, b"WAVEfmt ", *sound)
    return head + struct.pack("<4sII4sI", b"fact", 4, UNKNOWN_BYTES, b"data", UNKNOWN_BYTES)
