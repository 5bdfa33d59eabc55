"""What the server tells of itself, at /metrics."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import trio

from tests.faults.raw_client import SOON_S, ask, get

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
    with trio.fail_after(SOON_S):
        while await figure(server, "voice_listeners") != n_listeners:
            await trio.sleep(0.01)
