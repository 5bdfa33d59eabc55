"""OpenAI's and Kokoro's routes, on fake engines; its own clients speak to a server in
tests/clients."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

from pipeline.net.http_api import create_app
from pipeline.voice_names import VoiceNames
from stages.audio.gain import amplified
from stages.audio.pcm import encode
from tests.audio.listening import hear
from tests.fakes import VOICES, TellingEngine, service, sound_of
from tests.net.test_http_api import client

if TYPE_CHECKING:
    from trio.testing import MockClock

SPEECH = "/v1/audio/speech"
CAPTIONED = "/dev/captioned_speech"


async def ask(path: str, **body: object) -> httpx.Response:
    async with client(service()) as http:
        return await http.post(path, json=body)


def pcm(text: str) -> bytes:
    """A text's sound as OpenAI's PCM: 24 kHz, every second of the samples, more or less."""
    return encode(sound_of(text)[::2], "s16le", 1)


async def test_speech_is_an_mp3_unless_another_format_is_asked_for() -> None:
    answer = await ask(SPEECH, model="tts-1", input="Hello, there!", voice="alloy")
    assert answer.headers["content-type"] == "audio/mpeg"
    assert hear(answer.content).container == "mp3"


async def test_pcm_is_bare_at_24_khz() -> None:
    answer = await ask(SPEECH, input="Hello, there!", response_format="pcm")
    assert len(answer.content) == len(pcm("Hello,there!"))


async def test_the_answer_is_compressed_for_nobody() -> None:
    async with client(service()) as http:
        headers = {"accept-encoding": "gzip, deflate, br, zstd"}
        answer = await http.post(SPEECH, json={"input": "Hi!"}, headers=headers)
    assert "content-encoding" not in answer.headers


async def test_speech_as_events_is_the_same_sound() -> None:
    plain = await ask(SPEECH, input="Hello, there!", response_format="pcm")
    answer = await ask(SPEECH, input="Hello, there!", response_format="pcm", stream_format="sse")
    assert answer.headers["content-type"].startswith("text/event-stream")
    *deltas, done = (json.loads(each[6:]) for each in answer.text.strip().split("\n\n"))
    assert b"".join(base64.b64decode(each["audio"]) for each in deltas) == plain.content
    assert done["type"] == "speech.audio.done"


async def test_a_loudness_is_had() -> None:
    answer = await ask(SPEECH, input="Hi!", response_format="flac", volume_multiplier=0.5)
    heard = hear(answer.content).sound[0]
    assert np.allclose(heard, amplified(sound_of("Hi!"), -6.02), atol=1e-3)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": "a" * 10_001}, "input"),
        ({"input": "a", "response_format": "ogg"}, "response_format"),
        ({"input": "a", "speed": 9}, "speed"),
        ([], None),
    ],
)
@pytest.mark.parametrize("path", [SPEECH, CAPTIONED])
async def test_a_bad_request_is_told_as_openai_does_and_before_any_work(
    path: str, body: object, param: str | None, autojump_clock: MockClock
) -> None:
    engine = TellingEngine()
    async with client(service(synthesizer=engine)) as http:
        answer = await http.post(path, json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert (error["param"], error["code"]) == (param or "body", "bad_message")
    assert not engine.batches


async def test_too_long_a_text_is_told_the_limit() -> None:
    answer = await ask(SPEECH, input="a" * 10_001)
    assert "10000" in answer.json()["error"]["message"]


async def test_other_errors_have_their_shape_too(autojump_clock: MockClock) -> None:
    server = service(max_listeners=1)
    async with client(server) as http:
        with server.admit():
            full = await http.post(SPEECH, json={"input": "Hi!"})
        failed = await http.post(SPEECH, json={"input": "~ Oh."})
        broken = await http.post(SPEECH, content="{", headers={"content-type": "application/json"})
        nothing = await http.get("/v1/chat/completions")
        method = await http.get(SPEECH)
    assert (full.status_code, full.json()["error"]["code"]) == (503, "overloaded")
    assert int(full.headers["retry-after"]) > 0
    assert (failed.status_code, failed.json()["error"]["type"]) == (500, "server_error")
    assert failed.json()["error"]["message"] == "cannot say '~ Oh.'"
    assert (broken.status_code, broken.json()["error"]["param"]) == (400, "body")
    assert (nothing.status_code, nothing.json()["error"]["code"]) == (404, "not_found")
    assert (method.status_code, method.json()["error"]["code"]) == (405, "method_not_allowed")


async def test_captions_have_the_words_of_each_segment(autojump_clock: MockClock) -> None:
    text = "Hello, there! How are you?"
    body = {"input": text, "response_format": "pcm"}
    whole = (await ask(CAPTIONED, stream=False, **body)).json()
    answer = await ask(CAPTIONED, **body)
    lines: list[dict[str, Any]] = [json.loads(line) for line in answer.text.splitlines()]
    plain = await ask(SPEECH, **body)
    assert base64.b64decode(whole["audio"]) == plain.content
    assert b"".join(base64.b64decode(line["audio"]) for line in lines) == plain.content
    times = [word for line in lines for word in line["timestamps"]]
    assert times == whole["timestamps"]
    assert [word["word"] for word in times] == text.split()
    length_s = len(plain.content) / 2 / 24_000
    assert 0.5 * length_s < times[-1]["end_time"] <= length_s
    assert {line["audio_format"] for line in lines} == {"pcm"}


async def test_models_are_listed_and_any_is_there() -> None:
    async with client(service()) as http:
        listed = (await http.get("/v1/models")).json()
        one = (await http.get("/v1/models/speaches-ai/Kokoro-82M-v1.0-ONNX")).json()
        of_audio = (await http.get("/v1/audio/models")).json()
    assert listed["object"] == "list"
    assert [each["object"] for each in listed["data"]] == ["model"] * 3
    assert one["id"] == "speaches-ai/Kokoro-82M-v1.0-ONNX"
    assert {"id": "tts-1"} in of_audio["models"]


async def test_voices_are_listed_with_aliases_in_the_shapes_that_programs_read() -> None:
    server = service()
    server.voice_names = VoiceNames(VOICES, "plain", {"Alloy": "other"})
    async with client(server) as http:
        voices = (await http.get("/v1/audio/voices")).json()["voices"]
        of_model = (await http.get("/v1/audio/voices/tts-1")).json()["voices"]
    assert voices == [{"id": name, "name": name} for name in ("plain", "other", "Alloy")]
    assert of_model == [{"value": name, "label": name} for name in ("plain", "other", "Alloy")]


SENT: dict[str, dict[str, Any]] = {
    "AnythingLLM": {"model": "tts-1", "voice": "alloy", "input": "Hi!"},
    "Home Assistant: openai_tts": {
        "model": "tts-1", "input": "Hi!", "voice": "shimmer", "response_format": "mp3",
        "speed": 1.0, "instructions": "None",
    },
    "Kokoro": {
        "model": "kokoro", "voice": "af_bella(2)+af_sky(1)", "input": "Hi!", "stream": True,
        "volume_multiplier": 1.0, "return_download_link": False,
        "normalization_options": {"normalize": True},
    },
    "LibreChat": {"input": "Hi!", "model": "tts-1", "voice": "alloy", "backend": "openai"},
    "Open WebUI": {"input": "Hi!", "voice": "alloy", "model": None},
    "Read Aloud": {
        "model": "gpt-4o-mini-tts", "input": "Hi!", "voice": "alloy", "instructions": "",
        "response_format": "mp3",
    },
    "SillyTavern": {
        "input": "Hi!", "response_format": "mp3", "voice": "nova", "speed": 1, "model": "tts-1",
    },
    "Vercel AI SDK": {
        "model": "tts-1", "input": "Hi!", "voice": "alloy", "response_format": "mp3",
        "speed": None, "instructions": None,
    },
}  # fmt: skip
"""What programs were seen to send, or in their sources."""


@pytest.mark.parametrize("program", SENT)
async def test_what_programs_send_is_answered_with_an_mp3(program: str) -> None:
    answer = await ask(SPEECH, **SENT[program])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/mpeg")
    heard = hear(answer.content)
    assert (heard.container, heard.tags) == ("mp3", {})
    assert len(sound_of("Hi!")) <= heard.sound.shape[1] < len(sound_of("Hi!")) + 4_000


async def test_a_page_that_may_ask_may_say_what_its_library_is() -> None:
    """OpenAI's package for Node sends such headers from a browser, too."""
    app = create_app(service(), ["https://chat.example"])
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as http:
        headers = {
            "origin": "https://chat.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type,x-stainless-os",
        }
        answer = await http.options(SPEECH, headers=headers)
    assert answer.status_code == 200
    assert "x-stainless-os" in answer.headers["access-control-allow-headers"]
