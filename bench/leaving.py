"""How long does a server take to go while it speaks to many, some of whom do not read?

SIGTERM reaches it while ``--listeners`` read a speech at the speed of hearing, and ``--stalled``
read none of theirs. Timed to the end of its process; `status` is its exit status, and `late` by how
much that was later than the grace.

The floor: 0 s, where nobody is left; the grace where somebody is, since those who are spoken to may
hear it out. Target: status 0, and at most 1 s late. Predicted: 0.6 s late, of which 0.5 s are for
the last words to those who are left.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.common import Client, Result, Server, arguments, report, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEECH = "It had been raining since the morning, so the boats stayed where they were. " * 200
SMALL = 8 * 1024
SPEAKS_FOR_S = 2.0
MARGIN_S = 10.0
LOOK_EVERY_S = 0.005
DEFAULT_GRACE_S = 10.0
SHORT_GRACE_S = 1.0


class Reader(Client):
    """Reads what a listener would, or nothing."""

    PIECE_S = 0.34

    def on_audio(self, payload: memoryview, now: float) -> None:
        self.transport.pause_reading()
        asyncio.get_running_loop().call_later(self.PIECE_S, self._read_on)

    def _read_on(self) -> None:
        if not self.closed.is_set():
            self.transport.resume_reading()


async def measure(server: Server, n_listeners: int, n_stalled: int, grace_s: float) -> Result:
    people: list[Client] = []
    for number in range(n_listeners + n_stalled):
        client = Reader() if number < n_listeners else Client()
        await client.connect(server.port, "", SMALL)
        if number >= n_listeners:
            client.transport.pause_reading()
        client.send({"token": SPEECH})
        people.append(client)
    await asyncio.sleep(SPEAKS_FOR_S)
    began = time.perf_counter()
    server.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(grace_s + MARGIN_S):
        while (status := server.status) is None:
            await asyncio.sleep(LOOK_EVERY_S)
    took_s = time.perf_counter() - began
    for client in people:
        client.transport.abort()
    return {"took_s": round(took_s, 2), "late_s": round(took_s - grace_s, 2), "status": status}


def measure_all(n_listeners: int, n_stalled: int, server_options: list[str]) -> Iterator[Result]:
    """With the grace there is by default, and with a short one."""
    for name, grace_s in (("default", DEFAULT_GRACE_S), ("short", SHORT_GRACE_S)):
        with running_server(["--shutdown-grace-s", str(grace_s), *server_options]) as server:
            measured = asyncio.run(measure(server, n_listeners, n_stalled, grace_s))
            about: dict[str, Any] = {"case": f"{name} grace", "grace_s": grace_s}
            yield {**about, "listeners": n_listeners, "stalled": n_stalled, **measured}


def main() -> None:
    options = arguments(
        __doc__,
        ("--listeners", {"type": int, "default": 20}),
        ("--stalled", {"type": int, "default": 10}),
    )
    columns = {
        "case": "case",
        "listeners": "listeners",
        "stalled": "stalled",
        "grace_s": "grace s",
        "took_s": "took s",
        "late_s": "late s",
        "status": "status",
    }
    report(
        "leaving",
        options.server_options,
        columns,
        measure_all(options.listeners, options.stalled, options.server_options),
    )


if __name__ == "__main__":
    main()
