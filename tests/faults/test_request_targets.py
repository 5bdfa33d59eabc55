"""Targets that are a whole URL (RFC 9112, 3.2.2), and the one that is an asterisk: what is asked
for, and by which name, is the same to all who look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.raw_client import UPGRADE, ask, connected, get, post
from tests.server_process import running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server_process import ServerProcess

KEY = "a-key-of-the-tests-1"


@pytest.fixture(scope="module")
def guarded() -> Iterator[ServerProcess]:
    with running_server(env={"VOICE_API_KEYS": KEY}) as server:
        yield server


def whole(request: bytes, host: str = "localhost", scheme: str = "http") -> bytes:
    """A request as a client sends it that takes us for a proxy."""
    method, _, rest = request.partition(b" ")
    return method + f" {scheme}://{host}".encode() + rest


@pytest.mark.parametrize("scheme", ["http", "HTTPS"])
@pytest.mark.parametrize(
    "request_", [get("/api/voices"), get("/"), get("/health/live"), post("/api/speak", {})]
)
async def test_a_whole_url_is_the_same_as_its_path(
    server: ServerProcess, request_: bytes, scheme: str
) -> None:
    """It was a 404."""
    plain = await ask(server.port, request_)
    response = await ask(server.port, whole(request_, scheme=scheme))
    assert (response.status, response.body) == (plain.status, plain.body)


async def test_a_url_without_a_path_is_the_page(server: ServerProcess) -> None:
    for target in ("", "?a=b"):
        request = get(f"http://localhost{target}")
        assert (await ask(server.port, request)).headers["content-type"].startswith("text/html")


async def test_a_websocket_is_opened_by_a_whole_url(
    server: ServerProcess, guarded: ServerProcess
) -> None:
    target = "/ws/stream?encoding=s16le"
    for port, query in ((server.port, ""), (guarded.port, f"&key={KEY}")):
        async with connected(port) as connection:
            upgrade = f"GET {target}{query} HTTP/1.1\r\n".encode() + UPGRADE + b"\r\n"
            await connection.send(whole(upgrade))
            await connection.read_more()
            assert connection.buffer.startswith(b"HTTP/1.1 101 ")


async def test_the_host_in_the_url_counts_and_not_the_header(server: ServerProcess) -> None:
    foreign = await ask(server.port, whole(get("/api/voices"), host="evil.example"))
    assert (foreign.status, foreign.json()["code"]) == (403, "foreign_host")
    lying = get("/api/voices").replace(b"localhost", b"evil.example")
    assert (await ask(server.port, whole(lying))).status == 200
    page = get("/").replace(b"\r\n\r\n", b"\r\nOrigin: http://evil.example\r\n\r\n")
    assert (await ask(server.port, whole(page))).status == 403


async def test_a_key_is_needed_for_what_the_path_is(guarded: ServerProcess) -> None:
    for request in (get("/api/voices"), get("/openapi.json/../api/voices")):
        assert (await ask(guarded.port, whole(request))).status == 401
    for request in (get("/"), get("/health/ready"), get("/web/page.js")):
        assert (await ask(guarded.port, whole(request))).status == 200


async def test_a_refusal_has_the_shape_of_the_path(guarded: ServerProcess) -> None:
    refused = await ask(guarded.port, whole(get("/v1/models")))
    assert refused.json()["error"]["code"] == "unauthorized"


@pytest.mark.parametrize(
    "target", ["http:///api/voices", "http://a@localhost/", "ftp://localhost/", "ws://localhost/"]
)
async def test_other_urls_are_refused(server: ServerProcess, target: str) -> None:
    response = await ask(server.port, get(target))
    assert (response.status, response.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("target", ["*", "http://localhost"])
async def test_the_server_as_a_whole_can_be_asked_for_its_options(
    server: ServerProcess, guarded: ServerProcess, target: str
) -> None:
    request = get(target).replace(b"GET", b"OPTIONS")
    assert (await ask(server.port, request)).status == 200
    assert (await ask(guarded.port, request)).status == 401
