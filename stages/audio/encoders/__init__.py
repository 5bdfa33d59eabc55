"""Sound as a stream of bytes in a format that players know: MP3, Opus, FLAC, AAC, WAV, PCM.

All of it is synchronous and pure. What has a codec takes up to some milliseconds a call, its making
included, so that is for a worker thread (`docs/adr/0021-encoders.md`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from stages.audio.choices import SAMPLE_RATES
from stages.audio.encoders.opus import DEFAULT_BIT_RATE, OggOpus
from stages.audio.encoders.packeted import aac, flac, mp3
from stages.audio.encoders.plain import BarePcm, wav_head
from stages.audio.format import OPUS_RATES, PIPELINE_RATE, PcmEncoding
from stages.audio.resample import Resampler

if TYPE_CHECKING:
    from stages.audio.format import Samples

SoundFormat: TypeAlias = Literal["wav", "mp3", "opus", "flac", "aac", PcmEncoding]
"""The formats of a stream of bytes. ``wav`` is of 16 bits and unknown length, ``opus`` in Ogg,
``aac`` in ADTS."""


@dataclass(frozen=True, slots=True)
class FormatTraits:
    """The traits of a format that callers need to know."""

    media_type: str
    channels: int = 1
    """Unless others are asked for."""
    rates: tuple[int, ...] = SAMPLE_RATES
    bit_rate: int | None = None
    """Bits a second, unless others are asked for; None: it has no choice."""
    most_bits: int = 320_000
    """The most bits a second that can be asked for."""


FORMATS: dict[SoundFormat, FormatTraits] = {
    "wav": FormatTraits("audio/wav"),
    "mp3": FormatTraits("audio/mpeg", bit_rate=128_000),
    # Two channels, since @discordjs/voice plays no other without ffmpeg. They cost nothing.
    "opus": FormatTraits(
        "audio/ogg", channels=2, rates=OPUS_RATES, bit_rate=DEFAULT_BIT_RATE, most_bits=256_000
    ),
    "flac": FormatTraits("audio/flac"),
    "aac": FormatTraits("audio/aac", bit_rate=128_000),
    "s16le": FormatTraits("audio/pcm"),
    "f32le": FormatTraits("audio/pcm"),
    "mulaw": FormatTraits("audio/basic"),
    "alaw": FormatTraits("audio/x-alaw-basic"),
}

LEAST_BITS = 8_000
"""The least bits a second that can be asked for. A codec that cannot do so few, or so many at this
rate, does what is nearest: an MP3 of 8 kHz has 64,000 at most."""


class _Form(Protocol):
    """A stream in one format, of sound that has its rate already."""

    def start(self) -> bytes: ...
    def push(self, samples: Samples) -> bytes: ...
    def flush(self) -> bytes: ...


class Encoder:
    """One stream of mono 48 kHz sound as the bytes of a format, piece by piece.

    All bytes together are those of `start`, each `push` and `flush`, in this order, and do not
    depend on how the sound was cut into pushes."""

    def __init__(self, form: _Form, sample_rate: int) -> None:
        self._form = form
        self._resampler = Resampler(PIPELINE_RATE, sample_rate)

    def start(self) -> bytes:
        """What goes before all sound, and can be sent before there is any; may be empty."""
        return self._form.start()

    def push(self, samples: Samples) -> bytes:
        """Take sound; give out the bytes that are ready, or none. What is held back is what the
        codec must have for its next frame."""
        return self._form.push(self._resampler.push(samples))

    def flush(self) -> bytes:
        """The rest: the end of the stream. Nothing may be pushed after that."""
        return self._form.push(self._resampler.flush()) + self._form.flush()


def check_format(
    name: SoundFormat, sample_rate: int = PIPELINE_RATE, bit_rate: int | None = None
) -> None:
    """Raise ValueError, which names what is wrong, where the format cannot be had like this."""
    traits = FORMATS[name]
    if sample_rate not in traits.rates:
        rates = ", ".join(map(str, traits.rates))
        raise ValueError(f"sample_rate: {name} has {rates}, not {sample_rate}")
    if bit_rate is None:
        return
    if traits.bit_rate is None:
        raise ValueError(f"bit_rate: {name} has none to choose")
    if not LEAST_BITS <= bit_rate <= traits.most_bits:
        raise ValueError(f"bit_rate: {name} has {LEAST_BITS} to {traits.most_bits}, not {bit_rate}")


def new_encoder(
    name: SoundFormat,
    sample_rate: int = PIPELINE_RATE,
    channels: int | None = None,
    bit_rate: int | None = None,
) -> Encoder:
    """The encoder of a new stream. `channels`, 1 or 2, hold the same; None: as the format usually
    has. `bit_rate` is in bits a second. Raises ValueError as `check_format` does."""
    check_format(name, sample_rate, bit_rate)
    traits = FORMATS[name]
    n_channels = traits.channels if channels is None else channels
    bits = bit_rate or traits.bit_rate or 0
    form: _Form
    match name:
        case "mp3":
            form = mp3(sample_rate, n_channels, bits)
        case "aac":
            form = aac(sample_rate, n_channels, bits)
        case "flac":
            form = flac(sample_rate, n_channels)
        case "opus":
            form = OggOpus(sample_rate, n_channels, bits)
        case "wav":
            form = BarePcm("s16le", n_channels, wav_head(sample_rate, n_channels))
        case "s16le" | "f32le" | "mulaw" | "alaw":
            form = BarePcm(name, n_channels)
    return Encoder(form, sample_rate)
