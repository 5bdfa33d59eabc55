"""A Deepgram URL: the voice, its manner, and the form of its sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.dialects.values import SampleRate, Speed
from stages.error_text import complaints
from stages.errors import ProtocolError

if TYPE_CHECKING:
    from pipeline.dialects.dialect import Handshake
    from pipeline.voice_names import VoiceNames
    from stages.audio.format import PcmEncoding

PcmName: TypeAlias = Literal["linear16", "mulaw", "alaw"]

PCM_ENCODINGS: dict[PcmName, PcmEncoding] = {
    "linear16": "s16le",
    "mulaw": "mulaw",
    "alaw": "alaw",
}
"""Our names for theirs."""

USUAL_RATE = 24_000
TELEPHONE_RATE = 8_000
"""Hertz where none are asked for; the second of mu-law and A-law."""


class ModelAsked(BaseModel):
    """The keys of a URL that are about the voice. Those that we do not have are ignored."""

    model_config = ConfigDict(frozen=True)

    model: str | None = None
    """The voice, under any name."""
    speed: Speed | None = None

    def manner(self, voice_names: VoiceNames) -> dict[str, Any]:
        """The keys of the native protocol's config for the voice and its manner."""
        voice = voice_names.find(self.model)
        return {"voice": voice} if self.speed is None else {"voice": voice, "speed": self.speed}


class SocketAsked(ModelAsked):
    """The keys of a WebSocket's URL."""

    encoding: PcmName = "linear16"
    sample_rate: SampleRate | None = None


def socket_config(handshake: Handshake, voice_names: VoiceNames) -> dict[str, Any]:
    """The config of a socket's conversation. Raises `ProtocolError`, which names the key."""
    try:
        asked = SocketAsked.model_validate(dict(handshake.query))
    except ValidationError as error:
        raise ProtocolError(complaints(error.errors())) from None
    rate = asked.sample_rate or usual_rate(asked.encoding)
    sound = {"encoding": PCM_ENCODINGS[asked.encoding], "sample_rate": rate}
    return {**asked.manner(voice_names), **sound, "events": True}


def usual_rate(encoding: str) -> int:
    """The rate of sound whose rate is not asked for, in hertz."""
    return TELEPHONE_RATE if encoding in {"mulaw", "alaw"} else USUAL_RATE
