"""Cartesia's and ElevenLabs' packages for Node as they are. The former opens its WebSocket by TLS
always, so both speak it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.clients.test_elevenlabs import CERTIFICATE, TRUSTING, WITH_TLS
from tests.clients.test_seed_samples import TEXT, words
from tests.server_process import PATIENCE_S, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def came(node: str) -> Iterator[dict[str, Any]]:
    """What came of all that the packages were asked to do, and what was said."""
    with running_server(*WITH_TLS) as server:
        url = f"https://localhost:{server.port}"
        done = subprocess.run(
            [node, Path(__file__).parent / "run_cartesia_elevenlabs_node.js"],
            input=json.dumps({"base_url": url, "text": TEXT, "words": words(TEXT)}),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            env={**os.environ, "NODE_EXTRA_CA_CERTS": str(CERTIFICATE)},
        )
        assert done.returncode == 0, done.stderr
        asked = {"text": TEXT, "format": "s16le", "sample_rate": 24_000}
        said = httpx.post(f"{url}/api/speak", json=asked, verify=TRUSTING, timeout=PATIENCE_S)
        yield {**json.loads(done.stdout), "said": said.content}


def test_elevenlabs_package_hears_what_is_said(came: dict[str, Any]) -> None:
    heard = came["elevenlabs"]
    for sound in (heard["sound"], heard["streamed"], heard["timed"]["sound"]):
        assert base64.b64decode(sound) == came["said"]
    lines = heard["lines"]
    assert b"".join(base64.b64decode(line["sound"]) for line in lines) == came["said"]
    for characters in (
        heard["timed"]["characters"],
        [character for line in lines for character in line["characters"]],
    ):
        assert "".join(characters) == TEXT


def test_elevenlabs_package_lists_voices_and_models(came: dict[str, Any]) -> None:
    assert came["elevenlabs"]["n_voices"] > 1
    assert came["elevenlabs"]["n_models"] > 1


def test_cartesias_package_hears_what_is_said(came: dict[str, Any]) -> None:
    assert base64.b64decode(came["cartesia"]["sound"]) == came["said"]
    for heard in came["cartesia"]["contexts"]:
        assert b"".join(map(base64.b64decode, heard["sound"])) == came["said"]
        assert heard["kinds"] == ["flush_done", "done"]
