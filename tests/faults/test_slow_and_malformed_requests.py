"""Fault 3: requests that are slow, too large, or none at all."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
import trio

from tests.faults.raw_client import (
    UPGRADE,
    Closed,
    RawWebSocket,
    ask,
    connected,
    get,
    only_websocket,
    parse_response,
    post,
    wait_for_place,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.raw_client import Connection, Response
    from tests.server_process import ServerProcess

MiB = 1024 * 1024

LIMIT_S = 5.0
MARGIN_S = 3.0

SLOW = {
    "nothing at all": b"",
    "half a request line": b"GET /health/li",
    "a head without an end": b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n",
    "an upgrade without an end": b"GET /ws/stream HTTP/1.1\r\n" + UPGRADE,
    "a body that does not come": post("/api/speak", {"text": "Hello."})[:-5],
    "a chunked body without an end": (
        b"POST /api/speak HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"
    ),
}


async def test_a_request_that_does_not_come_is_given_up_after_five_seconds(
    server: ServerProcess,
) -> None:
    answers: dict[str, bytes] = {}

    async def begin(name: str, beginning: bytes) -> None:
        async with connected(server.port) as connection:
            await connection.send(beginning)
            answers[name] = await connection.read_to_end(LIMIT_S + MARGIN_S)

    async def dribble() -> None:
        """The limit is for the whole request: a byte now and then does not prolong it."""
        async with connected(server.port) as connection, trio.open_nursery() as nursery:

            @nursery.start_soon
            async def _send() -> None:
                try:
                    for byte in get("/health/live?" + "a" * 1000):
                        await connection.send(bytes([byte]))
                        await trio.sleep(0.1)
                except trio.BrokenResourceError:
                    pass

            answers["a byte now and then"] = await connection.read_to_end(LIMIT_S + MARGIN_S)
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dribble)
        for name, beginning in SLOW.items():
            nursery.start_soon(begin, name, beginning)

    assert answers.pop("nothing at all") == b""
    for name, answer in answers.items():
        response = parse_response(answer)
        assert response.status == 408, name
        assert response.json()["code"] == "too_slow", name


MALFORMED = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "no request line": b"Host: localhost\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "a blank line": b"\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no Host": b"GET /health/live HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /health/live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost: localhost\r\nnonsense\r\n\r\n",
    "a NUL in a header": b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\0c\r\n\r\n",
    "a bad Content-Length": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    "two Content-Lengths": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"
    ),
    "a bad chunk": (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    ),
    "HTTP/2 with prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
    "200 kB of one header": (
        b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 200_000 + b"\r\n\r\n"
    ),
    "200 kB of short headers": (
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 33_000 + b"\r\n"
    ),
    "a 200 kB target": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "200 kB without a line": b"a" * 200_000,
}


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_request_is_refused(server: ServerProcess, request_: bytes) -> None:
    response = await ask(server.port, request_, LIMIT_S)

    assert 400 <= response.status < 500
    assert response.json()["code"] == "bad_request"
    assert response.headers["connection"] == "close"
    assert (await ask(server.port, get("/health/live"))).status == 200


async def test_an_unknown_transfer_coding_is_refused(server: ServerProcess) -> None:
    request = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n"
    assert (await ask(server.port, request, LIMIT_S)).status == 501


async def test_a_head_cut_short_by_the_client_ends_the_connection(server: ServerProcess) -> None:
    async with connected(server.port) as connection:
        await connection.send(b"GET /health/live HT")
        connection.half_close()
        answer = await connection.read_to_end(LIMIT_S / 2)
    assert answer == b"" or 400 <= parse_response(answer).status < 500


async def test_a_body_cut_short_by_the_client_is_refused(server: ServerProcess) -> None:
    async with connected(server.port) as connection:
        await connection.send(post("/api/speak", {"text": "Hello."})[:-5])
        connection.half_close()
        response = parse_response(await connection.read_to_end(LIMIT_S / 2))
    assert response.status == 400


async def test_a_body_of_64_kib_is_read_and_one_byte_more_is_not(server: ServerProcess) -> None:
    at_the_limit = await ask(server.port, post("/api/speak", b"{" + b" " * (64 * 1024 - 1)))
    over_it = await ask(server.port, post("/api/speak", b"{" + b" " * (64 * 1024)))

    assert at_the_limit.status == 422  # it was read, and is no JSON
    assert over_it.status == 413
    assert over_it.json()["code"] == "too_large"


async def test_a_client_that_sends_megabytes_can_still_read_that_it_was_too_much(
    server: ServerProcess,
) -> None:
    async with connected(server.port) as connection, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _send() -> None:
            with contextlib.suppress(trio.BrokenResourceError):
                await connection.send(post("/api/speak", b" " * 8 * MiB))

        response = parse_response(await connection.read_to_end(LIMIT_S))
        nursery.cancel_scope.cancel()
    assert response.status == 413


async def test_chunk_headers_count_as_what_they_are(server: ServerProcess) -> None:
    """A chunk of one byte may carry kilobytes of extensions. When only the body's own bytes
    were counted, 64 KiB of body could be made to fill a gigabyte here."""
    rss_before = server.rss_bytes()
    chunk = b"1;" + b"a" * 8000 + b"\r\nx\r\n"

    async with connected(server.port) as connection, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _send() -> None:
            head = b"POST /api/speak HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            try:
                await connection.send(head)
                for _ in range(20_000):  # 160 MB
                    await connection.send(chunk)
            except trio.BrokenResourceError:
                pass

        most = 0

        @nursery.start_soon
        async def _look() -> None:
            nonlocal most
            while True:
                most = max(most, server.rss_bytes() - rss_before)
                await trio.sleep(0.02)

        answer = await connection.read_to_end(LIMIT_S + MARGIN_S)
        nursery.cancel_scope.cancel()

    assert 400 <= parse_response(answer).status < 500
    assert most < 30 * MiB


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
    response = await ask(narrow_server.port, request_, LIMIT_S)
    assert 400 <= response.status < 500
    await wait_for_place(narrow_server.port)


@pytest.mark.parametrize("size", [17_000, 40_000, 70_000])
async def test_an_upgrade_with_a_large_head_is_refused_and_takes_no_place(
    narrow_server: ServerProcess, size: int
) -> None:
    """h11 minds the size of what is incomplete only: a head that came at once got through."""
    head = b"GET /ws/stream HTTP/1.1\r\n" + UPGRADE + b"A: " + b"a" * size + b"\r\n\r\n"
    response = await ask(narrow_server.port, head, LIMIT_S)
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
        with trio.fail_after(LIMIT_S):
            while b"\r\n\r\n" not in connection.buffer:
                await connection.read_more()
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


async def test_a_connection_that_is_closed_says_no_more(server: ServerProcess) -> None:
    """Each HTTP answer ends its connection, so nothing that follows can be taken for what it
    is not."""
    async with connected(server.port) as connection:
        await connection.send(get("/health/live") + get("/api/voices"))
        answer = parse_response(await connection.read_to_end())
        with pytest.raises(Closed):
            await connection.read_more()
    assert answer.json() == {"status": "ok", "reason": None}
    assert answer.headers["connection"] == "close"
    assert answer.rest == b""
