"""A port without a service behind it, which tells each client whose address it is taken for."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from pipeline.net.access import Access
from pipeline.net.crowd import Crowd, Room
from pipeline.net.port import Port
from pipeline.net.request_head import send_answer
from tests.server_process import HOST

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from pipeline.net.addresses import TrustedProxies
    from pipeline.net.request_head import HttpRequest, RequestReader
    from pipeline.net.stream import ClientStream
    from pipeline.tenants import Tenant

ENOUGH = Room(asked=1000, unfinished=1000, silent=100)


class Telling:
    """Answers with the client's address; beside somebody who listens."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.refused: list[str] = []
        self.go_on = trio.Event()
        """Whoever asks for ``/wait`` does, for this."""

    async def answer(
        self,
        stream: ClientStream,
        request: HttpRequest,
        reader: RequestReader,
        tenant: Tenant | None,
    ) -> None:
        del reader, tenant
        if request.path == "/wait":
            await self.go_on.wait()
        self.told.append(stream.peer)
        await send_answer(stream, 200, stream.peer.encode())

    def has_listeners(self) -> bool:
        return True

    def count_refused(self, code: str) -> None:
        self.refused.append(code)


class OpenPort:
    """The port, and all that is behind it."""

    def __init__(self, port: Port, answers: Telling, number: int) -> None:
        self.crowd = port.crowd
        self.answers = answers
        self.number = number


@asynccontextmanager
async def open_port(
    room: Room = ENOUGH,
    trusted: TrustedProxies | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[OpenPort]:
    answers = Telling()
    port = Port(answers, Access(), Crowd(room, trusted), tls=tls, write_stall_s=30)
    listeners = await trio.open_tcp_listeners(0, host=HOST)
    async with trio.open_nursery() as nursery:
        await nursery.start(port.serve, listeners)
        yield OpenPort(port, answers, listeners[0].socket.getsockname()[1])
        port.abort()
        nursery.cancel_scope.cancel()
