"""The port is bound first and answers at once; whoever waits is told what for."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.cli.program import PROGRAM, complaint, run, started, wait_for_log
from tests.server_process import PATIENCE_S, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator


class Starting:
    """A server whose start waits: its lexicon is a pipe, and nobody has written to it yet."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, lexicon: Path) -> None:
        self.process = process
        self.port = port
        self._lexicon = lexicon

    def ask(self, path: str, **headers: str) -> httpx.Response:
        """The answer to a GET."""
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx.get(url, headers=headers, timeout=PATIENCE_S)

    def go_on(self) -> None:
        """Let the start come to its end."""
        self._lexicon.write_bytes(b"")
        words = self._lexicon.with_name("words.toml")
        words.touch()
        words.replace(self._lexicon)


@contextmanager
def starting(*options: str) -> Iterator[Starting]:
    lexicon = Path("lexicon.toml").absolute()
    os.mkfifo(lexicon)
    port = free_port()
    with started("--port", str(port), "--lexicon", str(lexicon), *options) as process:
        wait_for_log(process, b"server: starting; ")
        yield Starting(process, port, lexicon)


UPGRADE = {
    "upgrade": "websocket",
    "connection": "upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


def test_it_answers_before_it_is_warm_and_serves_at_the_same_port() -> None:
    with starting() as server:
        assert server.ask("/health/live").json() == {"status": "ok", "reason": None}
        ready = server.ask("/health/ready")
        assert ready.status_code == 503
        assert ready.json() == {"status": "starting", "reason": "libraries: importing"}
        assert ready.headers["retry-after"] == "2"
        server.go_on()
        wait_for_log(server.process, b"server: listening on port ")
        assert server.ask("/health/ready").json() == {"status": "ok", "reason": None}
        assert server.ask("/api/voices").status_code == 200


@pytest.mark.parametrize(
    ("path", "headers"), [("/api/voices", {}), ("/metrics", {}), ("/ws/stream", UPGRADE)]
)
def test_all_else_is_told_that_it_is_starting(path: str, headers: dict[str, str]) -> None:
    with starting() as server:
        answer = server.ask(path, **headers, **{"X-Request-ID": "mine"})
    assert answer.status_code == 503
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["retry-after"] == "2"
    assert answer.json() == {
        "error": "the server is starting: libraries: importing",
        "code": "starting",
    }


def test_an_error_has_the_shape_of_the_service_that_is_played() -> None:
    with starting() as server:
        told = server.ask("/v1/models").json()
    assert told["error"]["code"] == "starting"


def test_the_page_is_there_from_the_start() -> None:
    """It shows how far the server is, and needs no engine."""
    with starting() as server:
        page = server.ask("/")
        script = server.ask("/web/page.js")
        assert server.ask("/web/..%2Fpage.py").status_code == 503
        assert server.ask("/web/nothing.js").status_code == 503
    assert "<html" in page.text
    assert page.headers["content-type"] == "text/html"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for answer in (page, script):
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
    assert "javascript" in script.headers["content-type"]
    assert script.headers["cache-control"] == "no-cache"


def test_strangers_are_kept_out_from_the_start() -> None:
    with starting() as server:
        assert server.ask("/", host="evil.example").status_code == 403


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_start_at_once(number: signal.Signals) -> None:
    """Though a thread reads, and cannot be stopped."""
    with starting() as server:
        server.process.send_signal(number)
        assert server.process.wait(PATIENCE_S) == 0
        assert server.process.stderr is not None
        told = server.process.stderr.read()
    assert told.endswith(b"server: closed before it was ready\n")
    assert b"Traceback" not in told


def test_an_engine_that_cannot_start_ends_it_with_an_error() -> None:
    told = complaint(run("--port", "0", "--engine", "soprano"))
    assert told.startswith("server.py: --engine: Soprano lacks the model")


def test_a_taken_port_is_refused_before_anything_slow_is_imported() -> None:
    """44 s of loading came before that message."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [PROGRAM[0], "-X", "importtime", PROGRAM[-1], "--port", port],
            capture_output=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
    *imports, last = done.stderr.decode().splitlines()
    assert done.returncode == 1
    assert last.startswith(f"server.py: cannot listen on port {port} of 127.0.0.1: ")
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in imports}
    assert "trio" in imported
    assert not imported & {"numpy", "fastapi", "hypercorn", "torch", "onnxruntime", "av"}


def test_a_part_that_takes_long_is_told_in_the_log() -> None:
    with starting() as server:
        wait_for_log(server.process, b"server: libraries: importing\n")
        server.go_on()
        wait_for_log(server.process, b"server: libraries: importing took ")


def test_a_terminal_shows_what_it_waits_for() -> None:
    """In one line that is written over, above which the log goes on."""
    lexicon = Path("lexicon.toml")
    os.mkfifo(lexicon)
    ours, theirs = pty.openpty()
    command = [*PROGRAM, "speak", "Hello!", "--lexicon", str(lexicon)]
    with subprocess.Popen(command, stdin=theirs, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        while re.search(rb"\r\x1b\[Klibraries: importing \.\.\. \d+ s", seen) is None:
            seen += os.read(ours, 4096)
        lexicon.write_bytes(b"")
        while b"wrote speech.wav" not in seen:
            seen += os.read(ours, 4096)
        assert process.wait(PATIENCE_S) == 0
    os.close(ours)
    for line in re.findall(rb"^.* INFO .*$", seen, re.MULTILINE):
        shown = line.rpartition(b"\r\x1b[K")[2]
        assert re.match(rb"\d{4}-\d\d-\d\d ", shown), line


def test_health_is_told_as_json() -> None:
    with starting() as server:
        answer = server.ask("/health/ready")
    assert answer.headers["content-type"] == "application/json"
    assert set(json.loads(answer.content)) == {"status", "reason"}
