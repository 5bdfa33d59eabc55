"""Deepgram's Speak over HTTP: the form of sound that a URL asks for, and the text in a body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from pipeline.dialects.deepgram.asked import ModelAsked, PcmName, usual_rate
from pipeline.dialects.sound_form import SoundForm
from pipeline.dialects.speech import Body, Speech, WholeText
from pipeline.dialects.values import SampleRate
from stages.audio.encoders.plain import G711_TAGS, g711_wav_head
from stages.audio.format import PIPELINE_RATE
from stages.errors import ProtocolError

if TYPE_CHECKING:
    from pipeline.voice_names import VoiceNames
    from stages.audio.encoders import SoundFormat

EncodingName: TypeAlias = Literal[PcmName, "mp3", "opus", "flac", "aac"]
Container: TypeAlias = Literal["none", "wav", "ogg"]

_FORMATS: dict[EncodingName, SoundFormat] = {
    "linear16": "s16le",
    "mulaw": "mulaw",
    "alaw": "alaw",
    "mp3": "mp3",
    "opus": "opus",
    "flac": "flac",
    "aac": "aac",
}
"""Our names for theirs."""

_CONTAINERS: dict[EncodingName, tuple[Container, ...]] = {
    "linear16": ("wav", "none"),
    "mulaw": ("wav", "none"),
    "alaw": ("wav", "none"),
    "mp3": ("none",),
    "opus": ("ogg",),
    "flac": ("none",),
    "aac": ("none",),
}
"""The containers that each can be had in; the first is the usual one."""


class HttpAsked(ModelAsked):
    """The keys of a URL that asks for speech in its answer."""

    encoding: EncodingName = "mp3"
    container: Container | None = None
    sample_rate: SampleRate | None = None
    bit_rate: Annotated[int, Field(ge=1)] | None = None
    callback: str | None = None

    def speech(self, text: str, voice_names: VoiceNames) -> Speech:
        """What is to be spoken, and its form. Raises `ProtocolError` for what cannot be had."""
        if self.callback is not None:
            raise ProtocolError("callback: there is none, the speech is the answer to the request")
        containers = _CONTAINERS[self.encoding]
        container = self.container or containers[0]
        if container not in containers:
            msg = f"container: {self.encoding} can be had in {' or '.join(containers)}"
            raise ProtocolError(f"{msg}, not in {container}")
        is_wav = container == "wav"
        name = "wav" if is_wav and self.encoding == "linear16" else _FORMATS[self.encoding]
        form, body = SoundForm(name, self._rate, bit_rate=self.bit_rate), Body()
        if is_wav and self.encoding in G711_TAGS:
            body = _Wav(g711_wav_head(G711_TAGS[self.encoding], self._rate))
        return Speech(text, self.manner(voice_names), form, body)

    @property
    def _rate(self) -> int:
        usual = PIPELINE_RATE if self.encoding == "opus" else usual_rate(self.encoding)
        return self.sample_rate or usual


class TextAsked(BaseModel):
    """A request's body. Keys that we do not have are ignored."""

    model_config = ConfigDict(strict=True, frozen=True)

    text: WholeText = Field(examples=["Hello, world!"])


class _Wav(Body):
    """Sound behind a head."""

    media_type = "audio/wav"

    def __init__(self, head: bytes) -> None:
        self._head = head

    def sound(self, data: bytes) -> bytes:
        head, self._head = self._head, b""
        return head + data

    def end(self) -> bytes:
        return self._head  # there was no sound
