"""Uploads that may not be, on a real socket: they are refused before their body is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.raw_client import ask, connected, get, parse_response
from tests.server_process import open_server, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server_process import ServerProcess

KEY = "a-key-of-the-tests-1"
FRIEND = "https://friend.example"


@pytest.fixture(scope="module")
def guarded() -> Iterator[ServerProcess]:
    options = ("--allowed-origins", FRIEND, "--uploads-file-mb", "1")
    with running_server(*options, env={"VOICE_API_KEYS": KEY}) as server:
        yield server
        assert "Traceback" not in server.log
        assert KEY not in server.log


def put(name: str, n_bytes: int | None, *headers: str, host: str = "localhost") -> bytes:
    """The head of an upload."""
    lines = [f"PUT /api/voices/{name} HTTP/1.1", f"Host: {host}", *headers]
    lines += [] if n_bytes is None else [f"Content-Length: {n_bytes}"]
    return "\r\n".join([*lines, "", ""]).encode()


WITH_KEY = f"Authorization: Bearer {KEY}"

REFUSED = {
    "without a key": (put("anna", 10), 401, "unauthorized"),
    "with a wrong key": (put("anna", 10, "Authorization: Bearer nonsense"), 401, "unauthorized"),
    "by a page of another host": (
        put("anna", 10, WITH_KEY, "Origin: https://evil.example"), 403, "foreign_origin",
    ),
    "too large": (put("anna", 1_000_001, WITH_KEY), 413, "too_large"),
    "of no known length": (
        put("anna", None, WITH_KEY, "Transfer-Encoding: chunked"), 411, "length_required",
    ),
    "without a body": (put("anna", None, WITH_KEY), 411, "length_required"),
    "packed on the way": (
        put("anna", 10, WITH_KEY, "Content-Encoding: gzip"), 415, "bad_request",
    ),
    "where there is no RVC": (put("anna", 10, WITH_KEY), 501, "rvc_missing"),
}  # fmt: skip


@pytest.mark.parametrize(("head", "status", "code"), REFUSED.values(), ids=REFUSED)
async def test_an_upload_is_refused_by_its_head(
    guarded: ServerProcess, head: bytes, status: int, code: str
) -> None:
    """Nothing of the body is sent, and nothing is waited for."""
    answer = await ask(guarded.port, head)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert answer.headers["connection"] == "close"
    assert (await ask(guarded.port, get("/health/live"))).status == 200


async def test_a_client_that_asks_whether_to_go_on_is_told_not_to(guarded: ServerProcess) -> None:
    answer = await ask(guarded.port, put("anna", 1_000_001, WITH_KEY, "Expect: 100-continue"))
    assert (answer.status, answer.n_informational) == (413, 0)


async def test_a_client_that_sends_all_the_same_can_read_why(guarded: ServerProcess) -> None:
    async with connected(guarded.port) as connection:
        await connection.send(put("anna", 1_000_001, WITH_KEY) + bytes(1_000_001))
        answer = parse_response(await connection.read_to_end())
    assert answer.status == 413


async def test_a_flood_of_heads_reads_no_body(guarded: ServerProcess) -> None:
    """A gigabyte is announced a hundred times, and costs nothing."""
    rss = guarded.rss_bytes()
    for _ in range(100):
        answer = await ask(guarded.port, put("anna", 10**9, WITH_KEY) + bytes(100_000))
        assert answer.status == 413
    assert guarded.rss_bytes() - rss < 20_000_000


@pytest.mark.parametrize(
    "path", ["//api/voices/anna", "/api/voices/anna/", "/api/voices/anna/toml", "/api/voices"]
)
async def test_what_is_no_upload_keeps_the_small_bound(guarded: ServerProcess, path: str) -> None:
    head = put("anna", 100_000, WITH_KEY).replace(b"/api/voices/anna", path.encode(), 1)
    assert (await ask(guarded.port, head + bytes(100_000))).status == 413


async def test_a_page_of_another_host_is_told_by_its_browser_not_to(
    guarded: ServerProcess,
) -> None:
    """PUT and DELETE are asked for beforehand (Fetch, CORS preflight), and only a page of
    `--allowed-origins` hears yes."""
    for origin, may in ((FRIEND, True), ("https://evil.example", False)):
        head = (
            f"OPTIONS /api/voices/anna HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\n"
            "Access-Control-Request-Method: PUT\r\n\r\n"
        )
        answer = await ask(guarded.port, head.encode())
        allowed = answer.headers.get("access-control-allow-origin") == origin
        methods = answer.headers.get("access-control-allow-methods", "")
        assert (answer.status == 200, allowed, "PUT" in methods) == (may, may, may)


async def test_without_keys_a_name_or_a_proxy_in_between_is_refused(server: ServerProcess) -> None:
    for head, code in (
        (put("anna", 10), "rvc_missing"),  # else it may
        (put("anna", 10, host="evil.example"), "foreign_host"),
        (put("anna", 10, host="192.168.1.5"), "uploads_need_a_key"),
        (put("anna", 10, "X-Forwarded-For: 1.2.3.4"), "uploads_need_a_key"),
        (put("anna", 10, "Origin: http://localhost:3000"), "foreign_origin"),
        (put("anna", 10, "Origin: null"), "foreign_origin"),
    ):
        assert (await ask(server.port, head)).json()["code"] == code


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--host", "0.0.0.0", "--allow-no-key"], "uploads_need_a_key"),  # noqa: S104
        (["--allow-no-key"], "uploads_need_a_key"),
        (["--no-uploads"], "uploads_off"),
    ],
)
async def test_a_server_that_lets_everybody_in_takes_no_uploads(
    options: list[str], code: str
) -> None:
    async with open_server(*options) as server:
        answer = await ask(server.port, put("anna", 10))
        assert (answer.status, answer.json()["code"]) == (403, code)
        assert (await ask(server.port, get("/api/voices"))).json()["uploads"] is None
        delete = put("anna", 0).replace(b"PUT", b"DELETE", 1)
        assert (await ask(server.port, delete)).json()["code"] == code


async def test_a_client_that_leaves_before_its_answer_does_no_harm(guarded: ServerProcess) -> None:
    async with connected(guarded.port) as connection:
        await connection.send(put("anna", 1000, WITH_KEY))
        connection.reset()
    assert (await ask(guarded.port, get("/health/live"))).status == 200
