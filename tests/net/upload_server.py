"""A service that takes uploads, without a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from pipeline.net.http_api import create_app
from pipeline.net.uploads import Uploads
from pipeline.voice_names import VoiceNames
from pipeline.voices import Voices
from tests.fakes import VOICES, service

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.net.upload_rules import UploadRules


class UploadServer:
    """A service with a folder of voices, and its uploads."""

    def __init__(self, folder: Path, rules: UploadRules) -> None:
        self.folder = folder
        self.service = service()
        self.voices = Voices([*VOICES.values()])
        self.voices.offer_rvc(folder, None, "plain")
        self.service.voices = self.voices
        self.service.voice_names = VoiceNames(self.voices, "plain", {"Alloy": "plain"})
        self.uploads = Uploads(self.service, folder, rules)
        self.app = create_app(self.service, (), self.uploads)

    def client(self, peer: str = "127.0.0.1") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, client=(peer, 1))
        return httpx.AsyncClient(transport=transport, base_url="http://localhost")

    async def ask(self, method: str, name: str, content: bytes = b"") -> httpx.Response:
        async with self.client() as http:
            return await http.request(method, f"/api/voices/{name}", content=content)

    def left(self) -> list[str]:
        """All files in the folder."""
        paths = [path.relative_to(self.folder) for path in self.folder.rglob("*")]
        return sorted(str(path) for path in paths if (self.folder / path).is_file())

    def count(self, outcome: str) -> float:
        value: float = self.service.metrics.uploads.labels(outcome)._value.get()  # noqa: SLF001 - as its own tests do
        return value


async def refused(server: UploadServer, name: str, content: bytes) -> str:
    """What is said of an unusable file, of which nothing is left."""
    left = server.left()
    answer = await server.ask("PUT", name, content)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "unusable_voice"
    said: str = answer.json()["error"]
    assert str(server.folder) not in said  # where it lies is nobody's business
    assert "\n" not in said
    assert server.left() == left
    return said
