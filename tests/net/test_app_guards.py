"""A bug behind a route ends there: the client gets JSON and nothing of the traceback, which the log
has once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import httpx
import pytest

from pipeline.net.http_api import create_app
from pipeline.voice_names import VoiceNames
from tests.fakes import service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.service import Service
    from stages.voices import Voice

FRIEND = "https://friend.example"

PLACE = "/home/anna/voices/anna.pth"


class Broken(dict[str, "Voice"]):
    """Voices that cannot be listed."""

    def values(self) -> NoReturn:
        raise OSError(5, "Input/output error", PLACE)


def broken() -> Service:
    server = service()
    server.voice_names = VoiceNames(Broken(server.voices), "plain", {})
    return server


def client(server: Service) -> httpx.AsyncClient:
    app = create_app(server, [FRIEND])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


SHAPES: Mapping[str, tuple[str, ...]] = {
    "/api/voices": ("error", "code"),
    "/v1/voices": ("detail",),
    "/v1/audio/voices": ("error",),
}


@pytest.mark.parametrize("path", SHAPES)
async def test_a_bug_is_a_500_in_the_shape_of_its_route(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It was one in text/plain, and Hypercorn logged it by a handler of its own."""
    server = broken()
    async with client(server) as http:
        answer = await http.get(path, headers={"origin": FRIEND})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == FRIEND
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert tuple(answer.json()) == SHAPES[path]
    assert "internal_error" in answer.text
    assert "anna" not in answer.text
    assert "Error" not in answer.text
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.exc_info is not None
    assert PLACE in caplog.text
    assert b'code="internal_error"} 1.0' in server.metrics.render()


async def test_text_that_is_no_unicode_is_json_all_the_same() -> None:
    server = service()
    server.voice_names = VoiceNames(server.voices, "plain", {"\udcff": "plain"})
    async with client(server) as http:
        answer = await http.get("/v1/audio/voices")
    assert answer.status_code == 200
    assert "\udcff" in [voice["id"] for voice in answer.json()["voices"]]
