"""A server that says what it hears, on our own WebSocket: Autobahn's cases want an echo.

    .venv/bin/python tests/frameworks/autobahn_echo.py

It prints its port, and serves until it is ended.
"""

from __future__ import annotations

import sys
from pathlib import Path

import trio

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from pipeline.close_code import CloseCode
from pipeline.dialects import native
from pipeline.net.budgets import SharedBudget
from pipeline.net.hang_ups import HangUps
from pipeline.net.pacing import FLOOD_FRAMES_PER_S, HEAD_END, FramePace
from pipeline.net.request_head import RequestReader, check_upgrade
from pipeline.net.stream import ClientStream
from pipeline.net.websocket import WebSocketWire, serve_websocket
from stages.errors import Disconnected

LARGEST_MESSAGE_BYTES = 16 * 2**20
"""Of the cases; our server takes 64 KiB, and ends the connection with 1009 where there are more."""


async def _echo(wire: WebSocketWire) -> CloseCode:
    try:
        while True:
            await wire.send(await wire.receive())
    except Disconnected:
        return CloseCode.NORMAL


async def _serve(tcp: trio.SocketStream) -> None:
    stream = ClientStream(tcp, 20.0)
    try:
        request = await RequestReader(stream).read()
        if request is not None:
            check_upgrade(request)
            stream.give_back(request.raw)
            await serve_websocket(
                stream,
                _echo,
                FramePace(stream, SharedBudget(FLOOD_FRAMES_PER_S), lambda: False),
                silent_s=40.0,
                n_head=request.raw.index(HEAD_END) + len(HEAD_END),
                hang_ups=HangUps(),
            )
    except* (trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # cases end as they like
    finally:
        stream.close()


async def main() -> None:
    """Serve."""
    native.MAX_MESSAGE_BYTES = LARGEST_MESSAGE_BYTES
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    print(listeners[0].socket.getsockname()[1], flush=True)
    await trio.serve_listeners(_serve, listeners)


if __name__ == "__main__":
    trio.run(main)
