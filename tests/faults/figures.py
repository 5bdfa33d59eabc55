"""What the server tells of itself, at /metrics."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import trio

from tests.faults.raw_client import ask, get
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from tests.server_process import ServerProcess


async def figure(server: ServerProcess, name: str) -> int:
    """What /metrics tells of this now."""
    metrics = (await ask(server.port, get("/metrics"))).body.decode()
    found = re.search(rf"^{name} (\d+)", metrics, re.MULTILINE)
    assert found
    return int(found[1])


async def wait_for_listeners(server: ServerProcess, n_listeners: int) -> None:
    """Until so many are spoken to."""
    with trio.fail_after(PATIENCE_S):
        while await figure(server, "voice_listeners") != n_listeners:
            await trio.sleep(0.01)


async def wait_for_descriptors(server: ServerProcess, most: int) -> None:
    """Until no more are open."""
    with trio.fail_after(PATIENCE_S):
        while server.n_fds() > most:
            await trio.sleep(0.02)
