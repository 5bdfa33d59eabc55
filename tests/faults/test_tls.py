"""TLS on the port: everything that holds without it holds with it.

The certificate in tests/tls is its own authority, for "localhost", and good for a hundred years;
its key guards nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest
import trio
from websockets.sync.client import connect

from tests.faults.figures import wait_for_descriptors
from tests.faults.raw_client import (
    UPGRADE,
    ask,
    connected,
    get,
    only_websocket,
    parse_response,
    post,
    wait_for_place,
    websocket,
)
from tests.faults.raw_frames import TEXT, frame, sound
from tests.server_process import PATIENCE_S, ROOT, open_server, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server_process import ServerProcess

CERTIFICATE, KEY = (ROOT / "tests" / "tls" / name for name in ("certificate.pem", "key.pem"))
OPTIONS = ("--tls-certificate", str(CERTIFICATE), "--tls-key", str(KEY))

CANCELS = frame(TEXT, b'{"cancel":true}') * 300_000
SMALL = 4096
LONG_TEXT = "This is a sentence of a long speech. " * 200

TRUSTING = ssl.create_default_context(cafile=str(CERTIFICATE))


@pytest.fixture(scope="module")
def shared_secure_server() -> Iterator[ServerProcess]:
    """With TLS, one place, and little patience."""
    with running_server(*OPTIONS, "--max-listeners", "1", "--write-stall-s", "1") as server:
        yield server


@pytest.fixture
def secure_server(shared_secure_server: ServerProcess) -> Iterator[ServerProcess]:
    server = shared_secure_server
    logged_before = len(server.log)
    yield server
    assert server.status is None, server.log
    assert "Traceback" not in server.log[logged_before:], server.log[logged_before:]


async def test_speaks_the_same_as_without(
    secure_server: ServerProcess, server: ServerProcess
) -> None:
    async with only_websocket(secure_server.port, "events=true", tls=TRUSTING) as client:
        await client.speak(LONG_TEXT[:150], flush=True)
        secured = sound(await client.frames_until_event("flushed"))
        await client.close()
    async with websocket(server.port, "events=true") as client:
        await client.speak(LONG_TEXT[:150], flush=True)
        assert sound(await client.frames_until_event("flushed")) == secured


async def test_barge_in(secure_server: ServerProcess) -> None:
    async with only_websocket(secure_server.port, "events=true", tls=TRUSTING) as client:
        await client.speak(LONG_TEXT)
        await client.next_event("segment_start")
        await client.say(cancel=True, token="Yes!", flush=True)
        await client.next_event("cancelled")
        assert (await client.next_event("segment_start"))["text"] == "Yes!"
        await client.next_event("flushed")
        await client.close()


def test_ordinary_clients(secure_server: ServerProcess) -> None:
    trio.run(lambda: wait_for_place(secure_server.port, tls=TRUSTING))
    url = f"localhost:{secure_server.port}"
    with connect(f"wss://{url}/ws/stream?events=true", ssl=TRUSTING) as socket:
        socket.send(json.dumps({"token": "Hello!", "flush": True}))
        messages = iter(socket)
        assert any(isinstance(message, bytes) for message in messages)
        for message in messages:
            if isinstance(message, str) and json.loads(message).get("event") == "flushed":
                break
    with httpx.Client(verify=TRUSTING, base_url=f"https://{url}", timeout=PATIENCE_S) as client:
        assert client.get("/health/ready").json()["status"] == "ok"
        trio.run(lambda: wait_for_place(secure_server.port, tls=TRUSTING))
        assert client.post("/api/speak", json={"text": "Hello!"}).content.startswith(b"RIFF")


async def test_the_end_is_told_apart_from_a_cut(secure_server: ServerProcess) -> None:
    """By TLS's own good-bye; Trio's client raises without it."""
    n_fds = secure_server.n_fds()
    for request in (get("/health/live"), get("/nothing"), b"nonsense\r\n\r\n"):
        async with connected(secure_server.port, tls=TRUSTING) as connection:
            assert connection.tls is not None
            await connection.send(request)
            while data := await connection.tls.receive_some():
                connection.buffer += data
            assert parse_response(bytes(connection.buffer)).status in {200, 400, 404}
    await wait_for_descriptors(secure_server, n_fds)


async def test_a_refusal_arrives_although_the_request_was_not_read(
    secure_server: ServerProcess,
) -> None:
    request = post("/api/speak", b"x" * 200_000)
    assert (await ask(secure_server.port, request, tls=TRUSTING)).status == 413


async def test_a_client_that_stops_reading_is_cut_off(secure_server: ServerProcess) -> None:
    port = secure_server.port
    async with only_websocket(port, receive_buffer=SMALL, tls=TRUSTING) as client:
        await client.speak(LONG_TEXT, flush=True)
        await client.next_frame()
        await wait_for_place(port, tls=TRUSTING)
    n_fds = secure_server.n_fds()
    async with connected(port, receive_buffer=SMALL, tls=TRUSTING) as connection:
        await connection.send(post("/api/speak", {"text": LONG_TEXT[:2500]}))
        await connection.read_more()
        await wait_for_descriptors(secure_server, n_fds)


async def test_a_client_without_tls_is_told_so(secure_server: ServerProcess) -> None:
    for request in (get("/"), b"GET /ws/stream HTTP/1.1\r\n" + UPGRADE + b"\r\n"):
        refusal = await ask(secure_server.port, request)
        assert (refusal.status, refusal.json()["code"]) == (400, "tls_needed")


BAD_HANDSHAKES = {
    "silence": b"",
    "a beginning": b"\x16",
    "nonsense": b"\x16\x03\x01\x02\x00" + b"\xff" * 512,
    "much nonsense": b"\x16" * 70_000,
    "zeros": bytes(100),
}


@pytest.mark.parametrize("data", BAD_HANDSHAKES.values(), ids=BAD_HANDSHAKES)
async def test_a_handshake_that_fails_or_does_not_come_ends_in_time(
    secure_server: ServerProcess, data: bytes
) -> None:
    n_fds = secure_server.n_fds()
    async with connected(secure_server.port) as connection:
        with contextlib.suppress(trio.BrokenResourceError):
            await connection.send(data)
        await connection.read_to_end()
        await wait_for_descriptors(secure_server, n_fds)


async def test_a_client_that_does_not_trust_us_is_no_trouble(secure_server: ServerProcess) -> None:
    n_fds = secure_server.n_fds()
    with pytest.raises(trio.BrokenResourceError):
        async with connected(secure_server.port, tls=ssl.create_default_context()):
            pass
    await wait_for_descriptors(secure_server, n_fds)


async def test_a_reset_frees_the_place(secure_server: ServerProcess) -> None:
    async with only_websocket(secure_server.port, tls=TRUSTING) as client:
        await client.speak(LONG_TEXT)
        await client.next_frame()
        client.reset()
    await wait_for_place(secure_server.port, tls=TRUSTING)


async def test_a_client_that_was_killed_is_not_worked_for() -> None:
    """See `test_clients_that_vanish`."""
    async with (
        open_server(*OPTIONS, "--max-listeners", "2") as server,
        websocket(server.port, "events=true", tls=TRUSTING) as listener,
    ):
        await listener.speak("Somebody listens, so that floods are slowed down. ")
        await listener.next_event("segment_start")
        async with websocket(server.port, tls=TRUSTING) as client:
            with trio.move_on_after(1):
                await client.send(CANCELS)
        await wait_for_place(server.port, tls=TRUSTING)


async def test_shutdown_with_a_listener_and_one_that_reads_nothing() -> None:
    async with (
        open_server(*OPTIONS, "--shutdown-grace-s", "1") as server,
        websocket(server.port, "events=true", tls=TRUSTING) as idle,
        websocket(server.port, receive_buffer=SMALL, tls=TRUSTING) as stalled,
    ):
        await stalled.speak(LONG_TEXT)
        await stalled.next_frame()
        server.signal(signal.SIGTERM)
        assert await idle.next_close() == 1001
        assert await server.wait() == 0
        assert "Traceback" not in server.log


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--tls-key", str(KEY)], "--tls-certificate"),
        (["--tls-certificate", "no.pem"], "no.pem"),
        (["--tls-certificate", str(CERTIFICATE)], "certificate.pem"),
        (["--tls-certificate", str(CERTIFICATE), "--tls-key", "README.md"], "README.md"),
        (["--tls-certificate", str(KEY), "--tls-key", str(KEY)], "key.pem"),
    ],
)
def test_files_that_are_no_certificate_and_key_are_told(options: list[str], named: str) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VOICE_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "server.py", "--port", "0", *options],
        cwd=ROOT, env=clean, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert named in done.stderr
