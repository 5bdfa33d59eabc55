"""Each request goes by one name, in answers, messages, logs and the usage log."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from websockets.sync.client import connect

from tests.faults.raw_client import Response, ask
from tests.server_process import running_server, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.server_process import ServerProcess

FRIEND = "https://friend.example"
NAME = "a-balancer/7=3"


@pytest.fixture(scope="module")
def usage_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("usage") / "usage.jsonl"


@pytest.fixture(scope="module")
def server(usage_log: Path) -> Iterator[ServerProcess]:
    log = "--log-format", "json", "--log-level", "debug"
    more = "--usage-log", str(usage_log), "--allowed-origins", FRIEND
    with running_server(*log, *more) as running:
        yield running


async def request(server: ServerProcess, line: str, *headers: str, host: str = "h") -> Response:
    head = "\r\n".join([f"{line} HTTP/1.1", f"Host: {host}", *headers])
    return await ask(server.port, f"{head}\r\n\r\n".encode("latin-1"))


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        ("GET /health/live", (), 200),
        ("GET /", (), 200),
        ("GET /nowhere", (), 404),
        ("POST /api/speak", ("Content-Type: application/json", "Content-Length: 0"), 422),
        ("OPTIONS *", (), 200),
        ("GET /api/voices", ("Origin: https://stranger.example",), 403),
        ("GET /ws/stream", (), 426),
        ("GET /ws/nowhere", ("Upgrade: websocket",), 426),
    ],
)
async def test_each_answer_has_the_name_that_the_request_came_with(
    server: ServerProcess, line: str, headers: tuple[str, ...], status: int
) -> None:
    """Whoever answers: the port, FastAPI behind it, Hypercorn around that."""
    answer = await request(server, line, *headers, f"X-Request-Id: {NAME}", host="localhost")
    assert (answer.status, answer.headers["x-request-id"]) == (status, NAME)


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, "n\u00e4me", "tab\tbed"])
async def test_what_is_no_name_is_replaced(server: ServerProcess, given: str) -> None:
    answer = await request(server, "GET /health/live", f"X-Request-ID: {given}")
    assert str(UUID(answer.headers["x-request-id"])) == answer.headers["x-request-id"]


async def test_the_nearest_proxy_names_it(server: ServerProcess) -> None:
    """HAProxy adds its own behind the client's, and logs that one."""
    names = "X-Request-ID: made-up", f"X-Request-ID: {NAME}"
    answer = await request(server, "GET /health/live", *names)
    assert answer.headers["x-request-id"] == NAME


async def test_a_request_that_cannot_be_read_has_a_name_too(server: ServerProcess) -> None:
    answer = await ask(server.port, b"nonsense\r\n\r\n")
    assert (answer.status, len(answer.headers["x-request-id"])) == (400, 36)


async def test_a_page_may_read_it(server: ServerProcess) -> None:
    """Also of a refusal: this one is for a host that the server does not go by."""
    for host, status in (("localhost", 200), ("stranger.example", 403)):
        answer = await request(server, "GET /api/voices", f"Origin: {FRIEND}", host=host)
        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == FRIEND
        assert answer.headers["access-control-expose-headers"] == "retry-after, x-request-id"


def test_a_conversation_goes_by_it_in_the_upgrade_its_messages_and_both_logs(
    server: ServerProcess, usage_log: Path
) -> None:
    """One line of a client's log leads to all that there is about it. Both speak at once."""
    names = "first-of-two", "second-of-two"
    url = f"{server.websocket_url}?events=true"
    with ExitStack() as open_sockets:
        sockets = []
        for name in names:
            socket = open_sockets.enter_context(
                connect(url, additional_headers={"X-Request-ID": name})
            )
            sockets.append(socket)
            assert socket.response is not None
            assert socket.response.headers["x-request-id"] == name
            assert json.loads(socket.recv())["request_id"] == name  # ready
            socket.send("{")
            error = json.loads(socket.recv())
            assert (error["code"], error["request_id"]) == ("bad_message", name)
            socket.send(json.dumps({"token": "Hello!", "flush": True}))
        for socket in sockets:
            while '"flushed"' not in str(socket.recv()):
                pass
    wait_until(lambda: usage_log.read_text().count("-of-two") >= len(names), "lines of usage")
    used = [json.loads(line)["request_id"] for line in usage_log.read_text().splitlines()]
    assert [used.count(name) for name in names] == [1, 1]
    lines = [json.loads(line) for line in server.log.splitlines() if "-of-two" in line]
    for name in names:
        own = [line for line in lines if line["request"] == name]
        assert {"asked", "spoken"} <= {line["event"] for line in own}
        assert len({line["connection"] for line in own}) == 1


def test_deepgrams_clients_find_it_where_they_look(server: ServerProcess) -> None:
    url = f"ws://{server.host}:{server.port}/v1/speak"
    with connect(url, additional_headers={"X-Request-ID": NAME}) as socket:
        assert json.loads(socket.recv())["request_id"] == NAME
    headers = {"X-Request-ID": NAME, "Content-Type": "application/json"}
    answer = server.ask("/v1/speak?encoding=ogg", "POST", headers=headers, content=b'{"text": "a"}')
    assert (answer.status_code, answer.json()["request_id"]) == (400, NAME)
