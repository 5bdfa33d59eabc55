"""Kokoro's captioned speech: sound with the times of its words, in JSON."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from pipeline.dialects.openai_speech import SpeechRequest
from pipeline.dialects.speech import Base64Run, Body
from stages.items import WordTimes

if TYPE_CHECKING:
    from collections.abc import Container

    from pipeline.voice_names import VoiceNames
    from stages.items import Outgoing


class CaptionedRequest(SpeechRequest):
    """A text to speak, as Kokoro's `POST /dev/captioned_speech` has it."""

    stream: bool | None = None
    """False: one object for all; else one a line."""

    @property
    def body(self) -> CaptionedLines | CaptionedWhole:
        """The answer's body."""
        kind = CaptionedWhole if self.stream is False else CaptionedLines
        return kind(self.response_format)

    def _config(self, voices: VoiceNames, languages: Container[str]) -> dict[str, Any]:
        return {**super()._config(voices, languages), "words": True}


class _Captioned(Body):
    media_type = "application/json"  # Kokoro says so of its lines, too

    def __init__(self, audio_format: str) -> None:
        self._format = audio_format

    def _words(self, item: Outgoing) -> list[dict[str, Any]]:
        if not isinstance(item, WordTimes):
            return []
        return [
            {
                "word": word.text,
                "start_time": round(word.start_s, 3),
                "end_time": round(word.end_s, 3),
            }
            for word in item.words
        ]


class CaptionedLines(_Captioned):
    """A JSON object a line, as the speech is made. Words come behind their sound."""

    def sound(self, data: bytes) -> bytes:
        return self._line(data, [])

    def event(self, item: Outgoing) -> bytes:
        words = self._words(item)
        return self._line(b"", words) if words else b""

    def _line(self, data: bytes, words: list[dict[str, Any]]) -> bytes:
        audio = base64.b64encode(data).decode()
        line = {"audio": audio, "audio_format": self._format, "timestamps": words}
        return json.dumps(line).encode() + b"\n"


class CaptionedWhole(_Captioned):
    """One JSON object, whose text goes out as the speech is made: only the words are kept."""

    def __init__(self, audio_format: str) -> None:
        super().__init__(audio_format)
        self._head = b'{"audio": "'
        self._run = Base64Run()
        self._timestamps: list[dict[str, Any]] = []

    def sound(self, data: bytes) -> bytes:
        head, self._head = self._head, b""
        return head + self._run.push(data)

    def event(self, item: Outgoing) -> bytes:
        self._timestamps += self._words(item)
        return b""

    def end(self) -> bytes:
        rest = {"audio_format": self._format, "timestamps": self._timestamps}
        head = self._head + self._run.end()
        return head + b'", ' + json.dumps(rest).encode()[1:]
