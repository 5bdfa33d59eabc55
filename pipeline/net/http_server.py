"""The HTTP server: a stream with a request in it, handed to the ASGI app. Only this file knows
Hypercorn, whose per-connection server is not public: its version is pinned."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from pipeline.net.callers import CALLER, HOLDER
from pipeline.net.request_head import REQUEST_ID

if TYPE_CHECKING:
    from typing import Any

    from fastapi import FastAPI
    from hypercorn.typing import ASGIFramework
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from pipeline.net.stream import ClientStream
    from pipeline.usage import Caller


class _HttpConfig(Config):
    """Hypercorn's settings for one answer. All that it sends has the name that the request goes by,
    what it answers by itself included."""

    include_server_header = False
    errorlog = logging.getLogger("hypercorn.error")
    """Ours: by default Hypercorn would write to standard error itself."""
    keep_alive_max_requests = 1
    """A WebSocket upgrade that comes second on a kept-alive connection would be lost in
    Hypercorn, which cannot hand it back."""
    request_id = ""

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        named = REQUEST_ID.encode(), self.request_id.encode()
        return [*super().response_headers(protocol), named]


class HttpServer:
    """An HTTP server that answers one request for each stream it is given."""

    def __init__(self, app: FastAPI) -> None:
        # Starlette and Hypercorn have different types for the same calls.
        self._app = ASGIWrapper(cast("ASGIFramework", _with_whole_sends(app)))
        self._context = WorkerContext(None)

    async def serve(self, stream: ClientStream, caller: Caller) -> None:
        """Answer the request of this client in the stream, and close."""
        # Hypercorn uses only what `ClientStream` has, and names a narrower type.
        transport = cast("Any", stream)
        state = ConnectionState({CALLER: caller, HOLDER: stream.holder})
        config = _HttpConfig()
        config.request_id = caller.request_id
        await TCPServer(self._app, config, self._context, state, transport)


def _with_whole_sends(app: ASGIApp) -> ASGIApp:
    """The app with sends that are not cancelled half-way.

    Starlette cancels the sending of a file when it is told that the client has gone. Hypercorn
    tells it so while ending the answer, inside that send, and then never closed the connection.
    The stream's write stall bounds a send."""

    async def whole(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_whole(message: Message) -> None:
            with trio.CancelScope(shield=True):
                await send(message)

        await app(scope, receive, send_whole)

    return whole
