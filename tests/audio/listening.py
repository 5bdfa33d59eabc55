"""What others make of encoded sound: FFmpeg's demuxers and decoders, and a reader of Ogg that
shares nothing with our writer."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import av
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from stages.audio.encoders import Encoder
    from stages.audio.format import Samples

RATE = 48_000


def voice_like(n_samples: int, sample_rate: int = RATE) -> Samples:
    """A sound with what a voice has: a gliding pitch, harmonics up to 3 kHz, syllables."""
    seconds = np.arange(n_samples) / sample_rate
    phase = 2 * np.pi * (140 * seconds + 3 * np.sin(2 * np.pi * 1.5 * seconds))
    tones = sum(np.sin(k * phase) / k for k in range(1, 20))
    syllables = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * seconds)
    return np.asarray(0.2 * tones * syllables, np.float32)


def encoded(encoder: Encoder, sound: Samples, cuts: Sequence[int] = ()) -> bytes:
    """All bytes of a sound that is pushed in pieces of these lengths, and then the rest of it."""
    pieces = np.split(sound, np.minimum(np.cumsum(cuts, dtype=int), len(sound)))
    return encoder.start() + b"".join(map(encoder.push, pieces)) + encoder.flush()


@dataclass(frozen=True)
class Heard:
    """A stream as FFmpeg reads it."""

    container: str
    codec: str
    sample_rate: int
    sound: npt.NDArray[np.float64]
    """Shape (n_channels, n_samples), in [-1, 1]."""
    tags: dict[str, str]


def hear(data: bytes, container: str | None = None) -> Heard:
    """Decode a stream, in this container or, as a rule, in what its first bytes look like."""
    with av.open(io.BytesIO(data), "r", format=container) as file:
        stream = file.streams.audio[0]
        none = np.empty((stream.codec_context.layout.nb_channels, 0))
        frames = [none, *(_channels(frame) for frame in file.decode(stream))]
        return Heard(
            file.format.name,
            stream.codec_context.name,
            stream.codec_context.sample_rate,
            np.concatenate(frames, axis=1),
            {**file.metadata, **stream.metadata},
        )


def hear_packets(packets: Sequence[bytes], channels: int = 2) -> npt.NDArray[np.float64]:
    """Decode bare Opus packets as a player does that was opened with so many channels."""
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate = RATE
    decoder.layout = "mono" if channels == 1 else "stereo"
    frames = [frame for packet in packets for frame in decoder.decode(av.Packet(packet))]
    return np.concatenate([_channels(frame) for frame in frames], axis=1)


def _channels(frame: av.AudioFrame) -> npt.NDArray[np.float64]:
    values = frame.to_ndarray().astype(np.float64)
    if frame.format.name.startswith("s16"):
        values /= 32_768
    n_channels = frame.layout.nb_channels
    return values if frame.format.is_planar else values.reshape(-1, n_channels).T


def delay_of(heard: npt.NDArray[np.float64], sound: Samples) -> int:
    """The samples that `heard` is late, by where the two are most alike."""
    size = len(heard) + len(sound)
    likeness = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sound, size)), size)
    found = int(np.argmax(likeness))
    return found if found < len(heard) else found - size


def signal_to_noise_db(heard: npt.NDArray[np.float64], sound: Samples, delay: int) -> float:
    """How far what was added lies below the sound, where the two overlap."""
    late = heard[max(delay, 0) :]
    early = sound[max(-delay, 0) :]
    length = min(len(late), len(early))
    noise = late[:length] - early[:length]
    return float(10 * np.log10(np.sum(early[:length] ** 2.0) / np.sum(noise**2)))


@dataclass(frozen=True)
class Page:
    """An Ogg page."""

    flags: int
    granule: int
    serial: int
    number: int
    packets: list[bytes]


def pages_of(data: bytes) -> Iterator[Page]:
    """The pages of a stream whose packets do not go over pages; fails where they are not as
    RFC 3533 has them."""
    while data:
        assert data[:5] == b"OggS\0"
        n_segments = data[26]
        lacing, start = data[27 : 27 + n_segments], 27 + n_segments
        end = start + sum(lacing)
        page = data[:end]
        assert len(page) == end
        assert int.from_bytes(page[22:26], "little") == _crc(page[:22] + bytes(4) + page[26:])
        packets, packet = [], b""
        for length in lacing:
            packet += page[start : start + length]
            start += length
            if length < 255:
                packets.append(packet)
                packet = b""
        assert not packet
        granule, serial, number = struct.unpack("<qII", page[6:22])
        yield Page(page[5], granule, serial, number, packets)
        data = data[end:]


def _crc(page: bytes) -> int:
    """Bit by bit: the polynomial 0x04C11DB7, the highest bit first, from 0, not inverted."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C1_1DB7 if crc & 0x8000_0000 else crc << 1) & 0xFFFF_FFFF
    return crc
