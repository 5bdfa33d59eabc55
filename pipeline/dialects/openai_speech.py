"""OpenAI's speech over HTTP, as its SDKs and the many programs made for it ask, and Kokoro's, which
has the same keys and some more.

What we do not have is ignored: keys, values of null, models, instructions.
"""

from __future__ import annotations

import base64
import json
import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from pipeline.dialects.sound_form import SoundForm
from pipeline.dialects.speech import MAX_TEXT_CHARS, Body, Speech, WholeText
from pipeline.dialects.values import LanguageTag
from stages.audio.format import PIPELINE_RATE

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from pipeline.voice_names import VoiceNames
    from stages.audio.encoders import SoundFormat
    from stages.voices import Voice

ResponseFormat: TypeAlias = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]

PCM_RATE = 24_000
"""Hertz of OpenAI's PCM, which has no head to say so, and of its WAV."""

MODELS = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")
"""The models that are listed. Any other is taken as well: the voice decides who speaks."""

KOKORO_LANGUAGES = {
    "a": "en-us",
    "b": "en-gb",
    "e": "es",
    "f": "fr",
    "h": "hi",
    "i": "it",
    "j": "ja",
    "p": "pt-br",
    "z": "zh",
}
"""Kokoro's languages, by its letters for them."""

LEAST_SPEED, MOST_SPEED = 0.5, 2.0
"""What we have of OpenAI's 0.25 to 4."""

LEAST_DB, MOST_DB = -40.0, 20.0


def voice_asked_for(voice: object) -> str | None:
    """The name in what came as a voice: a name, or an object with an ``id``."""
    if isinstance(voice, dict):
        voice = voice.get("id")
    return voice if isinstance(voice, str) else None


class SpeechRequest(BaseModel):
    """A text to speak, as OpenAI's `POST /v1/audio/speech` has it, and Kokoro's keys."""

    model_config = ConfigDict(frozen=True)

    input: WholeText = Field(max_length=MAX_TEXT_CHARS, examples=["Hello, world!"])
    voice: Annotated[str | None, BeforeValidator(voice_asked_for)] = Field(
        None, description='a name, or {"id": name}; for names that nobody has the default speaks'
    )
    response_format: ResponseFormat = Field("mp3", description="pcm: 24 kHz, 16 bit, mono")
    speed: float = Field(1.0, ge=0.25, le=4, description="brought into 0.5 to 2")
    stream_format: Literal["audio", "sse"] = "audio"
    lang_code: LanguageTag | None = Field(None, description="Kokoro's: a letter, or a tag like de")
    volume_multiplier: float = Field(1.0, ge=0, description="Kokoro's", allow_inf_nan=False)

    @field_validator(
        "response_format", "speed", "stream_format", "volume_multiplier", mode="before"
    )
    @classmethod
    def _null_is_the_default(cls, value: object, info: ValidationInfo) -> object:
        field = cls.model_fields[info.field_name or ""]
        return field.default if value is None else value

    @property
    def form(self) -> SoundForm:
        """The answer's form of sound."""
        name: SoundFormat = "s16le" if self.response_format == "pcm" else self.response_format
        return SoundForm(name, PCM_RATE if name in {"s16le", "wav"} else PIPELINE_RATE)

    def speech(
        self, voices: VoiceNames, languages: Container[str], body: Body | None = None
    ) -> Speech:
        """What is to be spoken; `languages` are the tags that can be had. Raises `ProtocolError`
        for a text that cannot be spoken."""
        if body is None:
            body = SpeechEvents(len(self.input)) if self.stream_format == "sse" else Body()
        return Speech(self.input, self._config(voices, languages), self.form, body, key="input")

    def _config(self, voices: VoiceNames, languages: Container[str]) -> dict[str, Any]:
        config: dict[str, Any] = {"voice": voices.find(self.voice)}
        # Some programs send their defaults with each request: they are as the server is set.
        if self.speed != 1:
            config["speed"] = speed_we_have(self.speed)
        if self.volume_multiplier != 1:
            config["volume"] = _decibels(self.volume_multiplier)
        language = KOKORO_LANGUAGES.get(self.lang_code or "", self.lang_code)
        if language is not None and language in languages:
            config["language"] = language
        return config


def speed_we_have(speed: float) -> float:
    """The nearest to a speed of OpenAI's."""
    return min(max(speed, LEAST_SPEED), MOST_SPEED)


def _decibels(factor: float) -> float:
    decibels = 20 * math.log10(factor) if factor else LEAST_DB
    return min(max(decibels, LEAST_DB), MOST_DB)


class SpeechEvents(Body):
    """The answer to `stream_format` ``sse``: server-sent events. Its usage counts characters, since
    we have no tokens."""

    media_type = "text/event-stream"

    def __init__(self, n_chars: int) -> None:
        self._n_chars = n_chars

    def sound(self, data: bytes) -> bytes:
        return _event({"type": "speech.audio.delta", "audio": base64.b64encode(data).decode()})

    def end(self) -> bytes:
        usage = {
            "input_tokens": self._n_chars,
            "output_tokens": 0,
            "total_tokens": self._n_chars,
        }
        return _event({"type": "speech.audio.done", "usage": usage})


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def model(name: str) -> dict[str, Any]:
    """A model, as OpenAI describes one."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "voice-server"}


def names_of(voices: Iterable[Voice], aliases: Iterable[str]) -> list[str]:
    """The names that are listed: the voices' own, and the aliases that are none of them."""
    return list(dict.fromkeys([*(voice.name for voice in voices), *aliases]))
