"""The HTTP routes, on fake engines; on a real socket they are tested in tests/faults."""

from __future__ import annotations

import io
import json
import wave
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
import trio

from pipeline.net.http_api import create_app
from stages.audio.gain import amplified
from tests.audio.listening import hear
from tests.fakes import TellingEngine, service, sound_of
from tests.inline_models import InlineModels

if TYPE_CHECKING:
    from starlette.types import Message
    from trio.testing import MockClock

    from pipeline.service import Service


def client(server: Service) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app(server)), base_url="http://test"
    )


async def test_speak_answers_with_a_wav_file(autojump_clock: MockClock) -> None:
    """Of unknown length, since it begins before all of it has been spoken."""
    async with client(service()) as http:
        answer = await http.post("/api/speak", json={"text": "Hello, there!"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(answer.content)) as wav:
        assert wav.getparams()[:3] == (1, 2, 48_000)
        heard = np.frombuffer(wav.readframes(wav.getnframes()), "<i2") / 32_767
    assert np.allclose(heard, sound_of("Hello,there!"), atol=1e-4)


async def test_speak_answers_with_bare_samples_and_the_pitch_asked_for(
    autojump_clock: MockClock,
) -> None:
    async with client(service()) as http:
        asked = {"text": "Hi!", "format": "f32le", "pitch_shift": 2, "voice": "other"}
        answer = await http.post("/api/speak", json=asked)
    assert np.array_equal(np.frombuffer(answer.content, "<f4"), -sound_of("Hi!"))


async def test_speak_has_speed_and_volume_and_else_the_servers(autojump_clock: MockClock) -> None:
    """What a request leaves out is as the server is set: its pitch was not."""
    server = service()
    server.style = replace(server.style, volume=-6.0)
    async with client(server) as http:
        asked = {"text": "Hi!", "format": "f32le"}
        plain = await http.post("/api/speak", json=asked)
        louder = await http.post("/api/speak", json={**asked, "volume": 6.0})
        faster = await http.post("/api/speak", json={**asked, "speed": 2.0})
    assert plain.content == amplified(sound_of("Hi!"), -6.0).tobytes()
    assert louder.content == amplified(sound_of("Hi!"), 6.0).tobytes()
    assert faster.content == (-amplified(sound_of("Hi!"), -6.0)).tobytes()  # it was converted


@pytest.mark.parametrize(
    ("form", "media_type", "read_as", "most_more"),
    [
        ("mp3", "audio/mpeg", ("mp3", 48_000, 1), 4_000),
        ("aac", "audio/aac", ("aac", 48_000, 1), 4_000),
        ("opus", "audio/ogg", ("ogg", 48_000, 2), 0),
        ("flac", "audio/flac", ("flac", 48_000, 1), 0),
    ],
)
async def test_speak_answers_in_the_format_that_was_asked_for(
    form: str, media_type: str, read_as: tuple[str, int, int], most_more: int
) -> None:
    async with client(service()) as http:
        answer = await http.post("/api/speak", json={"text": "Hello, there!", "format": form})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    heard = hear(answer.content)
    assert (heard.container, heard.sample_rate, len(heard.sound)) == read_as
    assert 0 <= heard.sound.shape[1] - len(sound_of("Hello,there!")) <= most_more


async def test_speak_encodes_at_the_rate_that_was_asked_for() -> None:
    asked = {"text": "Hello, there!", "format": "flac", "sample_rate": 22_050}
    async with client(service()) as http:
        heard = hear((await http.post("/api/speak", json=asked)).content)
    assert heard.sample_rate == 22_050
    assert heard.sound.shape == (1, 551)  # 1200 samples at 48 kHz


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "text"),
        ({"text": 1}, "text"),
        ({"text": "a", "voice": "nobody"}, "voice"),
        ({"text": "a", "format": "ogg"}, "format"),
        ({"text": "a", "language": "tlh"}, "language"),
        ({"text": "a", "language": "not a tag"}, "language"),
        ({"text": "a", "format": "opus", "sample_rate": 44_100}, "sample_rate: opus has 8000"),
        ({"text": "a", "pitch_shift": 99}, "pitch_shift"),
        ({"text": "a", "speed": 3}, "speed"),
        ({"text": "a", "volume": 21}, "volume"),
        ({"text": "a", "colour": "red"}, "colour"),
        ({"text": "a" * 10_001}, "text"),
    ],
)
async def test_a_bad_request_is_refused_by_name(
    autojump_clock: MockClock, body: dict[str, object], named: str
) -> None:
    async with client(service()) as http:
        answer = await http.post("/api/speak", json=body)
    assert answer.status_code == 422
    assert named in answer.json()["error"]
    assert answer.json()["code"] in {"bad_message", "unknown_voice", "unknown_language"}


@pytest.mark.parametrize(
    "headers",
    [{}, {"content-type": "application/x-www-form-urlencoded"}, {"content-type": "text/plain"}],
)
async def test_json_that_does_not_say_so_is_told_what_to_say(
    autojump_clock: MockClock, headers: dict[str, str]
) -> None:
    """curl's ``-d`` says that it sends a form."""
    async with client(service()) as http:
        answer = await http.post("/api/speak", content='{"text": "Hi!"}', headers=headers)
    assert answer.status_code == 422
    assert answer.json()["error"] == "send JSON, with Content-Type: application/json"


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
async def test_malformed_json_is_told_as_such(autojump_clock: MockClock, kind: str) -> None:
    async with client(service()) as http:
        answer = await http.post("/api/speak", content="{", headers={"content-type": kind})
    assert answer.status_code == 422
    assert "JSON decode error" in answer.json()["error"]


