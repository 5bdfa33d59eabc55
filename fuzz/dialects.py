"""All that a dialect reads: the messages on its WebSocket, or on Wyoming's connection, and the
bodies of its requests over HTTP. An input is lines. The first begins with a letter that says which,
with the query behind it; each of the others is a message, but for

    an empty line   what was said up to here is spoken, and its sound sent
    ~               the next segment fails
    !               the server shuts down
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from pydantic import ValidationError

from fuzz.conversing import LANGUAGES, NAMES, WORDS, Client, check_message, new_conversation
from pipeline.dialects.captions import CaptionedRequest
from pipeline.dialects.cartesia import BytesRequest, SseRequest
from pipeline.dialects.deepgram.over_http import HttpAsked, TextAsked
from pipeline.dialects.dialect import Handshake
from pipeline.dialects.elevenlabs import TextToSpeech, TimedLines, TimedWhole
from pipeline.dialects.openai_speech import SpeechRequest
from pipeline.dialects.sockets import dialect_at
from pipeline.dialects.wyoming import Wyoming
from pipeline.dialects.wyoming_events import EventReader
from stages.error_text import complaints
from stages.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.dialects.speech import Speech

SOCKETS = (
    "/ws/stream",
    "/v1/speak",
    "/v2/speak",
    "/v1/realtime",
    "/v1/text-to-speech/other/stream-input",
    "/v1/text-to-speech/other/multi-stream-input",
    "/tts/websocket",
    "wyoming",
)
BODIES = ("speech", "captioned", "text-to-speech", "timed", "bytes", "sse", "deepgram")
MOST_TOLD_CHARS = 2000


def run(data: bytes) -> None:
    """Whatever comes is answered as its dialect does, or refused with a `ProtocolError`."""
    first, *lines = data.split(b"\n")
    number = (first[0] if first else 0) % (len(SOCKETS) + len(BODIES))
    query = parse_qsl(first[1:].decode(errors="replace"), keep_blank_values=True)
    if number < len(SOCKETS):
        _converse(SOCKETS[number], query, lines)
    else:
        _ask(BODIES[number - len(SOCKETS)], dict(query), b"\n".join(lines))


def _converse(path: str, query: Sequence[tuple[str, str]], lines: Sequence[bytes]) -> None:
    if path == "wyoming":
        client = Client(Wyoming(NAMES))
        reader = EventReader()
        reader.feed(b"\n".join(lines))
        try:
            while (event := reader.next_event()) is not None and not client.is_closed:
                client.say(event)
        except ProtocolError:
            pass  # behind it nothing can be read
    else:
        make = dialect_at(path)
        assert make is not None
        try:
            client = Client(make(Handshake(path, query), NAMES))
        except ProtocolError as error:
            assert len(str(error)) < MOST_TOLD_CHARS
            return
        for line in lines:
            if client.is_closed:
                return
            match line:
                case b"":
                    client.speak()
                case b"~":
                    client.fails_next = True
                case b"!":
                    client.shut_down()
                case _:
                    client.say(_message(line))
    client.speak()


def _message(line: bytes) -> str | bytes:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line


def _ask(kind: str, query: Mapping[str, str], body: bytes) -> None:
    try:
        speech = _speech(kind, query, json.loads(body))
    except (ValueError, RecursionError) as error:  # `ValidationError` is a ValueError
        if isinstance(error, ValidationError):
            assert len(complaints(error.errors())) < MOST_TOLD_CHARS
        return
    except ProtocolError as error:
        assert len(str(error)) < MOST_TOLD_CHARS
        return
    assert speech.text.strip()
    conversation = new_conversation()
    conversation.configure({**speech.config, **speech.form.config, "events": True})
    answer = [speech.body.sound(b"sound"), speech.body.event(WORDS), speech.body.end()]
    if speech.media_type == "application/json":
        for line in b"".join(answer).splitlines():
            check_message(line.decode())


def _speech(kind: str, query: Mapping[str, str], body: Any) -> Speech:  # noqa: ANN401 - JSON
    match kind:
        case "speech":
            return SpeechRequest.model_validate(body).speech(NAMES, LANGUAGES)
        case "captioned":
            asked = CaptionedRequest.model_validate(body)
            return asked.speech(NAMES, LANGUAGES, asked.body)
        case "text-to-speech":
            form = query.get("output_format", "mp3_44100_128")
            return TextToSpeech.model_validate(body).speech("other", form, NAMES)
        case "timed":
            timed = TimedWhole if "whole" in query else TimedLines
            form = query.get("output_format", "pcm_24000")
            return TextToSpeech.model_validate(body).speech("other", form, NAMES, timed)
        case "bytes":
            return BytesRequest.model_validate(body).speech(NAMES)
        case "sse":
            return SseRequest.model_validate(body).speech(NAMES)
        case _:
            text = TextAsked.model_validate(body).text
            return HttpAsked.model_validate(query).speech(text, NAMES)
