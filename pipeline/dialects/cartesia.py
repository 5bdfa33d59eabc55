"""Cartesia's API, as far as it is about text to speech: what its requests have in common, over HTTP
and in contexts, and its answers over HTTP. Its WebSocket is in ``cartesia_socket.py``.

What we do not have is ignored: keys, values of null, models, emotions.
"""

from __future__ import annotations

import base64
import json
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from pipeline.dialects.openai_speech import voice_asked_for
from pipeline.dialects.sound_form import SoundForm
from pipeline.dialects.speech import MAX_TEXT_CHARS, Body, Speech, WholeText
from pipeline.dialects.values import LanguageTag, SampleRate, Speed
from stages.items import WordTimes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.voice_names import VoiceNames
    from stages.audio.encoders import SoundFormat
    from stages.audio.format import PcmEncoding
    from stages.items import Outgoing

Encoding: TypeAlias = Literal["pcm_s16le", "pcm_f32le", "pcm_mulaw", "pcm_alaw"]

_ENCODINGS: Mapping[str, PcmEncoding] = {
    "pcm_s16le": "s16le",
    "pcm_f32le": "f32le",
    "pcm_mulaw": "mulaw",
    "pcm_alaw": "alaw",
}

_MODEL_SPEEDS = {"slow": 0.8, "normal": 1.0, "fast": 1.25}
"""What we make of their older key `speed`, whose values have no numbers."""


def _as_number(speed: object) -> float | None:
    return _MODEL_SPEEDS.get(speed) if isinstance(speed, str) else None


class RawFormat(BaseModel):
    """Bare samples."""

    model_config = ConfigDict(frozen=True)

    container: Literal["raw"]
    encoding: Encoding
    sample_rate: SampleRate

    @property
    def form(self) -> SoundForm:
        """The form of sound."""
        return SoundForm(_ENCODINGS[self.encoding], self.sample_rate)


class OutputFormat(BaseModel):
    """The form of an answer over HTTP."""

    model_config = ConfigDict(frozen=True)

    container: Literal["raw", "wav", "mp3"]
    encoding: Encoding = Field("pcm_s16le", description="of raw; a WAV has 16 bits, and says so")
    sample_rate: SampleRate
    bit_rate: int | None = Field(None, description="of mp3, bits a second")

    @property
    def form(self) -> SoundForm:
        """The form of sound. Raises `ProtocolError` for a bit rate that there is not."""
        name: SoundFormat = _ENCODINGS[self.encoding] if self.container == "raw" else self.container
        return SoundForm(name, self.sample_rate, bit_rate=self.bit_rate if name == "mp3" else None)


class GenerationConfig(BaseModel):
    """The manner that is asked for."""

    model_config = ConfigDict(frozen=True)

    speed: Speed | None = None
    volume: Annotated[float, Field(ge=0.01, le=10, allow_inf_nan=False)] | None = Field(
        None, description="times as loud"
    )


class Wishes(BaseModel):
    """What every request for speech may ask for, whatever it is that it wants spoken."""

    model_config = ConfigDict(frozen=True)

    voice: Annotated[str | None, BeforeValidator(voice_asked_for)] = Field(
        None, description='a name, or {"id": name}; for names that nobody has the default speaks'
    )
    language: LanguageTag | None = None
    locale: LanguageTag | None = None
    generation_config: GenerationConfig | None = None
    speed: Annotated[float | None, BeforeValidator(_as_number)] = Field(
        None, description="slow, normal or fast", json_schema_extra={"type": "string"}
    )
    add_timestamps: bool | None = None

    def manner(self, voices: VoiceNames) -> dict[str, Any]:
        """The keys of the native protocol's config."""
        asked = self.generation_config or GenerationConfig()
        volume = None if asked.volume is None else 20 * math.log10(asked.volume)
        wished = {
            "language": self.language or self.locale,
            "speed": asked.speed if asked.speed is not None else self.speed,
            "volume": volume,
        }
        given = {key: value for key, value in wished.items() if value is not None}
        return {"voice": voices.find(self.voice), **given}


class BytesRequest(Wishes):
    """A text to speak: `POST /tts/bytes`."""

    transcript: WholeText = Field(max_length=MAX_TEXT_CHARS, examples=["Hello, world!"])
    output_format: OutputFormat

    def speech(self, voices: VoiceNames) -> Speech:
        """What is to be spoken. Raises `ProtocolError` for what cannot be had."""
        manner, form = self.manner(voices), self.output_format.form
        return Speech(self.transcript, manner, form, key="transcript")


class SseRequest(Wishes):
    """A text to speak as server-sent events: `POST /tts/sse`."""

    transcript: WholeText = Field(max_length=MAX_TEXT_CHARS, examples=["Hello, world!"])
    output_format: RawFormat
    context_id: str | None = Field(None, max_length=200)

    def speech(self, voices: VoiceNames) -> Speech:
        """What is to be spoken. Raises `ProtocolError` for what cannot be had."""
        form = self.output_format.form
        config = {**self.manner(voices), "words": bool(self.add_timestamps)}
        body = SpeechStream(self.context_id)
        return Speech(self.transcript, config, form, body, key="transcript")


class SpeechStream(Body):
    """An answer as server-sent events."""

    media_type = "text/event-stream"

    def __init__(self, context: str | None) -> None:
        self._context = context

    def sound(self, data: bytes) -> bytes:
        return _event(chunk(self._context, data))

    def event(self, item: Outgoing) -> bytes:
        return _event(timestamps(self._context, item)) if isinstance(item, WordTimes) else b""

    def end(self) -> bytes:
        return _event(done(self._context))


def _event(fields: Mapping[str, Any]) -> bytes:
    return f"event: {fields['type']}\ndata: {json.dumps(fields)}\n\n".encode()


def _message(
    kind: str, context: str | None, status: HTTPStatus, **fields: object
) -> dict[str, Any]:
    told = {"type": kind, "done": False, "status_code": int(status), **fields}
    return told if context is None else {**told, "context_id": context}


def chunk(context: str | None, data: bytes) -> dict[str, Any]:
    """Some sound."""
    sound = base64.b64encode(data).decode()
    return _message("chunk", context, HTTPStatus.PARTIAL_CONTENT, data=sound, step_time=0.0)


def timestamps(context: str | None, said: WordTimes) -> dict[str, Any]:
    """The times of words."""
    times = {
        "words": [word.text for word in said.words],
        "start": [round(word.start_s, 3) for word in said.words],
        "end": [round(word.end_s, 3) for word in said.words],
    }
    return _message("timestamps", context, HTTPStatus.PARTIAL_CONTENT, word_timestamps=times)


def flush_done(context: str, number: int) -> dict[str, Any]:
    """The end of a flush, of which the first is 1."""
    status = HTTPStatus.PARTIAL_CONTENT
    return _message("flush_done", context, status, flush_done=True, flush_id=number)


def done(context: str | None) -> dict[str, Any]:
    """The end of a context."""
    return _message("done", context, HTTPStatus.OK, done=True)


def failed(context: str, status: HTTPStatus, code: str, message: str) -> dict[str, Any]:
    """The end of a context that failed."""
    told = {"title": status.phrase, "message": message, "error_code": code}
    return _message("error", context, status, done=True, **told)