async def test_what_the_engine_cannot_say_is_a_500_with_the_reason(
    autojump_clock: MockClock,
) -> None:
    async with client(service()) as http:
        answer = await http.post("/api/speak", json={"text": "~ Oh."})
    assert answer.status_code == 500
    assert answer.json() == {"error": "cannot say '~ Oh.'", "code": "synthesis_failed"}


async def test_what_fails_behind_the_first_sound_breaks_the_answer_off(
    autojump_clock: MockClock,
) -> None:
    """The status has gone by then. With an end like any other, half of the speech would pass for
    all of it."""
    server = service()
    sent: list[Message] = []
    body = json.dumps({"text": "Oh! a~", "format": "f32le"}).encode()
    to_come: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        await trio.lowlevel.checkpoint()
        if not to_come:
            await trio.sleep_forever()
        return to_come.pop()

    async def send(message: Message) -> None:
        await trio.lowlevel.checkpoint()
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"host", b"test")]
    scope = {
        "type": "http", "method": "POST", "path": "/api/speak", "headers": headers,
        "query_string": b"", "http_version": "1.1", "scheme": "http", "server": ("test", 80),
    }  # fmt: skip
    await create_app(server)(scope, receive, send)
    assert sent[0]["status"] == 200
    heard = b"".join(message["body"] for message in sent[1:])
    assert np.array_equal(np.frombuffer(heard, "<f4")[:300], sound_of("Oh!"))
    assert all(message["more_body"] for message in sent[1:])
    assert server.n_listeners == 0


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "text: there is nothing to speak"),
        (" \n", "text: there is nothing to speak"),
        ("a" * 10_001, "10000"),
    ],
)
async def test_a_text_that_cannot_be_spoken_is_refused_before_any_work(
    text: str, named: str, autojump_clock: MockClock
) -> None:
    engine = TellingEngine()
    async with client(service(synthesizer=engine)) as http:
        answer = await http.post("/api/speak", json={"text": text})
    assert answer.status_code == 422
    assert named in answer.json()["error"]
    assert not engine.batches


async def test_a_full_server_says_when_to_come_back(autojump_clock: MockClock) -> None:
    server = service(max_listeners=1)
    async with client(server) as http:
        with server.admit():
            answer = await http.post("/api/speak", json={"text": "a"})
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert (await http.post("/api/speak", json={"text": "a"})).status_code == 200


async def test_readiness_tells_why_not(autojump_clock: MockClock) -> None:
    models = InlineModels()
    server = service(models)
    async with client(server) as http:
        assert (await http.get("/health/ready")).json() == {"status": "ok", "reason": None}
        models.fault = "telling has not come back"
        answer = await http.get("/health/ready")
        assert (answer.status_code, answer.json()["reason"]) == (503, models.fault)
        models.fault = None
        server.leaving.close()
        assert (await http.get("/health/ready")).status_code == 503
        assert (await http.get("/health/live")).status_code == 200


async def test_voices_are_listed_with_the_default(autojump_clock: MockClock) -> None:
    async with client(service()) as http:
        answer = (await http.get("/api/voices")).json()
    assert answer["default"] == "plain"
    assert [voice["name"] for voice in answer["voices"]] == ["plain", "other"]


@pytest.mark.parametrize("path", ["/", "/web/page.js", "/web/page.css", "/docs", "/openapi.json"])
async def test_the_page_and_the_api_description_are_served(path: str) -> None:
    async with client(service()) as http:
        assert (await http.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("host", "sockets"),
    [
        ("voice.example:8765", " ws://voice.example:8765 wss://voice.example:8765"),
        ("[::1]:80", " ws://[::1]:80 wss://[::1]:80"),
        ("a; script-src *", ""),
    ],
)
async def test_the_page_may_use_nothing_but_its_own_server(host: str, sockets: str) -> None:
    async with client(service()) as http:
        answer = await http.get("/", headers={"host": host})
    rules = answer.headers["content-security-policy"].split("; ")
    assert rules[0] == "default-src 'none'"
    assert "script-src 'self'" in rules
    assert f"connect-src 'self'{sockets}" in rules


@pytest.mark.parametrize("path", ["/", "/web/page.js"])
async def test_a_page_of_another_version_is_not_used_from_a_cache(path: str) -> None:
    async with client(service()) as http:
        answer = await http.get(path)
    assert answer.headers["cache-control"] == "no-cache"


async def test_everything_else_is_not_found() -> None:
    async with client(service()) as http:
        assert (await http.get("/nothing")).status_code == 404
        assert (await http.get("/web/../http_api.py")).status_code == 404


def test_the_openapi_page_tells_that_there_is_a_language() -> None:
    schemas = create_app(service()).openapi()["components"]["schemas"]
    assert "auto" in schemas["SpeakRequest"]["properties"]["language"]["description"]


def test_the_openapi_page_tells_the_errors() -> None:
    responses = create_app(service()).openapi()["paths"]["/api/speak"]["post"]["responses"]
    assert responses.keys() >= {"200", "422", "500", "503"}
