"""How long does a server take to shut down while it speaks to many, some of whom do not read?

SIGTERM reaches it while ``--listeners`` read speech at the rate of playing, and ``--stalled``
read none of theirs. Timed to the end of its process; ``status`` is its exit status, and ``late`` is
the time beyond the grace period.

The floor: 0 s, where nobody is left; the grace period where somebody is, since those who are spoken
to may hear it to its end. Target: status 0, and at most 1 s late. Predicted: 0.6 s late, of which
0.5 s are for the last words to those who are left.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import Figure, Result, report
from bench.serving import SMALL, SPEECH, Client, Server, running_server, serving_parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

COLUMNS = {
    "listeners": "listeners",
    "stalled": "stalled",
    "grace_s": "grace s",
    "took_s": "took s",
    "late_s": "late s",
    "status": "status",
}
DEFAULT, SHORT = "default grace", "short grace"
FIGURES = (
    Figure(
        "SIGTERM while 20 listen and 10 do not read: beyond the grace period of 10 s",
        DEFAULT, "late_s", "s", at_most=1, predicted="0.6",
    ),
    Figure("the same, a grace period of 1 s", SHORT, "late_s", "s", at_most=1, predicted="0.6"),
    Figure("exit status", DEFAULT, "status", at_most=0),
    Figure("the same, a grace period of 1 s", SHORT, "status", at_most=0),
)  # fmt: skip

SPEAKS_FOR_S = 2.0
MARGIN_S = 10.0
LOOK_EVERY_S = 0.005


class Reader(Client):
    """Reads about as fast as a listener plays."""

    PIECE_S = 0.34

    def on_audio(self, payload: memoryview, now: float) -> None:
        self.transport.pause_reading()
        asyncio.get_running_loop().call_later(self.PIECE_S, self._read_on)

    def _read_on(self) -> None:
        if not self.closed.is_set():
            self.transport.resume_reading()


async def measure_shutdown(
    server: Server, n_listeners: int, n_stalled: int, grace_s: float
) -> Result:
    clients = [Reader() if n < n_listeners else Client() for n in range(n_listeners + n_stalled)]
    for client in clients:
        await client.connect(server.port, "", SMALL)
        if not isinstance(client, Reader):
            client.transport.pause_reading()
        client.send({"token": SPEECH * 2})
    await asyncio.sleep(SPEAKS_FOR_S)
    began = time.perf_counter()
    server.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(grace_s + MARGIN_S):
        while (status := server.status) is None:
            await asyncio.sleep(LOOK_EVERY_S)
    took_s = time.perf_counter() - began
    for client in clients:
        client.transport.abort()
    return {"took_s": round(took_s, 2), "late_s": round(took_s - grace_s, 2), "status": status}


def measure(asked: argparse.Namespace) -> Iterator[Result]:
    """With the default grace period, and with a short one."""
    n_listeners, n_stalled = asked.listeners, asked.stalled
    for case, grace_s in ((DEFAULT, 10.0), (SHORT, 1.0)):
        with running_server(["--shutdown-grace-s", str(grace_s), *asked.server_options]) as server:
            measured = asyncio.run(measure_shutdown(server, n_listeners, n_stalled, grace_s))
        about = {"listeners": n_listeners, "stalled": n_stalled, "grace_s": grace_s}
        yield {"case": case, **about, **measured}


def main() -> None:
    parser = serving_parser(__doc__)
    parser.add_argument("--listeners", type=int, default=20)
    parser.add_argument("--stalled", type=int, default=10)
    report(COLUMNS, FIGURES, measure(parser.parse_args()))


if __name__ == "__main__":
    main()
