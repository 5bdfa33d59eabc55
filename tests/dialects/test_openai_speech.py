"""OpenAI's requests for speech: what is meant by them, and what comes back."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from pipeline.dialects.captions import CaptionedLines, CaptionedWhole
from pipeline.dialects.error_shapes import HttpError, error_answer
from pipeline.dialects.openai_speech import SpeechEvents, SpeechRequest, names_of
from pipeline.voice_names import VoiceNames
from stages.items import WordTimes
from stages.word_clock import Word
from tests.fakes import VOICES, segment

if TYPE_CHECKING:
    from pipeline.dialects.speech import Speech

NAMES = VoiceNames(VOICES, "plain", {"alloy": "other", "Bella": "other"})
LANGUAGES = {"de", "en-gb", "pt-br"}


def speech(**body: object) -> Speech:
    request = SpeechRequest.model_validate({"input": "Hello!", **body})
    return request.speech(NAMES, LANGUAGES)


@pytest.mark.parametrize(
    ("body", "config"),
    [
        ({}, {"voice": "plain"}),
        ({"voice": "other"}, {"voice": "other"}),
        ({"voice": "alloy"}, {"voice": "other"}),
        ({"voice": {"id": "bella"}}, {"voice": "other"}),
        ({"voice": "af_bella(2)+af_sky(1)"}, {"voice": "plain"}),
        ({"voice": 7}, {"voice": "plain"}),
        ({"speed": 1.5}, {"voice": "plain", "speed": 1.5}),
        ({"speed": 1, "volume_multiplier": 1.0}, {"voice": "plain"}),
        ({"speed": None}, {"voice": "plain"}),
        ({"speed": 0.25}, {"voice": "plain", "speed": 0.5}),
        ({"speed": 4}, {"voice": "plain", "speed": 2.0}),
        ({"lang_code": "b"}, {"voice": "plain", "language": "en-gb"}),
        ({"lang_code": "pt_BR"}, {"voice": "plain", "language": "pt-br"}),
        ({"lang_code": "j"}, {"voice": "plain"}),
        ({"volume_multiplier": 10}, {"voice": "plain", "volume": 20.0}),
        ({"volume_multiplier": 0}, {"voice": "plain", "volume": -40.0}),
        ({"volume_multiplier": 0.1}, {"voice": "plain", "volume": -20.0}),
    ],
)
def test_a_request_means_what_we_have_of_it(body: dict[str, Any], config: dict[str, Any]) -> None:
    """Speeds are brought into what we have; voices that nobody has are the default; languages
    that nobody speaks are left out."""
    assert speech(**body).config == pytest.approx(config)


def test_what_we_do_not_have_is_ignored_and_so_are_nulls() -> None:
    """Open WebUI sends a model of null, and whatever its admin adds."""
    keys = ("voice", "response_format", "speed", "stream_format", "lang_code", "volume_multiplier")
    asked = speech(
        **dict.fromkeys(keys),
        model=None,
        instructions="None",
        backend="openai",
        normalization_options={"normalize": True},
        return_download_link=True,
        stream=False,
    )
    assert asked.media_type == "audio/mpeg"
    assert asked.text == "Hello!"


@pytest.mark.parametrize(
    ("form", "media_type", "rate"),
    [
        ("mp3", "audio/mpeg", 48_000),
        ("opus", "audio/ogg", 48_000),
        ("aac", "audio/aac", 48_000),
        ("flac", "audio/flac", 48_000),
        ("wav", "audio/wav", 24_000),
        ("pcm", "audio/pcm", 24_000),
    ],
)
def test_formats_have_the_types_that_clients_choose_their_decoders_by(
    form: str, media_type: str, rate: int
) -> None:
    asked = speech(response_format=form)
    assert (asked.media_type, asked.form.sample_rate) == (media_type, rate)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"input": None}, "input"),
        ({"input": "a" * 10_001}, "input"),
        ({"response_format": "ogg"}, "response_format"),
        ({"speed": 5}, "speed"),
        ({"speed": "fast"}, "speed"),
        ({"stream_format": "rtp"}, "stream_format"),
        ({"lang_code": "not a tag"}, "lang_code"),
        ({"volume_multiplier": -1}, "volume_multiplier"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_key(body: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        speech(**body)
    assert [error["loc"] for error in caught.value.errors()] == [(key,)]


def test_events_are_those_that_livekit_reads() -> None:
    body = SpeechEvents(6)
    told = [body.sound(b"\1\2"), body.end()]
    assert all(event.startswith(b"data: {") and event.endswith(b"}\n\n") for event in told)
    first, last = (json.loads(event[6:]) for event in told)
    assert first == {"type": "speech.audio.delta", "audio": base64.b64encode(b"\1\2").decode()}
    assert last["type"] == "speech.audio.done"
    assert last["usage"] == {"input_tokens": 6, "output_tokens": 0, "total_tokens": 6}


SAID = WordTimes(
    segment("Oh, hi!"),
    (Word("Oh,", 0, 3, 1.0, 1.25, is_exact=True), Word("hi!", 4, 7, 1.5, 2.0, is_exact=True)),
    24_000,
)
WORDS = [
    {"word": "Oh,", "start_time": 1.0, "end_time": 1.25},
    {"word": "hi!", "start_time": 1.5, "end_time": 2.0},
]


def test_captions_in_lines_have_the_words_behind_their_sound() -> None:
    body = CaptionedLines("mp3")
    lines = (body.sound(b"abc") + body.event(SAID) + body.end()).splitlines()
    assert [json.loads(line) for line in lines] == [
        {"audio": "YWJj", "audio_format": "mp3", "timestamps": []},
        {"audio": "", "audio_format": "mp3", "timestamps": WORDS},
    ]


def test_captions_in_one_object_have_all_of_it() -> None:
    body = CaptionedWhole("mp3")
    pieces = [body.sound(b"ab"), body.event(SAID), body.sound(b"c"), body.end()]
    assert json.loads(b"".join(pieces)) == {
        "audio": "YWJj",
        "audio_format": "mp3",
        "timestamps": WORDS,
    }


def test_the_names_that_are_listed_are_voices_and_aliases_each_once() -> None:
    assert names_of(VOICES.values(), ["alloy", "plain"]) == ["plain", "other", "alloy"]


@pytest.mark.parametrize(
    ("path", "status", "message", "answer"),
    [
        ("/api/speak", 422, "text: is missing", (422, None)),
        ("/v1/audio/speech", 422, "speed: too high", (400, ("invalid_request_error", "speed"))),
        ("/v1/audio/speech", 401, "this needs a key", (401, ("invalid_request_error", None))),
        ("/v1/audio/speech", 503, "all 2 places taken", (503, ("server_error", None))),
        ("/v1/chat/completions", 404, "Not Found", (404, ("invalid_request_error", None))),
        ("/dev/captioned_speech", 500, "cannot say it", (500, ("server_error", None))),
        ("/realtime", 403, "foreign", (403, ("invalid_request_error", None))),
    ],
)
def test_errors_have_the_shape_of_the_service_that_has_the_path(
    path: str, status: int, message: str, answer: tuple[int, tuple[str, str | None] | None]
) -> None:
    got, told = error_answer(path, HttpError(status, "a_code", message))
    assert got == answer[0]
    if answer[1] is None:
        assert told == {"error": message, "code": "a_code"}
    else:
        kind, param = answer[1]
        error = {"message": message, "type": kind, "param": param, "code": "a_code"}
        assert told == {"error": error}
