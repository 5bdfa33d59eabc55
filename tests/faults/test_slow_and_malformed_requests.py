"""Fault 3: requests that are slow, too large, or none at all."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
import trio

from tests.faults.raw_client import (
    UPGRADE,
    Closed,
    ask,
    connected,
    get,
    parse_response,
    post,
)

if TYPE_CHECKING:
    from tests.server_process import ServerProcess

MiB = 1024 * 1024

SLOW = {
    "nothing at all": b"",
    "half a request line": b"GET /health/li",
    "a head without an end": b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n",
    "an upgrade without an end": b"GET /ws/stream HTTP/1.1\r\n" + UPGRADE,
    "a body that does not come": post("/api/speak", {"text": "Hello."})[:-5],
    "a body of OpenAI's that does not come": post("/v1/audio/speech", {"input": "Hello."})[:-5],
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
            answers[name] = await connection.read_to_end()

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

            answers["a byte now and then"] = await connection.read_to_end()
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dribble)
        for name, beginning in SLOW.items():
            nursery.start_soon(begin, name, beginning)

    assert answers.pop("nothing at all") == b""
    for name, answer in answers.items():
        response = parse_response(answer)
        assert response.status == 408, name
        told = response.json()
        if "OpenAI" in name:
            told = told["error"]
            assert told["message"].startswith("the request did not arrive")
        assert told["code"] == "too_slow", name


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
    response = await ask(server.port, request_)

    assert 400 <= response.status < 500
    assert response.json()["code"] == "bad_request"
    assert response.headers["connection"] == "close"
    assert (await ask(server.port, get("/health/live"))).status == 200


async def test_a_refusal_is_short_however_long_the_fault_is(server: ServerProcess) -> None:
    """The parser quotes what it complains of: 15 kB of nonsense came back, escaped, as 60 kB."""
    nonsense = bytes([0x80]) * 15_000
    response = await ask(server.port, b"GET / HTTP/1.1\r\n" + nonsense + b"\r\n\r\n")
    assert response.status == 400
    assert len(response.json()["error"]) <= 300


async def test_an_unknown_transfer_coding_is_refused(server: ServerProcess) -> None:
    request = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n"
    assert (await ask(server.port, request)).status == 501


async def test_a_head_cut_short_by_the_client_ends_the_connection(server: ServerProcess) -> None:
    async with connected(server.port) as connection:
        await connection.send(b"GET /health/live HT")
        connection.half_close()
        answer = await connection.read_to_end()
    assert answer == b"" or 400 <= parse_response(answer).status < 500


async def test_a_body_cut_short_by_the_client_is_refused(server: ServerProcess) -> None:
    async with connected(server.port) as connection:
        await connection.send(post("/api/speak", {"text": "Hello."})[:-5])
        connection.half_close()
        response = parse_response(await connection.read_to_end())
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

        response = parse_response(await connection.read_to_end())
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

        answer = await connection.read_to_end()
        nursery.cancel_scope.cancel()

    assert 400 <= parse_response(answer).status < 500
    assert most < 30 * MiB


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
