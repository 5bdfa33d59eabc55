"""Upgrades to a WebSocket: those that are refused, and that none of them keeps a place."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from tests.faults.raw_client import (
    UPGRADE,
    RawWebSocket,
    ask,
    connected,
    get,
    only_websocket,
    parse_response,
    post,
    wait_for_place,
)
from tests.faults.raw_frames import TEXT, frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.raw_client import Connection, Response
    from tests.server_process import ServerProcess

UPGRADE_LINES = UPGRADE.splitlines(keepends=True)


def upgrade(target: str = "/ws/stream", *, method: str = "GET", without: bytes = b"\0") -> bytes:
    lines = [line for line in UPGRADE_LINES if not line.startswith(without)]
    return f"{method} {target} HTTP/1.1\r\n".encode() + b"".join(lines) + b"\r\n"


BAD_UPGRADES = {
    "no key": upgrade(without=b"Sec-WebSocket-Key"),
    "no version": upgrade(without=b"Sec-WebSocket-Version"),
    "no Connection: Upgrade": upgrade(without=b"Connection"),
    "a version to come": upgrade().replace(b"Version: 13", b"Version: 14"),
    "POST": upgrade(method="POST"),
    "HTTP/1.0": upgrade().replace(b"HTTP/1.1", b"HTTP/1.0"),
}


@pytest.mark.parametrize("request_", BAD_UPGRADES.values(), ids=BAD_UPGRADES)
async def test_a_bad_upgrade_is_refused_and_takes_no_place(
    narrow_server: ServerProcess, request_: bytes
) -> None:
    """One that the library refused used to hold a place until the handshake's time was over."""
    response = await ask(narrow_server.port, request_)
    assert 400 <= response.status < 500
    await wait_for_place(narrow_server.port)


@pytest.mark.parametrize("size", [17_000, 40_000, 70_000])
async def test_an_upgrade_with_a_large_head_is_refused_and_takes_no_place(
    narrow_server: ServerProcess, size: int
) -> None:
    """h11 minds the size of what is incomplete only: a head that came at once got through."""
    head = b"GET /ws/stream HTTP/1.1\r\n" + UPGRADE + b"A: " + b"a" * size + b"\r\n\r\n"
    response = await ask(narrow_server.port, head)
    assert response.status == 431
    await wait_for_place(narrow_server.port)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://["])
async def test_a_page_of_another_host_is_refused(server: ServerProcess, origin: str) -> None:
    response = await ask(server.port, upgrade()[:-2] + f"Origin: {origin}\r\n\r\n".encode())
    assert response.status == 403
    assert response.json()["code"] == "foreign_origin"


async def test_a_page_of_our_own_is_served(server: ServerProcess) -> None:
    host = next(line for line in UPGRADE_LINES if line.startswith(b"Host: "))[6:].strip()
    async with connected(server.port) as connection:
        await connection.send(upgrade()[:-2] + b"Origin: http://" + host + b"\r\n\r\n")
        await connection.read_more()
        assert connection.buffer.startswith(b"HTTP/1.1 101 ")


async def test_who_does_not_ask_for_an_upgrade_is_told_to(server: ServerProcess) -> None:
    response = await ask(server.port, get("/ws/stream?encoding=s16le"))
    assert response.status == 426
    assert response.headers["upgrade"] == "websocket"
    assert "ws://" in response.json()["error"]


@pytest.mark.parametrize("path", ["/", "/ws", "/ws/stream/", "/WS/STREAM", "/api/speak"])
async def test_an_upgrade_elsewhere_is_not_found(server: ServerProcess, path: str) -> None:
    response = await ask(server.port, upgrade(path))
    assert response.status == 404
    assert response.json()["code"] == "not_found"


@pytest.mark.parametrize("target", ["//[", "http://[::1/ws/stream", "//[/ws/stream"])
async def test_an_upgrade_to_no_url_is_refused(server: ServerProcess, target: str) -> None:
    """`urlsplit` raises on these, and the client got no answer."""
    response = await ask(server.port, upgrade(target))
    assert 400 <= response.status < 500


async def test_an_absolute_target_is_understood(server: ServerProcess) -> None:
    async with connected(server.port) as connection:
        client = RawWebSocket(connection.stream)
        await client.upgrade(f"http://localhost:{server.port}/ws/stream")
        await client.close()


async def test_the_path_without_an_upgrade_is_refused(server: ServerProcess) -> None:
    assert 400 <= (await ask(server.port, get("/ws/stream"))).status < 500


async def test_h2c_is_not_spoken(server: ServerProcess) -> None:
    """Hypercorn would switch to HTTP/2, where none of the listener's limits holds."""
    request = (
        b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
    )
    response = await ask(server.port, request)
    assert response.status == 200
    assert response.n_informational == 0
    assert response.json() == {"status": "ok", "reason": None}


