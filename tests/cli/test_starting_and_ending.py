"""How it is started, looked at, interrupted and left."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from pipeline.web.page import page_url
from tests.cli.program import PROGRAM, run, started, wait_for_log
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from tests.server_process import ServerProcess


def test_a_reader_that_has_had_enough_ends_it_quietly() -> None:
    """As in ``| head -c 1000``, or a player that is closed."""
    with started("speak", "A long text, and so on. " * 50, "-o", "-") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert len(os.read(process.stdout.fileno(), 1000)) == 1000
        process.stdout.close()
        told = process.stderr.read().decode().splitlines()
        assert process.wait(PATIENCE_S) == 128 + signal.SIGPIPE
    assert [line for line in told if " INFO " not in line] == []


@pytest.mark.parametrize("text", [None, "One, two, three, four. " * 4000])
def test_ctrl_c_ends_speaking(text: str | None) -> None:
    """While it waits for text, and while it waits for a player to read on."""
    with started("speak", *([] if text is None else [text]), "-o", "-") as process:
        assert process.stderr is not None
        wait_for_log(process, b"speaks, on ")
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 128 + signal.SIGINT
        assert process.stderr.read() == b""


def test_ctrl_c_ends_serving() -> None:
    with started("serve", "--port", "0") as process:
        assert process.stderr is not None
        wait_for_log(process, b"listening on port")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
        assert [line.split()[3:] for line in process.stderr.read().splitlines()] == [
            [b"server:", b"closing;", b"0", b"listeners", b"may", b"finish"],
            [b"server:", b"closed"],
        ]


def test_serves_without_a_command_and_with_one(plain_server: ServerProcess) -> None:
    """`running_server` starts it without."""
    assert plain_server.status is None
    with started("serve", "--port", "0") as process:
        wait_for_log(process, b"listening on port")


def test_it_says_where_its_page_is(plain_server: ServerProcess) -> None:
    address = f"http://localhost:{plain_server.port}/"
    assert f"{address}\n" in plain_server.log
    with urlopen(address, timeout=PATIENCE_S) as answer:
        assert b"<html" in answer.read()


@pytest.mark.parametrize(
    ("host", "is_secure", "url"),
    [
        ("127.0.0.1", False, "http://localhost:1/"),
        ("0.0.0.0", True, "https://localhost:1/"),  # noqa: S104 - nothing listens
        ("::", False, "http://localhost:1/"),
        ("::1", False, "http://[::1]:1/"),
        ("192.0.2.1", True, "https://192.0.2.1:1/"),
        ("voice.example.org", False, "http://voice.example.org:1/"),
    ],
)
def test_the_address_of_the_page(host: str, url: str, *, is_secure: bool) -> None:
    assert page_url(host, 1, is_secure=is_secure) == url


def loopbacks() -> list[str]:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return ["127.0.0.1"]
    return ["127.0.0.1", "::1"]


def test_the_server_is_reached_by_each_loopback_address_that_there_is(
    plain_server: ServerProcess,
) -> None:
    """ "localhost" may mean any of them, and some clients try only the first."""
    for address in loopbacks():
        with socket.create_connection((address, plain_server.port), timeout=PATIENCE_S):
            pass


def on_a_terminal(*arguments: str) -> str:
    """What a person sees of a run: its standard error, on a terminal of its own."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([*PROGRAM, *arguments], stdin=theirs, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):  # EIO: nobody has the other end open any more
            while data := os.read(ours, 4096):
                seen += data
        assert process.wait(PATIENCE_S) == 0
    os.close(ours)
    return seen.decode()


def test_a_terminal_shows_how_far_it_is() -> None:
    seen = on_a_terminal("speak", "One, two, three. " * 20)
    *_, before, last = re.split(r"\r\x1b\[K", seen)
    assert re.fullmatch(r"\d+\.\d s of speech in \d+\.\d s", before)
    assert re.search(r"wrote speech\.wav: \d\d\.\d s of speech in \d+\.\d s\r\n$", last)


def test_a_terminal_is_left_alone_where_only_warnings_are_wanted() -> None:
    assert on_a_terminal("speak", "Hello!", "--log-level", "warning") == ""


def test_nothing_is_drawn_where_there_is_no_terminal() -> None:
    assert b"\r" not in run("speak", "Hello!").stderr


@pytest.mark.parametrize("command", ["speak", "fetch", "check"])
def test_help_names_its_command_and_shows_how_it_is_used(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    told = done.stdout.decode()
    assert told.startswith(f"usage: server.py {command} ")
    assert f"    python server.py {command}" in told
