"""The program that a pod runs before it ends, on this machine's own sockets. `cat` stands for the
server: it dies of the signal that lets a server drain."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import psutil
import pytest

from tests.deploy.chart import CHART
from tests.server_process import LOOK_EVERY_S, PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

Process: TypeAlias = "subprocess.Popen[bytes]"

LONG = 10**6


@contextmanager
def leaving(settle_s: int, drain_s: int, *ports: int) -> Iterator[tuple[Process, Process]]:
    """A server, and the program that lets it leave."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as server:
        words = map(str, [CHART / "files/leave.sh", server.pid, settle_s, drain_s, *ports])
        with subprocess.Popen([*words]) as program:
            try:
                yield server, program
            finally:
                program.kill()
                server.kill()


@pytest.fixture(params=["127.0.0.1", "::1"])
def door(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        listener = socket.create_server((request.param, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no {request.param}")
    with listener:
        yield listener


@contextmanager
def connection(door: socket.socket) -> Iterator[None]:
    """Somebody who talks."""
    with socket.create_connection(door.getsockname()[:2]), door.accept()[0]:
        yield


def wait_asleep(program: Process, seconds: int) -> psutil.Process:
    """The program's `sleep`, once it is there."""
    give_up_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up_at:
        for child in psutil.Process(program.pid).children():
            try:
                if child.cmdline() == ["sleep", str(seconds)]:
                    return child
            except psutil.Error:
                continue
        time.sleep(LOOK_EVERY_S)
    raise AssertionError(program.args)


def test_where_nobody_talks_it_drains_and_is_done(door: socket.socket) -> None:
    with leaving(0, LONG, door.getsockname()[1]) as (server, program):
        assert program.wait(PATIENCE_S) == 0
        assert server.wait(PATIENCE_S) == -signal.SIGUSR1


def test_newcomers_are_served_until_proxies_know(door: socket.socket) -> None:
    with leaving(LONG, LONG, door.getsockname()[1]) as (server, program):
        settling = wait_asleep(program, LONG)
        assert server.poll() is None
        settling.kill()
        assert server.wait(PATIENCE_S) == -signal.SIGUSR1


def test_who_talks_is_waited_for_at_any_of_the_ports(door: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        unused = free.getsockname()[1]
    with leaving(0, LONG, unused, door.getsockname()[1]) as (server, program):
        with connection(door):
            assert server.wait(PATIENCE_S) == -signal.SIGUSR1
            wait_asleep(program, 1)
        assert program.wait(PATIENCE_S) == 0


def test_nobody_is_waited_for_for_ever(door: socket.socket) -> None:
    with connection(door), leaving(0, 0, door.getsockname()[1]) as (_, program):
        assert program.wait(PATIENCE_S) == 0