def with_upgrades(*values: bytes) -> bytes:
    lines = b"".join(b"Upgrade: " + value + b"\r\n" for value in values)
    return upgrade(without=b"Upgrade").replace(b"Host", lines + b"Host", 1)


@pytest.mark.parametrize(
    "request_",
    [
        with_upgrades(b"h2c", b"websocket"),
        with_upgrades(b"websocket", b"h2c"),
        with_upgrades(b"websocket", b"websocket"),
        with_upgrades(b"h2c, websocket"),
        with_upgrades(b"WebSocket"),
    ],
)
async def test_several_upgrades_are_accepted_or_refused(
    server: ServerProcess, request_: bytes
) -> None:
    """Which of the two does not matter; a half-way state would."""
    async with connected(server.port) as connection:
        await connection.send(request_)
        await connection.read_head()
        if connection.buffer.startswith(b"HTTP/1.1 101 "):
            assert b"websocket" in connection.buffer.lower()
            client = RawWebSocket(connection.stream)
            client.buffer = connection.buffer.split(b"\r\n\r\n", 1)[1]
            await client.close()
        else:
            assert 200 <= parse_response(await connection.read_to_end()).status < 500


async def test_an_upgrade_whose_client_leaves_at_once_takes_no_place(
    narrow_server: ServerProcess,
) -> None:
    leave: Callable[[Connection], None]
    for leave in (RawWebSocket.reset, RawWebSocket.half_close):
        async with connected(narrow_server.port) as connection:
            await connection.send(upgrade())
            leave(connection)
        await wait_for_place(narrow_server.port)


async def test_a_full_server_says_when_to_come_back(narrow_server: ServerProcess) -> None:
    port = narrow_server.port
    async with only_websocket(port) as client:
        websocket_answer = await ask(port, upgrade())
        http_answer = await ask(port, post("/api/speak", {"text": "Hello."}))
        health = await ask(port, get("/health/live"))
        await client.close()

    answers: list[Response] = [websocket_answer, http_answer]
    for answer in answers:
        assert answer.status == 503
        assert answer.json()["code"] == "overloaded"
        assert int(answer.headers["retry-after"]) > 0
    assert health.status == 200


async def test_sockets_without_a_conversation_are_bounded(narrow_server: ServerProcess) -> None:
    """They take no place, and a thousand that waited in somebody's pool left no descriptor for
    anybody else, health included."""
    asked = upgrade("/v1/text-to-speech/x/multi-stream-input")
    async with AsyncExitStack() as stack:
        for _ in range(2):
            waiting = await stack.enter_async_context(connected(narrow_server.port))
            await waiting.send(asked)
            await waiting.read_more()
            assert waiting.buffer.startswith(b"HTTP/1.1 101 ")
        refused = await ask(narrow_server.port, asked)
        assert refused.status == 503
        assert int(refused.headers["retry-after"]) > 0
    await wait_for_place(narrow_server.port)


SPOKEN = frame(TEXT, b'{"token":"Hello. "}') + frame(TEXT, b'{"flush":true}')


@pytest.mark.parametrize("n_held", [0, 1, 5, len(SPOKEN)])
async def test_frames_that_come_with_the_upgrade_are_heard(
    server: ServerProcess, n_held: int
) -> None:
    """What was sent in the same write as the request was not looked at before more came: who waited
    for an answer waited for ever."""
    with_it, behind = SPOKEN[: len(SPOKEN) - n_held], SPOKEN[len(SPOKEN) - n_held :]
    async with connected(server.port) as connection:
        client = RawWebSocket(connection.stream)
        await client.send(upgrade("/ws/stream?events=true") + with_it)
        await client.read_upgrade()
        if behind:
            await client.send(behind)
        await client.next_event("flushed")


@pytest.mark.parametrize(
    ("target", "said", "answer"),
    [
        ("/v1/speak", {"type": "Bogus"}, "Warning"),
        ("/v2/speak", {"type": "Bogus"}, "Warning"),
        ("/v1/realtime", {"type": "bogus"}, "error"),
        ("/tts/websocket", {"context_id": "A"}, "error"),
    ],
)
async def test_every_dialect_hears_what_comes_with_the_upgrade(
    server: ServerProcess, target: str, said: object, answer: str
) -> None:
    async with connected(server.port) as connection:
        client = RawWebSocket(connection.stream)
        await client.send(upgrade(target) + frame(TEXT, json.dumps(said).encode()))
        await client.read_upgrade()
        while (await client.next_text()).get("type") != answer:
            pass
