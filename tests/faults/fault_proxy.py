"""A TCP proxy that spoils what goes through it: late, slow, in odd pieces, cut, reset, half closed,
frozen, or with garbage in it.

    async with fault_proxy(server.port, to_client=Faults(after_bytes=5000, then="reset")) as port:
        ... connect to `port` instead
"""

from __future__ import annotations

import contextlib
import math
import socket
import struct
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HOST = "127.0.0.1"

Fate = Literal["cut", "reset", "half_close", "freeze", "garbage"]
FATES: tuple[Fate, ...] = get_args(Fate)

GARBAGE = bytes(range(256)) * 4

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""``struct linger`` (socket(7))."""


@dataclass(frozen=True)
class Faults:
    """What happens to one direction of each connection."""

    delay_s: float = 0.0
    """Of each piece."""
    bytes_per_s: float = math.inf
    piece_bytes: int = 64 * 1024
    """What goes through at a time, at most."""
    after_bytes: float = math.inf
    """So many go through unharmed, and then it happens."""
    then: Fate = "cut"


NONE = Faults()


@asynccontextmanager
async def fault_proxy(
    port: int, *, to_server: Faults = NONE, to_client: Faults = NONE
) -> AsyncIterator[int]:
    """Stand before that port; gives the port to connect to."""

    async def carry(client: trio.SocketStream) -> None:
        async with (
            client,
            await trio.open_tcp_stream(HOST, port) as server,
            trio.open_nursery() as nursery,
        ):
            both = _Pair(client, server, nursery)
            nursery.start_soon(both.pump, client, server, to_server)
            nursery.start_soon(both.pump, server, client, to_client)

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host=HOST)
        nursery.start_soon(trio.serve_listeners, carry, listeners)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


class _Pair:
    def __init__(
        self, client: trio.SocketStream, server: trio.SocketStream, nursery: trio.Nursery
    ) -> None:
        self._streams = client, server
        self._nursery = nursery

    async def pump(
        self, source: trio.SocketStream, sink: trio.SocketStream, faults: Faults
    ) -> None:
        """Carry one direction to its end, or to what happens to it."""
        n_passed = 0
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while data := await source.receive_some(faults.piece_bytes):
                await trio.sleep(faults.delay_s + len(data) / faults.bytes_per_s)
                unharmed = data[: int(min(len(data), faults.after_bytes - n_passed))]
                await sink.send_all(unharmed)
                n_passed += len(unharmed)
                if n_passed >= faults.after_bytes and not await self._spoil(sink, faults):
                    return
            await sink.send_eof()

    async def _spoil(self, sink: trio.SocketStream, faults: Faults) -> bool:
        """Whether the direction goes on."""
        match faults.then:
            case "cut":
                self._nursery.cancel_scope.cancel()
            case "reset":
                for stream in self._streams:
                    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                self._nursery.cancel_scope.cancel()
            case "half_close":
                await sink.send_eof()
            case "freeze":
                await trio.sleep_forever()
            case "garbage":
                await sink.send_all(GARBAGE)
                return True
        return False
