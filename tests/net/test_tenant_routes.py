"""What a tenant sees over HTTP: limits in the shape of each service's errors, its own voices alone,
and no figures of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from pipeline.net.callers import CALLER
from pipeline.net.http_api import create_app
from pipeline.net.request_head import Refused
from pipeline.net.service_answers import route_of
from pipeline.net.upload_rules import UploadRules, check_tenant
from pipeline.tenants import NO_LIMITS, Limits, Tenant
from pipeline.usage import Caller
from pipeline.voice_names import VoiceNames
from tests.fakes import VOICES, service
from tests.net.upload_server import UploadServer

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send
    from trio.testing import MockClock

    from pipeline.service import Service

NOON = 20_000 * 86_400 + 43_200.0


def asked_by(app: FastAPI, tenant: Tenant) -> httpx.AsyncClient:
    """A client of the app, behind a port that has found whose its key is."""

    async def behind_the_port(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": {CALLER: Caller(tenant)}}, receive, send)

    transport = httpx.ASGITransport(behind_the_port)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


def noon_service() -> Service:
    server = service()
    server.places.wall_clock = lambda: NOON
    server.voice_names = VoiceNames(VOICES, "plain", {"Alloy": "plain", "Nova": "other"})
    return server


SPEECH: dict[str, tuple[str, dict[str, Any]]] = {
    "native": ("/api/speak", {"text": "Hello!"}),
    "OpenAI": ("/v1/audio/speech", {"input": "Hello!"}),
    "Kokoro": ("/dev/captioned_speech", {"input": "Hello!"}),
    "ElevenLabs": ("/v1/text-to-speech/x", {"text": "Hello!"}),
    "Cartesia": (
        "/tts/bytes",
        {
            "transcript": "Hello!",
            "output_format": {"container": "raw", "encoding": "pcm_f32le", "sample_rate": 48_000},
        },
    ),
    "Deepgram": ("/v1/speak", {"text": "Hello!"}),
}

CODE_IN = {
    "native": lambda told: told["code"],
    "OpenAI": lambda told: told["error"]["code"],
    "Kokoro": lambda told: told["error"]["code"],
    "ElevenLabs": lambda told: told["detail"]["status"],
    "Cartesia": lambda told: told["error_code"],
    "Deepgram": lambda told: told["err_code"].lower(),
}


@pytest.mark.parametrize("limited", [Limits(characters_a_day=3), Limits(audio_seconds_a_day=1)])
@pytest.mark.parametrize("kind", SPEECH)
async def test_a_limit_of_the_day_is_a_429_that_says_when_it_ends(
    kind: str, limited: Limits, autojump_clock: MockClock
) -> None:
    tenant = Tenant("bot", limited)
    tenant.use(NOON, characters=1, audio_s=2.0)
    path, body = SPEECH[kind]
    async with asked_by(create_app(noon_service()), tenant) as http:
        answer = await http.post(path, json=body)
    assert answer.status_code == 429
    assert CODE_IN[kind](answer.json()) == "limit_reached"
    assert "2024-10-05T00:00:00Z" in answer.text
    assert 43_200 <= int(answer.headers["retry-after"]) <= 43_202
    assert tenant.used(NOON) == (1, 2.0)
    assert tenant.n_listeners == 0


@pytest.mark.parametrize("kind", SPEECH)
async def test_a_key_whose_places_are_taken_is_told_to_come_back_soon(
    kind: str, autojump_clock: MockClock
) -> None:
    tenant, server = Tenant("bot", Limits(listeners=1)), noon_service()
    path, body = SPEECH[kind]
    async with asked_by(create_app(server), tenant) as http:
        with server.admit(caller=Caller(tenant)):
            answer = await http.post(path, json=body)
        assert (await http.post(path, json=body)).status_code == 200
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    assert CODE_IN[kind](answer.json()) == "limit_reached"


async def test_text_and_sound_over_http_are_counted(autojump_clock: MockClock) -> None:
    tenant = Tenant("bot")
    async with asked_by(create_app(noon_service()), tenant) as http:
        answer = await http.post("/api/speak", json={"text": "Hello!", "format": "s16le"})
    characters, audio_s = tenant.used(NOON)
    assert characters == 6
    assert audio_s == pytest.approx(len(answer.content) / 2 / 48_000)


async def test_lists_show_the_voices_that_a_key_may_have(autojump_clock: MockClock) -> None:
    tenant = Tenant("bot", Limits(voices=("oth*",)))
    async with asked_by(create_app(noon_service()), tenant) as http:

        async def ask(path: str, **headers: str) -> Any:  # noqa: ANN401 - JSON is anything
            return (await http.get(path, headers=headers)).json()

        own = await ask("/api/voices")
        assert [voice["name"] for voice in own["voices"]] == ["other"]
        assert own["default"] == "other"
        names = [voice["id"] for voice in (await ask("/v1/audio/voices"))["voices"]]
        assert names == ["other", "Nova"]
        names = [voice["value"] for voice in (await ask("/v1/audio/voices/x"))["voices"]]
        assert names == ["other", "Nova"]
        for path in ("/v1/voices", "/v2/voices"):
            assert [voice["name"] for voice in (await ask(path))["voices"]] == ["other"]
        assert (await ask("/v1/voices/plain"))["name"] == "other"
        assert (await ask("/v2/voices"))["total_count"] == 1
        assert await ask("/v1/models", xi_api_key="x")


async def test_a_voice_that_a_key_may_not_have_is_refused_and_an_unknown_name_is_its_own(
    autojump_clock: MockClock,
) -> None:
    """Programs that were made for other services ask for names of those."""
    tenant, server = Tenant("bot", Limits(voices=("other",))), noon_service()
    heard = []
    server.places.keep_usage = lambda usage: heard.append(usage.line()["voices"])
    async with asked_by(create_app(server), tenant) as http:
        refused = await http.post("/api/speak", json={"text": "Hello!", "voice": "plain"})
        assert refused.status_code == 422
        assert refused.json()["code"] == "unknown_voice"
        assert "this key may not speak with 'plain'" in refused.json()["error"]
        for kind, (path, body) in SPEECH.items():
            asked = {**body, "voice": "plain"} if kind in {"OpenAI", "Kokoro"} else body
            assert (await http.post(path, json=asked)).status_code == 200, kind
    assert heard == [["other"]] * len(SPEECH)


async def test_figures_of_all_keys_are_for_keys_without_limits(autojump_clock: MockClock) -> None:
    app = create_app(noon_service())
    async with asked_by(app, Tenant("bot", Limits(listeners=1))) as http:
        answer = await http.get("/metrics")
        assert (answer.status_code, answer.json()["code"]) == (403, "not_for_this_key")
    async with asked_by(app, Tenant("prometheus")) as http:
        assert (await http.get("/metrics")).status_code == 200


async def test_a_key_with_voices_of_its_own_neither_uploads_nor_removes(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    server = UploadServer(tmp_path / "voices", UploadRules(has_keys=True))
    limited = Tenant("bot", Limits(voices=("plain",)))
    async with asked_by(server.app, limited) as http:
        for method in ("PUT", "DELETE"):
            answer = await http.request(method, "/api/voices/anna", content=b"x")
            assert (answer.status_code, answer.json()["code"]) == (403, "uploads_off")
        assert (await http.get("/api/voices")).json()["uploads"] is None
    async with asked_by(server.app, Tenant("other", Limits(listeners=1))) as http:
        assert (await http.get("/api/voices")).json()["uploads"] is not None
    server.uploads.close()
    with pytest.raises(Refused):
        check_tenant(limited)
    for tenant in (None, Tenant("other", NO_LIMITS)):
        check_tenant(tenant)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/ws/stream", "/ws/stream"),
        ("/v1/text-to-speech/any%20thing/stream", "/v1/text-to-speech/{voice}/stream"),
        ("/v1/text-to-speech/anna", "/v1/text-to-speech/{voice}"),
    ],
)
def test_a_route_in_the_usage_log_has_no_voice_in_it(path: str, route: str) -> None:
    assert route_of(path) == route
