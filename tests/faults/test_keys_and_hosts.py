"""Fault 14: requests that may not be answered, and that a right one is; on a real socket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trio
import websockets
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.faults.raw_client import UPGRADE, ask, connected, get, post
from tests.server_process import PATIENCE_S, ROOT, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.server_process import ServerProcess

KEY = "a-key-of-the-tests-1"
OTHER_KEY = "a-key-of-the-tests-2"
FRIEND = "https://friend.example"


@pytest.fixture(scope="module")
def guarded() -> Iterator[ServerProcess]:
    """A server with two keys, bound beyond this machine."""
    options = ("--host", "0.0.0.0", "--allowed-origins", FRIEND)  # noqa: S104
    with running_server(*options, env={"VOICE_API_KEYS": f"{KEY},{OTHER_KEY}"}) as server:
        yield server
        assert "Traceback" not in server.log
        assert KEY not in server.log


def with_key(request: bytes, key: str = KEY) -> bytes:
    return request.replace(b"\r\n\r\n", f"\r\nAuthorization: Bearer {key}\r\n\r\n".encode(), 1)


UPGRADING = b"GET /ws/stream HTTP/1.1\r\n" + UPGRADE + b"\r\n"

ASKED = {
    "WebSocket": UPGRADING,
    "speak": post("/api/speak", {"text": "Hello!"}),
    "voices": get("/api/voices"),
    "metrics": get("/metrics"),
    "nothing": get("/nothing"),
}


@pytest.mark.parametrize("request_", ASKED.values(), ids=ASKED)
async def test_without_a_right_key_nothing_is_answered(
    guarded: ServerProcess, request_: bytes
) -> None:
    for asked in (request_, with_key(request_, "not-a-key-of-the-tests")):
        refusal = await ask(guarded.port, asked)
        assert refusal.status == 401
        assert refusal.headers["www-authenticate"].startswith("Bearer ")
        assert refusal.json()["code"] == "unauthorized"


@pytest.mark.parametrize(
    "request_",
    [
        post("/v1/audio/speech", {"input": "Hello!"}),
        get("/v1/models"),
        UPGRADING.replace(b"/ws/stream", b"/v1/realtime?model=gpt-realtime"),
    ],
)
async def test_openais_clients_are_refused_in_words_that_they_read(
    guarded: ServerProcess, request_: bytes
) -> None:
    """By the port, before anybody has looked at what is asked for."""
    refusal = await ask(guarded.port, request_)
    assert refusal.status == 401
    error = refusal.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "unauthorized")
    assert "Bearer KEY" in error["message"]


async def test_health_and_the_page_need_no_key(guarded: ServerProcess) -> None:
    pages = ("/", "/web/server.js", "/docs", "/docs/files/swagger-ui.css")
    for target in ("/health/live", "/health/ready", *pages):
        assert (await ask(guarded.port, get(target))).status == 200


@pytest.mark.parametrize("key", [KEY, OTHER_KEY])
async def test_each_key_opens_every_door(guarded: ServerProcess, key: str) -> None:
    assert (await ask(guarded.port, with_key(get("/api/voices"), key))).status == 200
    spoken = await ask(guarded.port, with_key(post("/api/speak", {"text": "Hello!"}), key))
    assert spoken.status == 200
    for upgrade in (
        with_key(UPGRADING, key),
        UPGRADING.replace(b"/ws/stream", b"/ws/stream?key=" + key.encode()),
    ):
        async with connected(guarded.port) as connection:
            await connection.send(upgrade)
            await connection.read_more()
            assert connection.buffer.startswith(b"HTTP/1.1 101 ")


def speak(server: ServerProcess, query: str, headers: dict[str, str]) -> int:
    """Say a word by an ordinary client; how many bytes of sound it heard."""
    url = f"{server.websocket_url}?events=true{query}"
    n_bytes = 0
    with connect(url, additional_headers=headers) as socket:
        socket.send(json.dumps({"token": "Hello!", "flush": True}))
        for message in socket:
            if isinstance(message, bytes):
                n_bytes += len(message)
            elif json.loads(message).get("event") == "flushed":
                return n_bytes
    return 0


def test_an_ordinary_client_sends_its_key_as_a_header_or_in_the_url(
    guarded: ServerProcess,
) -> None:
    assert speak(guarded, "", {"Authorization": f"Bearer {KEY}"}) > 10_000
    assert speak(guarded, f"&key={KEY}", {}) > 10_000
    with pytest.raises(websockets.exceptions.InvalidStatus, match="401"):
        speak(guarded, "", {})


@pytest.mark.parametrize("scheme", ["token", "bearer"])
def test_a_page_offers_its_key_as_a_subprotocol_and_only_the_word_before_it_is_chosen(
    guarded: ServerProcess, scheme: str
) -> None:
    """A browser drops a handshake that chooses none, or one that was not offered."""
    offered = [Subprotocol(word) for word in (scheme, KEY, "x-deepgram-session-id", "1")]
    url = guarded.websocket_url.replace("/ws/stream", "/v1/speak")
    with connect(url, subprotocols=offered) as socket:
        assert socket.subprotocol == scheme
        assert json.loads(socket.recv())["type"] == "Metadata"
    wrong = [Subprotocol(scheme), Subprotocol("no-key")]
    with pytest.raises(websockets.exceptions.InvalidStatus, match="401"):
        connect(url, subprotocols=wrong)


@pytest.mark.parametrize("name", ["api_key", "access_token"])
def test_a_key_in_the_url_does_not_reach_the_dialect(guarded: ServerProcess, name: str) -> None:
    """The native one knows no such key of a config."""
    assert speak(guarded, f"&{name}={KEY}", {}) > 10_000


def test_the_log_says_once_which_option_lets_a_container_or_an_extension_in() -> None:
    """It stands still at 32 names, since a stranger may make up any number."""
    page = "chrome-extension://abcdef"
    with running_server("--allowed-origins", "moz-extension://known") as server:
        for _ in range(2):
            refused = server.ask("/api/voices", headers={"host": "voice:8765"})
            assert refused.status_code == 403
            refused = server.ask("/api/voices", headers={"origin": page})
            assert f"--allowed-origins {page}" in refused.json()["error"]
        assert server.log.count("--allowed-hosts voice,") == 1
        assert server.log.count(f"--allowed-origins {page}") == 1
        known = server.ask("/api/voices", headers={"origin": "moz-extension://known"})
        assert known.headers["access-control-allow-origin"] == "moz-extension://known"
        for number in range(100):
            server.ask("/api/voices", headers={"host": f"made-up-{number}"})
        assert server.log.count("--allowed-hosts") == 31


def test_the_lists_can_be_opened_to_those_without_a_key() -> None:
    with running_server("--open-lists", env={"VOICE_API_KEYS": KEY}) as server:
        assert server.ask("/v1/models").status_code == 200
        assert server.ask("/api/voices").status_code == 401


async def test_a_key_in_the_url_is_no_trouble_where_none_is_needed(server: ServerProcess) -> None:
    """A page may have one from the server that ran at this address before."""
    async with connected(server.port) as connection:
        await connection.send(UPGRADING.replace(b"/ws/stream", b"/ws/stream?key=old"))
        await connection.read_more()
        assert connection.buffer.startswith(b"HTTP/1.1 101 ")


async def test_a_page_of_another_host_is_refused_for_http_too(server: ServerProcess) -> None:
    asked = post("/api/speak", {"text": "Hello!"}, "Origin: http://evil.example")
    refusal = await ask(server.port, asked)
    assert (refusal.status, refusal.json()["code"]) == (403, "foreign_origin")


def test_a_page_that_is_allowed_may_read_the_answer(guarded: ServerProcess) -> None:
    """A browser asks first, without the key, and reads only what is said to be for that page."""
    path = "/api/speak"
    asks = {"Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type"}  # fmt: skip
    may = guarded.ask(path, "OPTIONS", headers={"Origin": FRIEND, **asks})
    assert may.status_code == 200
    assert may.headers["access-control-allow-origin"] == FRIEND
    headers = {"Origin": FRIEND, "Authorization": f"Bearer {KEY}"}
    spoken = guarded.ask(path, "POST", headers=headers, json={"text": "Hello!"})
    assert spoken.status_code == 200
    assert spoken.headers["access-control-allow-origin"] == FRIEND
    headers["Authorization"] = "Bearer no"
    refused = guarded.ask(path, "POST", headers=headers, json={"text": "Hello!"})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == FRIEND
    assert refused.headers["vary"] == "origin"
    evil = guarded.ask(path, "OPTIONS", headers={"Origin": "http://evil.example", **asks})
    assert evil.status_code == 403


@pytest.mark.parametrize("request_", [UPGRADING, get("/"), get("/api/voices")])
async def test_a_name_that_is_not_ours_is_refused(server: ServerProcess, request_: bytes) -> None:
    """DNS rebinding: the page of evil.example, whose name now stands for 127.0.0.1."""
    headers = b"Host: evil.example\r\nOrigin: http://evil.example"
    refusal = await ask(server.port, request_.replace(b"Host: localhost", headers))
    assert (refusal.status, refusal.json()["code"]) == (403, "foreign_host")


def test_a_name_can_be_added() -> None:
    with running_server("--allowed-hosts", "voice.example") as server:
        asked = get("/").replace(b"localhost", b"voice.example:1")
        assert trio.run(ask, server.port, asked).status == 200


def refused_start(*options: str, **env: str) -> str:
    """What the program says of these options instead of serving."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VOICE_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "server.py", "--port", "0", *options],
        cwd=ROOT, env=clean | env, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "myself.example"])  # noqa: S104
def test_everybody_is_let_in_only_where_somebody_says_so(host: str) -> None:
    told = refused_start("--host", host)
    for named in (host, "--api-keys-file", "VOICE_API_KEYS", "--allow-no-key"):
        assert named in told


def test_with_those_words_everybody_is_let_in() -> None:
    with running_server("--host", "0.0.0.0", "--allow-no-key") as server:  # noqa: S104
        assert server.ask("/api/voices").status_code == 200


def test_keys_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# the bot's\n{KEY}\n")
    file.chmod(0o600)
    with running_server("--api-keys-file", str(file)) as server:
        assert server.ask("/api/voices").status_code == 401
        headers = {"Authorization": f"Bearer {KEY}"}
        assert server.ask("/api/voices", headers=headers).status_code == 200


def test_keys_that_are_none_are_told_without_telling_them(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    assert str(file) in refused_start("--api-keys-file", str(file))
    file.write_text("hunter2\n")
    file.chmod(0o600)
    assert "hunter2" not in refused_start("--api-keys-file", str(file))
    assert "hunter2" not in refused_start(VOICE_API_KEYS="hunter2")
