"""ElevenLabs' API, as far as it is about text to speech: its forms of sound, its requests over
HTTP, its lists of voices and models. Its WebSockets are in ``elevenlabs_sockets.py``.

What we do not have is ignored: keys, values of null, models, stability and style.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from pipeline.dialects.characters import CharacterTime, CharacterTimer
from pipeline.dialects.native import Seed
from pipeline.dialects.sound_form import SoundForm
from pipeline.dialects.speech import MAX_TEXT_CHARS, Base64Run, Body, Speech, WholeText
from pipeline.dialects.values import LanguageTag, Speed
from stages.errors import ProtocolError
from stages.items import SegmentEnded, WordTimes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.voice_names import VoiceNames
    from stages.audio.encoders import SoundFormat
    from stages.items import Answer, Outgoing
    from stages.voices import Voice

DEFAULT_FORMAT = "mp3_44100_128"

_FORMATS: Mapping[str, SoundFormat] = {
    "mp3": "mp3",
    "pcm": "s16le",
    "wav": "wav",
    "opus": "opus",
    "ulaw": "mulaw",
    "alaw": "alaw",
}

_FORMAT = re.compile(r"([a-z0-9]+)_(\d{4,5})(?:_(\d{1,3}))?")
"""A name like ``pcm_24000`` or ``mp3_44100_128``: codec, hertz, thousands of bits a second."""

MODELS = {
    "eleven_multilingual_v2": "Eleven Multilingual v2",
    "eleven_turbo_v2_5": "Eleven Turbo v2.5",
    "eleven_flash_v2_5": "Eleven Flash v2.5",
}
"""The models that are listed. Any other is taken as well: the voice decides who speaks."""


def sound_form(output_format: str) -> SoundForm:
    """The form of sound for one of their names. Raises `ProtocolError` for one that there is
    not."""
    found = _FORMAT.fullmatch(output_format)
    if found is None or found[1] not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise ProtocolError(
            f"output_format: it is {DEFAULT_FORMAT}, pcm_24000, ulaw_8000 and their like,"
            f" of {known}; not {output_format[:80]!r}"
        )
    bit_rate = None if found[3] is None else int(found[3]) * 1000
    return SoundForm(_FORMATS[found[1]], int(found[2]), bit_rate=bit_rate)


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True)


class ElevenVoiceSettings(_Asked):
    """The settings of a voice that we have."""

    speed: Speed | None = None


class TextToSpeech(_Asked):
    """A text to speak."""

    text: WholeText = Field(max_length=MAX_TEXT_CHARS, examples=["Hello, world!"])
    voice_settings: ElevenVoiceSettings | None = None
    language_code: LanguageTag | None = Field(None, description="a tag like de")
    seed: Seed | None = None

    def speech(
        self, voice: str, output_format: str, voices: VoiceNames, timed: type[_Timed] | None = None
    ) -> Speech:
        """What is to be spoken; `timed` is the body of an answer with times. Raises
        `ProtocolError` for what cannot be had."""
        form = sound_form(output_format)
        speed = None if self.voice_settings is None else self.voice_settings.speed
        config = {
            "voice": voices.find(voice),
            "words": timed is not None,
            **given(language=self.language_code, seed=self.seed, speed=speed),
        }
        body = Body() if timed is None else timed(form.config["sample_rate"])
        return Speech(self.text, config, form, body)


def given(**values: object) -> dict[str, Any]:
    """Those of some values that are not None."""
    return {key: value for key, value in values.items() if value is not None}


class SaidCharacters:
    """The characters of a conversation, and when each is said, as its events tell."""

    def __init__(self, sample_rate: int) -> None:
        """`sample_rate`, in hertz, is that of the conversation, in which its events count."""
        self._rate = sample_rate
        self._timer = CharacterTimer()

    def told_by(self, item: Outgoing | Answer) -> list[CharacterTime]:
        """The characters that an event tells of. All white space is a space: clients split words
        at that."""
        match item:
            case WordTimes():
                times = self._timer.words(item)
            case SegmentEnded():
                times = self._timer.rest(item, self._rate)
            case _:
                return []
        return [
            time._replace(character=" ") if time.character.isspace() else time for time in times
        ]


class _Timed(Body):
    """An answer with the times of its characters, in seconds from its first sample."""

    def __init__(self, sample_rate: int) -> None:
        """`sample_rate` is as for `SaidCharacters`."""
        self._said = SaidCharacters(sample_rate).told_by


class TimedLines(_Timed):
    """A JSON object a line, as the speech is made. The times of a segment come behind its sound."""

    media_type = "application/json"

    def sound(self, data: bytes) -> bytes:
        return self._line(data, None)

    def event(self, item: Outgoing) -> bytes:
        said = self._said(item)
        return self._line(b"", _alignment(said)) if said else b""

    def _line(self, data: bytes, alignment: Mapping[str, Any] | None) -> bytes:
        line = {"audio_base64": base64.b64encode(data).decode(), **_twice(alignment)}
        return json.dumps(line).encode() + b"\n"


class TimedWhole(_Timed):
    """One JSON object, whose text goes out as the speech is made: only the times are kept."""

    media_type = "application/json"

    def __init__(self, sample_rate: int) -> None:
        super().__init__(sample_rate)
        self._head = b'{"audio_base64": "'
        self._run = Base64Run()
        self._all: list[CharacterTime] = []

    def sound(self, data: bytes) -> bytes:
        head, self._head = self._head, b""
        return head + self._run.push(data)

    def event(self, item: Outgoing) -> bytes:
        self._all += self._said(item)
        return b""

    def end(self) -> bytes:
        rest = json.dumps(_twice(_alignment(self._all)))
        return self._head + self._run.end() + b'", ' + rest.encode()[1:]


def _alignment(said: Sequence[CharacterTime]) -> Mapping[str, Any]:
    return {
        "characters": [time.character for time in said],
        "character_start_times_seconds": [round(time.start_s, 3) for time in said],
        "character_end_times_seconds": [round(time.end_s, 3) for time in said],
    }


def _twice(alignment: Mapping[str, Any] | None) -> dict[str, Any]:
    # Theirs are of the text as it came and as it is said. A listener's transcript wants the former.
    return {"alignment": alignment, "normalized_alignment": alignment}


def voice_entry(voice: Voice) -> dict[str, Any]:
    """A voice, as they describe one."""
    labels = given(language=voice.language, gender=voice.gender)
    return {
        "voice_id": voice.name,
        "name": voice.name,
        "category": "cloned" if voice.type == "rvc" else "premade",
        "description": voice.description,
        "labels": labels,
        "preview_url": None,
        "available_for_tiers": [],
    }


def model_entries(voices: Iterable[Voice]) -> list[dict[str, Any]]:
    """The models, as they describe them, with the languages of the voices."""
    languages = sorted({voice.language for voice in voices if voice.language is not None})
    return [
        {
            "model_id": model_id,
            "name": name,
            "can_do_text_to_speech": True,
            "can_do_voice_conversion": False,
            "maximum_text_length_per_request": MAX_TEXT_CHARS,
            "languages": [{"language_id": tag, "name": tag} for tag in languages],
        }
        for model_id, name in MODELS.items()
    ]
