"""The program that a pod runs before it ends, on this machine's own sockets. Where no server is
needed `cat` stands for it, which dies of the signal that lets a server drain."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import psutil
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.deploy.chart import CHART
from tests.server_process import LOOK_EVERY_S, PATIENCE_S, free_port, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websockets.sync.client import ClientConnection

Process: TypeAlias = "subprocess.Popen[bytes]"

LONG = 10**6


@contextmanager
def leaving(settle_s: int, drain_s: int, *ports: int) -> Iterator[tuple[Process, Process]]:
    """A server, and the program that lets it leave."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as server:
        try:
            with leave(server.pid, settle_s, drain_s, *ports) as program:
                yield server, program
        finally:
            server.kill()


@contextmanager
def leave(pid: int, settle_s: int, drain_s: int, *ports: int) -> Iterator[Process]:
    """The program, which lets a server leave."""
    words = map(str, [CHART / "files/leave.sh", pid, settle_s, drain_s, *ports])
    with subprocess.Popen([*words]) as program:
        try:
            yield program
        finally:
            program.kill()


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
    with leaving(0, LONG, free_port(), door.getsockname()[1]) as (server, program):
        with connection(door):
            assert server.wait(PATIENCE_S) == -signal.SIGUSR1
            wait_asleep(program, 1)
        assert program.wait(PATIENCE_S) == 0


def test_nobody_is_waited_for_for_ever(door: socket.socket) -> None:
    with connection(door), leaving(0, 0, door.getsockname()[1]) as (_, program):
        assert program.wait(PATIENCE_S) == 0


def test_a_server_loses_nobody_by_it() -> None:
    """Who talks is told, ends the sentence and hears all of it; newcomers are sent elsewhere; and
    the program is done when the last one has gone."""
    with running_server("--engine", "espeak-ng") as server:
        url = server.websocket_url
        with connect(f"{url}?events=true") as talk:
            talk.send('{"token": "I have begun! And now"}')
            events_until(talk, "segment_end")
            with leave(server.pid, 0, LONG, server.port) as program:
                events_until(talk, "going_away")
                with pytest.raises(InvalidStatus, match="503"), connect(url):
                    pass
                talk.send('{"token": " I end.", "flush": true}')
                assert events_until(talk, "segment_end")["samples"] > 0
                assert program.poll() is None
                talk.close()
                assert program.wait(PATIENCE_S) == 0
        assert server.status is None


def events_until(talk: ClientConnection, name: str) -> dict[str, Any]:
    """The next event of this name."""
    while True:
        told = talk.recv(timeout=PATIENCE_S)
        if isinstance(told, str) and (event := json.loads(told)).get("event") == name:
            return dict(event)
