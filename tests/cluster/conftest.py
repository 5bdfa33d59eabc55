"""HAProxy, where it is, and the cluster that tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.clients.conftest import node  # noqa: F401 - a fixture
from tests.cluster.balanced import running_cluster
from tests.haproxy import find_haproxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.balanced import Cluster

PLACES = 4, 8, 24


@pytest.fixture(scope="session")
def haproxy() -> str:
    """HAProxy's program."""
    program = find_haproxy()
    if program is None:
        pytest.skip("HAProxy is not installed; `make test` installs it where it may")
    return program


@pytest.fixture(scope="session")
def shared_cluster(haproxy: str) -> Iterator[Cluster]:
    """Three servers of different size."""
    with running_cluster(PLACES, server_options=("--shutdown-grace-s", "600")) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Iterator[Cluster]:
    """The same, where nobody is left of the test before, and no server failed in this one."""
    for n, server in enumerate(shared_cluster.servers):
        if server.status is not None:
            shared_cluster.start(n)
        shared_cluster.wait_for_status(n, "UP")
        shared_cluster.wait_for_sessions(n, 0)
    yield shared_cluster
    for server in shared_cluster.servers:
        assert "Traceback" not in server.log, server.log
