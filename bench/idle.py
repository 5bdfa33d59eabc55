"""What does a WebSocket cost that is open and silent?

The server's resident memory before and after ``--connections`` WebSockets, for each of them:

opened     it was opened, and nothing was said
has heard  it has heard a sentence to its end and idles; eight at a time did
over TLS   as opened, over TLS

A few before them, who leave again, fill the caches; more would leave memory behind that the others
then get for nothing. Beside it the time after all have left until Trio's tasks and the descriptors
are back at what they were.

The floor: two tasks' stacks, a socket and its buffers in Python: 20 kB. Target: less than 100 kB,
and 6 s. Predicted: 70 kB opened, 90 kB once it has heard something, 50 kB more over TLS; 0.5 s.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import ROOT, Figure, Result, report
from bench.meter import Holdings, Meter
from bench.serving import (
    HOST,
    SENTENCE,
    UPGRADE,
    WITHIN_S,
    Client,
    Server,
    eight_at_a_time,
    running_server,
    serving_parser,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

COLUMNS = {
    "connections": "connections",
    "kb_each": "kB each",
    "tasks_each": "tasks each",
    "back_after_s": "back after s",
    "server_rss_mb": "rss MB",
    "others_cpu": "others cpu",
}
FIGURES = (
    Figure("memory, opened only", "opened", "kb_each", "kB", at_most=100, predicted="70"),
    Figure("after a sentence", "has heard", "kb_each", "kB", at_most=100, predicted="90"),
    Figure("over TLS", "over TLS", "kb_each", "kB", at_most=100, predicted="120"),
)

CERTIFICATE, KEY = (ROOT / "tests" / "tls" / name for name in ("certificate.pem", "key.pem"))
WARM_UP = 8
SETTLE_S = 1.0


async def opened(port: int, people: AsyncExitStack, *, hears: bool) -> None:
    """A WebSocket that stays until the others go too."""
    client = Client()
    await client.connect(port, "events=true")
    people.callback(client.transport.abort)
    if hears:
        await client.ask({"token": SENTENCE, "flush": True}, "flushed")


async def opened_over_tls(port: int, people: AsyncExitStack, tls: ssl.SSLContext) -> None:
    """The same over TLS, as far as the answer to the upgrade."""
    reader, writer = await asyncio.open_connection(HOST, port, ssl=tls)
    people.callback(hang_up, writer)
    writer.write(UPGRADE.format(query="events=true", host=HOST, port=port).encode())
    if b" 101 " not in await reader.readuntil(b"\r\n\r\n"):
        raise ConnectionError("the server refused the upgrade")


def hang_up(writer: asyncio.StreamWriter) -> None:
    """Given the writer and not its transport, which closes once nobody has the writer."""
    writer.transport.abort()


async def measure_case(
    server: Server, case: str, n: int, tls: ssl.SSLContext | None, *, hears: bool
) -> Result:
    async def open_all(people: AsyncExitStack, n: int) -> None:
        await eight_at_a_time(
            n,
            lambda: (
                opened(server.port, people, hears=hears)
                if tls is None
                else opened_over_tls(server.port, people, tls)
            ),
        )
        await asyncio.sleep(SETTLE_S)

    async def look() -> Holdings:
        return await asyncio.to_thread(Holdings.of, server, tls)

    async with AsyncExitStack() as people:
        await open_all(people, WARM_UP)
    await asyncio.sleep(SETTLE_S)
    meter, before = Meter(server), await look()
    async with AsyncExitStack() as people:
        await open_all(people, n)
        full = await look()
    began = time.perf_counter()
    async with asyncio.timeout(WITHIN_S):
        now = await look()
        while now.n_fds > before.n_fds or now.n_tasks > before.n_tasks:
            now = await look()
    return {
        "case": case,
        "connections": n,
        "kb_each": round((full.rss_kb - before.rss_kb) / n, 1),
        "tasks_each": round((full.n_tasks - before.n_tasks) / n, 1),
        "back_after_s": round(time.perf_counter() - began, 2),
        **meter.read(),
    }


def measure(asked: argparse.Namespace) -> Iterator[Result]:
    """Each case on a server of its own: what an allocator kept would look like a gain."""
    n = asked.connections
    room = ["--max-listeners", str(n), *asked.server_options]
    for case, hears in (("opened", False), ("has heard", True)):
        with running_server(room) as server:
            yield asyncio.run(measure_case(server, case, n, None, hears=hears))
    trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
    trusting.check_hostname = False  # it is for "localhost"
    with running_server(
        ["--tls-certificate", str(CERTIFICATE), "--tls-key", str(KEY), *room]
    ) as server:
        yield asyncio.run(measure_case(server, "over TLS", n, trusting, hears=False))


def main() -> None:
    parser = serving_parser(__doc__)
    parser.add_argument("--connections", type=int, default=200)
    report(COLUMNS, FIGURES, measure(parser.parse_args()))


if __name__ == "__main__":
    main()
