"""What does a WebSocket cost that is open and silent?

The server's resident memory before and after ``--connections`` WebSockets, by each of them:

opened     it was opened, and nothing was said
has heard  it has heard a sentence out, and idles; eight at a time did
over TLS   as opened, over TLS

A few before them, who leave again, fill the caches; more would leave memory behind that the others
then get for nothing. Beside it how long after all have gone Trio's tasks and the descriptors are at
what they were.

The floor: two tasks' stacks, a socket and its buffers in Python: 20 kB. Target: less than 100 kB,
and 6 s. Predicted: 70 kB opened, 90 kB once it has heard something, 50 kB more over TLS; 0.5 s.
"""

from __future__ import annotations

import asyncio
import http.client
import re
import ssl
import sys
import time
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.common import (
    HOST,
    ROOT,
    UPGRADE,
    Meter,
    Result,
    Server,
    arguments,
    report,
    rss_mb,
    running_server,
)
from bench.connections import Visitor

if TYPE_CHECKING:
    from collections.abc import Iterator

SENTENCE = "The boats stayed where they were today!"
CERTIFICATE, KEY = (ROOT / "tests" / "tls" / name for name in ("certificate.pem", "key.pem"))
TLS_OPTIONS = ["--tls-certificate", str(CERTIFICATE), "--tls-key", str(KEY)]
AT_A_TIME = 8
WARM_UP = 8
SETTLE_S = 1.0
WITHIN_S = 10.0
KB_PER_MB = 1024


class Look(NamedTuple):
    """What the server holds."""

    rss_kb: float
    n_fds: int
    n_tasks: int


def look(server: Server, tls: ssl.SSLContext | None) -> Look:
    connection = (
        http.client.HTTPConnection(HOST, server.port, timeout=WITHIN_S)
        if tls is None
        else http.client.HTTPSConnection(HOST, server.port, timeout=WITHIN_S, context=tls)
    )
    with closing(connection) as asked:
        asked.request("GET", "/metrics")
        told = asked.getresponse().read().decode()
    found = re.search(r"^voice_tasks (\d+)", told, re.MULTILINE)
    if found is None:
        raise RuntimeError("the server does not tell of its tasks")
    rss_kb = KB_PER_MB * rss_mb(server.process)
    return Look(rss_kb, server.process.num_fds(), int(found[1]))


async def opened(port: int, people: AsyncExitStack, *, hears: bool) -> None:
    """A WebSocket that stays until the others go too."""
    client = Visitor()
    await client.connect(port, "events=true")
    people.callback(client.transport.abort)
    if hears:
        client.send({"token": SENTENCE, "flush": True})
        async with asyncio.timeout(WITHIN_S):
            await client.flushed.wait()


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


async def open_all(
    server: Server, people: AsyncExitStack, n: int, tls: ssl.SSLContext | None, *, hears: bool
) -> None:
    todo = iter(range(n))

    async def open_some() -> None:
        for _ in todo:
            if tls is None:
                await opened(server.port, people, hears=hears)
            else:
                await opened_over_tls(server.port, people, tls)

    async with asyncio.TaskGroup() as openers:
        for _ in range(AT_A_TIME):
            openers.create_task(open_some())
    await asyncio.sleep(SETTLE_S)


async def back_after(server: Server, tls: ssl.SSLContext | None, before: Look) -> float:
    began = time.perf_counter()
    async with asyncio.timeout(WITHIN_S):
        now = await asyncio.to_thread(look, server, tls)
        while now.n_fds > before.n_fds or now.n_tasks > before.n_tasks:
            now = await asyncio.to_thread(look, server, tls)
    return time.perf_counter() - began


async def measure(
    server: Server, case: str, n: int, tls: ssl.SSLContext | None, *, hears: bool
) -> Result:
    async with AsyncExitStack() as people:
        await open_all(server, people, WARM_UP, tls, hears=hears)
    await asyncio.sleep(SETTLE_S)
    meter, before = Meter(server), await asyncio.to_thread(look, server, tls)
    async with AsyncExitStack() as people:
        await open_all(server, people, n, tls, hears=hears)
        full = await asyncio.to_thread(look, server, tls)
    back_s = await back_after(server, tls, before)
    return {
        "case": case,
        "connections": n,
        "kb_each": round((full.rss_kb - before.rss_kb) / n, 1),
        "tasks_each": round((full.n_tasks - before.n_tasks) / n, 1),
        "back_after_s": round(back_s, 2),
        **meter.read(),
    }


def measure_all(n: int, server_options: list[str]) -> Iterator[Result]:
    """Each case on a server of its own: what an allocator kept would look like a gain."""
    room = ["--max-listeners", str(n), *server_options]
    for case, hears in (("opened", False), ("has heard", True)):
        with running_server(room) as server:
            yield asyncio.run(measure(server, case, n, None, hears=hears))
    trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
    trusting.check_hostname = False  # it is for "localhost"
    with running_server([*TLS_OPTIONS, *room]) as server:
        yield asyncio.run(measure(server, "over TLS", n, trusting, hears=False))


def main() -> None:
    options = arguments(__doc__, ("--connections", {"type": int, "default": 200}))
    columns = {
        "case": "case",
        "connections": "connections",
        "kb_each": "kB each",
        "tasks_each": "tasks each",
        "back_after_s": "back after s",
        "server_rss_mb": "rss MB",
        "others_cpu": "others cpu",
    }
    report(
        "idle",
        options.server_options,
        columns,
        measure_all(options.connections, options.server_options),
    )


if __name__ == "__main__":
    main()
