"""Draining the real program: by signals, at any time, and over HTTP."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.cli.program import started, wait_for_log
from tests.cli.test_binding_first import starting
from tests.cli.test_reloading import hear_until, keys_file, with_key
from tests.server_process import LOOK_EVERY_S, PATIENCE_S

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

    from tests.cli.test_binding_first import Starting
    from tests.server_process import ServerProcess

BOT, BALANCER = "a-key-of-the-bot-1", "a-key-of-the-balancer"
KEYS = f"""
[keys.bot]
key = "{BOT}"

[keys.balancer]
key = "{BALANCER}"
operator = true
"""


def until_ready(server: Starting, reason: str | None) -> None:
    """Wait until it says that it is ready, or why not."""
    ends_at = time.monotonic() + PATIENCE_S
    while server.ask("/health/ready").json()["reason"] != reason:
        assert time.monotonic() < ends_at
        time.sleep(LOOK_EVERY_S)


def rest_of(client: ClientConnection) -> tuple[list[dict[str, Any]], int | None]:
    """The messages up to the close, and its code."""
    told = []
    try:
        while True:
            message = client.recv(PATIENCE_S)
            if isinstance(message, str):
                told.append(json.loads(message))
    except ConnectionClosed as closed:
        return told, None if closed.rcvd is None else closed.rcvd.code


def test_a_server_drains_stays_and_ends_without_cutting_a_word(tmp_path: Path) -> None:
    """SIGUSR1 before it is warm is remembered; by itself it would have killed the process."""
    with starting("--api-keys-file", str(keys_file(tmp_path, KEYS))) as server:
        server.process.send_signal(signal.SIGUSR1)
        wait_for_log(server.process, b"draining: newcomers are turned away")
        assert server.ask("/admin/drain", **with_key(BALANCER)).status_code == 503
        server.go_on()
        wait_for_log(server.process, b"server: listening on port ")
        until_ready(server, "draining")
        url = f"ws://127.0.0.1:{server.port}/ws/stream?events=true"
        with pytest.raises(InvalidStatus) as refused:
            connect(url, additional_headers=with_key(BOT))
        assert refused.value.response.status_code == 503
        assert json.loads(refused.value.response.body or b"")["code"] == "draining"
        assert int(refused.value.response.headers["retry-after"]) > 0

        server.process.send_signal(signal.SIGUSR2)
        until_ready(server, None)
        with connect(url, additional_headers=with_key(BOT)) as client:
            hear_until(client, "ready")
            assert server.ask("/admin/drain", **with_key(BOT)).status_code == 403
            answer = server.ask("/admin/drain", **with_key(BALANCER)).json()
            assert answer == {"draining": False, "listeners": 1}
            server.process.send_signal(signal.SIGUSR1)
            assert hear_until(client, "going_away")["reason"] == "draining"
            server.process.send_signal(signal.SIGUSR2)
            hear_until(client, "staying")
            server.process.send_signal(signal.SIGUSR1)
            hear_until(client, "going_away")

            client.send(json.dumps({"token": "The first sentence is long enough to be heard. "}))
            hear_until(client, "segment_end")
            server.process.send_signal(signal.SIGTERM)
            going = hear_until(client, "going_away")
            assert (going["reason"], going["grace_ms"]) == ("closing", 10_000)
            for text in ("The second one ", "came behind the signal. "):
                client.send(json.dumps({"token": text}))
            client.send(json.dumps({"flush": True}))
            client.send(json.dumps({"token": "This is too late."}))
            told, code = rest_of(client)
        said = [each["text"] for each in told if each.get("event") == "segment_start"]
        assert "".join(said).strip() == "The second one came behind the signal."
        assert [each["code"] for each in told if "error" in each] == ["going_away"]
        assert code == 1001
        assert server.process.wait(PATIENCE_S) == 0


def test_a_signal_in_the_first_moments_waits_until_it_is_heard(tmp_path: Path) -> None:
    """While the program imports what it needs to hear it, which takes half a second."""
    options = "--engine", "espeak-ng", "--api-keys-file", str(keys_file(tmp_path, KEYS))
    with started("--port", "0", *options) as process:
        while not blocks(process.pid, signal.SIGUSR1):
            assert process.poll() is None
            time.sleep(0.001)
        for number in (signal.SIGUSR1, signal.SIGHUP):
            process.send_signal(number)
        wait_for_log(process, b"draining: newcomers are turned away")
        wait_for_log(process, b"there are 2 keys")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


def blocks(pid: int, number: signal.Signals) -> bool:
    """Whether a process lets a signal wait."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    blocked = re.search(r"SigBlk:\s*([0-9a-f]+)", status)
    return blocked is not None and bool(int(blocked[1], 16) >> (number - 1) & 1)


def test_a_second_signal_ends_a_drained_server_at_once() -> None:
    with starting("--shutdown-grace-s", "600") as server:
        server.go_on()
        wait_for_log(server.process, b"server: listening on port ")
        with connect(f"ws://127.0.0.1:{server.port}/ws/stream?events=true") as client:
            server.process.send_signal(signal.SIGUSR1)
            hear_until(client, "going_away")
            client.send(json.dumps({"token": "A sentence is spoken. "}))
            hear_until(client, "segment_start")
            server.process.send_signal(signal.SIGTERM)
            assert hear_until(client, "going_away")["grace_ms"] == 600_000
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"host": "rebound.example"},
        {"x-forwarded-for": "192.0.2.7"},
    ],
)
def test_no_foreign_page_drains_a_server_without_keys(
    headers: dict[str, str], plain_server: ServerProcess
) -> None:
    """A browser sends any page's POST from inside this machine."""
    for method in ("POST", "DELETE", "GET"):
        answer = plain_server.ask("/admin/drain", method, headers=headers)
        assert answer.status_code == 403
    assert plain_server.ask("/admin/drain").json()["draining"] is False


def test_a_program_on_this_machine_drains_a_server_without_keys(
    plain_server: ServerProcess,
) -> None:
    try:
        assert plain_server.ask("/admin/drain", "POST").json()["draining"] is True
        assert plain_server.ask("/health/ready").json()["reason"] == "draining"
    finally:
        assert plain_server.ask("/admin/drain", "DELETE").json()["draining"] is False
    assert plain_server.ask("/health/ready").status_code == 200
