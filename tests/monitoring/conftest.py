"""One real server for all that look at what it tells: it has spoken, failed and refused, and its
traces go to a collector."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import pytest
from websockets.sync.client import connect

from tests.monitoring.collector import running_collector
from tests.server_process import PATIENCE_S, ServerProcess, running_server

if TYPE_CHECKING:
    from tests.monitoring.collector import Spanned

KEY = "a-key-that-is-annas"
TRACEPARENT = "00-{:032x}-00000000000000aa-01"

PATHS = {
    1: ("/ws/stream", {"token": "Hello!", "flush": True}),
    2: (f"/tts/websocket?api_key={KEY}", {
        "model_id": "sonic-2", "transcript": "Hello!", "context_id": "one",
        "voice": {"mode": "id", "id": "en-us"}, "language": "en",
        "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 44100},
    }),
    3: ("/v1/text-to-speech/en-us/stream-input", {"text": "Hello! ", "flush": True}),
    4: ("/v1/speak?encoding=linear16", {"type": "Speak", "text": "Hello!"}),
    5: ("/v1/audio/speech", {"model": "tts-1", "input": "Hello!", "voice": "alloy"}),
    6: ("/api/speak", {"text": "Hello!"}),
}  # fmt: skip
"""Requests by the number of their trace: sockets, which say this, and posts."""

POSTS = {5, 6}

SOUND_CHARS = 2000
"""A message of this length holds sound, bare or in base64."""


class Told(NamedTuple):
    """What was heard of a server."""

    metrics: str
    spans: list[Spanned]
    log: str
    bodies: bytes


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What a server told that has ended."""
    keys = tmp_path_factory.mktemp("keys") / "keys.toml"
    keys.write_text(f'[keys.anna]\nkey = "{KEY}"\n')
    keys.chmod(0o600)
    with running_collector() as collector:
        options = ("--api-keys-file", str(keys), "--otlp-endpoint", collector.url)
        with running_server(*options, env={"OTEL_BSP_SCHEDULE_DELAY": "3600000"}) as server:
            for number in PATHS:
                _speak(server, number)
            server.ask("/nothing", headers={"authorization": f"Bearer {KEY}"})
            metrics = server.ask("/metrics", headers={"authorization": f"Bearer {KEY}"}).text
            assert collector.spans == []  # they wait, for an hour
            server.end()
            log = server.log
        return Told(metrics, list(collector.spans), log, b"".join(collector.bodies))


def _speak(server: ServerProcess, number: int) -> None:
    path, message = PATHS[number]
    headers = {
        "authorization": f"Bearer {KEY}",
        "traceparent": TRACEPARENT.format(number),
        "x-request-id": f"request-{number}",
    }
    if number in POSTS:
        assert server.ask(path, "POST", json=message, headers=headers).status_code == 200
        return
    url = f"ws://{server.host}:{server.port}{path}"
    with connect(url, additional_headers=headers, open_timeout=PATIENCE_S) as socket:
        socket.send(json.dumps(message))
        if number == 4:
            socket.send(json.dumps({"type": "Flush"}))
        while len(socket.recv(PATIENCE_S)) < SOUND_CHARS:
            pass
