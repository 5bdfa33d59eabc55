"""Every async function is a checkpoint on every path, also where it has nothing to wait for: else
it starves other listeners, and ignores that it was cancelled, whenever it is quick."""

from __future__ import annotations

import trio
from trio.testing import assert_checkpoints

from pipeline.net.stream import ClientStream
from tests.fakes import service


async def test_waiting_for_an_idle_service_is_one() -> None:
    server = service()
    with assert_checkpoints():
        await server.leaving.all_gone()


async def test_sending_nothing_is_one() -> None:
    ours, theirs = trio.socket.socketpair()
    stream = ClientStream(trio.SocketStream(ours), write_stall_s=1.0)
    async with trio.SocketStream(theirs):
        with assert_checkpoints():
            await stream.send_all(b"")
    stream.close()
