"""Fault 1: the Autobahn catalogue. What is right is taken, what is wrong ends the connection with
the code that is due, and either way the place is free and the server well."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import trio

from pipeline.net.websocket import PING_BYTES
from tests.faults.autobahn import CATALOGUE, AfterPongs
from tests.faults.raw_client import UPGRADE, Closed, connected, only_websocket, wait_for_place
from tests.faults.raw_frames import CLOSE, PING, PONG, TEXT

if TYPE_CHECKING:
    from tests.faults.autobahn import Case
    from tests.faults.raw_client import RawWebSocket
    from tests.faults.raw_frames import Frame
    from tests.server_process import ServerProcess

LAST = b"the last ping"

NO_CODE = 1005
"""Stands for a close that gives none (RFC 6455, 7.4.1)."""

CASES_OF_GROUPS = {1: 16, 2: 11, 3: 7, 4: 10, 5: 20, 6: 145, 7: 37, 9: 54, 10: 1}
"""In the catalogue, without those that need compression."""


class Exchange:
    """One case on one connection."""

    def __init__(self, client: RawWebSocket, case: Case) -> None:
        self.frames: list[Frame] = []
        """All that came."""
        self._client = client
        self._case = case
        self._came = trio.lowlevel.ParkingLot()

    @property
    def pongs(self) -> tuple[bytes, ...]:
        return tuple(frame.payload for frame in self.frames if frame.opcode == PONG)

    async def run(self) -> None:
        """Send all, and see what comes, up to the close or the answers to everything."""
        case = self._case
        n_answers = len(case.pongs) + case.flushes + case.errors
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send)
            with contextlib.suppress(Closed):
                while case.ends_with is not None or len(self.frames) < n_answers:
                    came = await self._client.next_frame()
                    if self._is_sign_of_life(came):
                        continue
                    self.frames.append(came)
                    self._came.unpark_all()
                    if self.frames[-1].opcode == CLOSE:
                        break
            nursery.cancel_scope.cancel()  # all was answered, or nobody listens any more

    def _is_sign_of_life(self, came: Frame) -> bool:
        """A pong that nobody asked for: who sends slowly, and has bytes unread, gets one."""
        is_theirs = came.payload in self._case.pongs
        return came.opcode == PONG and len(came.payload) == PING_BYTES and not is_theirs

    async def _send(self) -> None:
        """The server may close in mid-way."""
        with contextlib.suppress(trio.BrokenResourceError):
            for write in self._case.writes():
                if isinstance(write, AfterPongs):
                    while len(self.pongs) < write.number:
                        await self._came.park()
                else:
                    await self._client.send(write)


async def try_out(server: ServerProcess, case: Case) -> None:
    async with only_websocket(server.port, "events=true") as client:
        await client.next_event("ready")
        exchange = Exchange(client, case)
        await exchange.run()
        texts = [frame.json() for frame in exchange.frames if frame.opcode == TEXT]
        closes = [frame for frame in exchange.frames if frame.opcode == CLOSE]
        n_flushed = sum(text.get("event") == "flushed" for text in texts)
        n_errors = sum(text.get("code") == "bad_message" for text in texts)
        assert exchange.pongs == case.pongs
        if case.ends_with is None:
            assert not closes
            assert (n_flushed, n_errors) == (case.flushes, case.errors)
            await client.send_frame(PING, LAST)
            assert (await client.next_frame()).payload == LAST
            await client.close()
        else:
            # What came before the end may be answered, or be dropped with the connection.
            assert n_flushed <= case.flushes
            assert n_errors == 0
            assert [frame.close_code or NO_CODE for frame in closes] == [case.ends_with]
            assert await client.read_to_end() == b""
    await wait_for_place(server.port)


def cases(*, of_utf_8: bool) -> dict[str, Case]:
    """Group 6, or all others."""
    return {name: case for name, case in CATALOGUE.items() if name.startswith("6.") == of_utf_8}


@pytest.mark.parametrize("case", cases(of_utf_8=False).values(), ids=cases(of_utf_8=False))
async def test_autobahn(narrow_server: ServerProcess, case: Case) -> None:
    await try_out(narrow_server, case)


async def test_autobahn_on_utf_8(narrow_server: ServerProcess) -> None:
    """Byte sequences, one like the other: a test for each would tell nothing more."""
    for name, case in cases(of_utf_8=True).items():
        try:
            await try_out(narrow_server, case)
        except Exception as error:
            error.add_note(f"in case {name}")
            raise


def test_the_catalogue_is_whole() -> None:
    assert Counter(int(name.partition(".")[0]) for name in CATALOGUE) == CASES_OF_GROUPS


async def test_compression_is_not_agreed_on(narrow_server: ServerProcess) -> None:
    """Which the catalogue's groups 12 and 13 are about."""
    async with connected(narrow_server.port) as connection:
        offer = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        await connection.send(b"GET /ws/stream HTTP/1.1\r\n" + UPGRADE + offer + b"\r\n")
        await connection.read_head()
    assert connection.buffer.startswith(b"HTTP/1.1 101 ")
    assert b"sec-websocket-extensions" not in connection.buffer.lower()
    await wait_for_place(narrow_server.port)
