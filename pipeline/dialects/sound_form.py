"""The form of sound that a client asks for, and what a conversation is to send for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stages.audio.encoders import SoundFormat, check_format
from stages.audio.encoders.plain import wav_head
from stages.audio.format import PIPELINE_RATE
from stages.errors import ProtocolError

if TYPE_CHECKING:
    from stages.audio.format import PcmEncoding

_ENCODINGS: dict[SoundFormat, PcmEncoding] = {
    "wav": "s16le",
    "s16le": "s16le",
    "f32le": "f32le",
    "mulaw": "mulaw",
    "alaw": "alaw",
}
"""The encoding of what is made without a codec."""


@dataclass(frozen=True, slots=True)
class SoundForm:
    """A form of sound in an answer."""

    name: SoundFormat = "wav"
    sample_rate: int = PIPELINE_RATE
    """Hertz."""
    channels: int | None = None
    """1, or 2 that hold the same; None: as the format usually has."""
    bit_rate: int | None = None
    """Bits a second, where the format has a choice."""

    def __post_init__(self) -> None:
        """Refuses with a `ProtocolError` what the format does not have."""
        try:
            check_format(self.name, self.sample_rate, self.bit_rate)
        except ValueError as error:
            raise ProtocolError(str(error)) from None

    @property
    def has_codec(self) -> bool:
        """Whether it takes an encoder. Without one it is as a conversation gives it."""
        return self.name not in _ENCODINGS

    @property
    def config(self) -> dict[str, Any]:
        """The keys of the native protocol's config for the sound that it is made of."""
        if self.has_codec:
            return {"encoding": "f32le", "sample_rate": PIPELINE_RATE}
        encoding, channels = _ENCODINGS[self.name], self.channels or 1
        return {"encoding": encoding, "sample_rate": self.sample_rate, "channels": channels}

    @property
    def head(self) -> bytes:
        """What goes before sound that has no encoder."""
        return wav_head(self.sample_rate, self.channels or 1) if self.name == "wav" else b""
