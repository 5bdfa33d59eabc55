"""A WebSocket in a stream of HTTP/2 (RFC 8441), as browsers open one where they may."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RemoteSettingsChanged, ResponseReceived
from h2.settings import SettingCodes

from tests.faults.raw_client import Connection, RawWebSocket, connected

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from h2.events import Event


class Http2WebSocket(RawWebSocket):
    """One whose frames go in a stream, the only one of its connection."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.stream, connection.tls)
        self._h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        self._stream_id = 0
        self._received = bytearray()

    async def open(self, authority: str, target: str) -> dict[str, str]:
        """Open it; the headers of the answer."""
        self._h2.initiate_connection()
        while True:
            for event in await self._next_events():
                if isinstance(event, RemoteSettingsChanged):
                    [setting] = [
                        changed.new_value
                        for code, changed in event.changed_settings.items()
                        if code == SettingCodes.ENABLE_CONNECT_PROTOCOL
                    ]
                    assert setting == 1, "it does not offer WebSockets"
                    return await self._connect(authority, target)

    async def _connect(self, authority: str, target: str) -> dict[str, str]:
        self._stream_id = self._h2.get_next_available_stream_id()
        headers = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "https"),
            (":authority", authority),
            (":path", target),
            ("sec-websocket-version", "13"),
        ]
        self._h2.send_headers(self._stream_id, headers)
        while True:
            for event in await self._next_events():
                if isinstance(event, ResponseReceived):
                    return {str(name): str(value) for name, value in event.headers or ()}

    async def send(self, data: bytes) -> None:
        self._h2.send_data(self._stream_id, data)
        await super().send(self._h2.data_to_send())

    async def read_more(self) -> None:
        for event in await self._next_events():
            if isinstance(event, DataReceived):
                self.buffer += event.data or b""

    async def _next_events(self) -> list[Event]:
        """What comes next; flow control is looked after."""
        await super().send(self._h2.data_to_send())
        frames, self.buffer = self.buffer, bytearray()
        try:
            await super().read_more()
            events = self._h2.receive_data(bytes(self.buffer))
        finally:
            self.buffer = frames
        for event in events:
            if isinstance(event, DataReceived):
                n_bytes = event.flow_controlled_length or 0
                self._h2.acknowledge_received_data(n_bytes, self._stream_id)
        await super().send(self._h2.data_to_send())
        return events


@asynccontextmanager
async def websocket_over_http2(
    port: int, tls: ssl.SSLContext, target: str
) -> AsyncIterator[tuple[Http2WebSocket, dict[str, str]]]:
    """Open one, with the headers of the answer. The context must offer h2 alone."""
    async with connected(port, tls=tls) as connection:
        socket = Http2WebSocket(connection)
        yield socket, await socket.open(f"localhost:{port}", target)
