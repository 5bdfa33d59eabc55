"""A server is killed in mid-segment, and the example clients go on at the sample behind it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from tests.clients.conftest import NODE_MODULES
from tests.server_process import HOST, PATIENCE_S, ROOT, ServerProcess, running_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

TEXT = """Hello there, all of you! It was **late. Very late** by then; and
she said: "Go on. Now."

```py
print("nothing of this. Is heard!")
```
1. Eggs
2. Milk \N{GRINNING FACE}, and butter
- done. Then they went home; it was 3.14 miles. The end of it, so to say."""

SLOW = "tests/clients/slow_server.py"

CLIENTS = ("with_asyncio", "with_trio", "with_threads", "node")


@pytest.fixture(scope="module", params=["server.py", SLOW])
def heir(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """The server that stays: once a light one, and once one that is as slow as Soprano."""
    with running_server(program=request.param) as server:
        yield server


@pytest.fixture(scope="module")
def whole(heir: ServerProcess) -> bytes:
    """The text's sound where nothing happens."""
    return spoken("with_threads", heir.port)


@asynccontextmanager
async def dying(server: ServerProcess, heir: ServerProcess, after_bytes: int) -> AsyncIterator[int]:
    """A port that leads to a server until so much has come of it, when it is killed. Whoever comes
    back is led to its heir."""

    async def relay(near: trio.SocketStream) -> None:
        is_first = server.status is None
        far = await trio.open_tcp_stream(HOST, server.port if is_first else heir.port)
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async with near, far, trio.open_nursery() as both:

                async def upwards() -> None:
                    with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                        async for data in near:
                            await far.send_all(data)

                both.start_soon(upwards)
                n_bytes = 0
                async for data in far:
                    await near.send_all(data)
                    n_bytes += len(data)
                    if is_first and n_bytes >= after_bytes:
                        server.kill()
                        await server.wait()
                        break
                both.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, relay, 0, host=HOST))
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


def spoken(client: str, port: int) -> bytes:
    """All that a client hears of the text."""
    url = f"ws://{HOST}:{port}/ws/stream"
    program: tuple[str | Path, ...]
    if client == "node":
        program = ("node", ROOT / "examples" / "node" / "voice.js", "--url", url)
    else:
        program = (sys.executable, "-m", "tests.clients.run_python_client", client, url, TEXT, "0")
    done = subprocess.run(
        program,
        cwd=ROOT,
        env=os.environ | {"NODE_PATH": str(NODE_MODULES)},
        input=TEXT.encode() if client == "node" else b"",
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout if client == "node" else base64.b64decode(json.loads(done.stdout)["pcm"])


@pytest.mark.parametrize("client", CLIENTS)
async def test_nothing_is_lost_nor_heard_twice(
    request: pytest.FixtureRequest, heir: ServerProcess, whole: bytes, client: str
) -> None:
    """Sample by sample, with markup and lists at the borders of segments."""
    if client == "node":
        request.getfixturevalue("node")
    after_bytes = len(whole) * (1 + CLIENTS.index(client)) // (1 + len(CLIENTS))
    with running_server(program=heir.program) as server:
        async with dying(server, heir, after_bytes) as port:
            joined = await trio.to_thread.run_sync(spoken, client, port)
        assert server.status == -9, "it was heard to the end before it could be killed"
    assert len(joined) == len(whole)
    assert joined == whole
