"""Servers that the tests of this folder share: starting one takes a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.server_process import running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server_process import ServerProcess


@pytest.fixture(scope="session")
def shared_narrow_server() -> Iterator[ServerProcess]:
    """With one place, so that it shows when that is free again, and little patience."""
    with running_server("--max-listeners", "1", "--write-stall-s", "1") as server:
        yield server


@pytest.fixture
def server(plain_server: ServerProcess) -> Iterator[ServerProcess]:
    """A server as it is out of the box, which must not log a traceback."""
    yield from _watched(plain_server)


@pytest.fixture
def narrow_server(shared_narrow_server: ServerProcess) -> Iterator[ServerProcess]:
    """A server with one place and a write stall of one second, watched likewise."""
    yield from _watched(shared_narrow_server)


def _watched(server: ServerProcess) -> Iterator[ServerProcess]:
    logged_before = len(server.log)
    yield server
    assert server.status is None, server.log
    assert "Traceback" not in server.log[logged_before:], server.log[logged_before:]
