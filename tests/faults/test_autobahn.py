"""Fault 1: the Autobahn catalogue. What is right is taken, what is wrong ends the connection,
with the code that is due if with any, and either way the place is free and the server well."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
import trio

from tests.faults.autobahn import CATALOGUE
from tests.faults.raw_client import Closed, only_websocket, wait_for_place
from tests.faults.raw_frames import CLOSE, PING, PONG, TEXT

if TYPE_CHECKING:
    from tests.faults.autobahn import Case
    from tests.faults.raw_client import RawWebSocket
    from tests.faults.raw_frames import Frame
    from tests.server_process import ServerProcess

LAST = b"the last ping"

BREACHES = frozenset({1002, 1007})
NO_CODE = 1005
"""Stands for a close that gives none (RFC 6455, 7.4.1)."""


async def send(client: RawWebSocket, case: Case) -> None:
    """In the writes that the case asks for; the server may have closed in mid-way."""
    size = case.chop or len(case.sent)
    with contextlib.suppress(trio.BrokenResourceError):
        for at in range(0, len(case.sent), size):
            await client.send(case.sent[at : at + size])


async def answers(client: RawWebSocket, case: Case) -> list[Frame]:
    """All that comes, up to the close or the end, or to the answers to everything."""
    frames: list[Frame] = []
    n_answers = len(case.pongs) + case.flushes + case.errors
    with contextlib.suppress(Closed):
        while case.ends_with is not None or len(frames) < n_answers:
            frames.append(await client.next_frame())
            if frames[-1].opcode == CLOSE:
                break
    return frames


@pytest.mark.parametrize("case", CATALOGUE.values(), ids=CATALOGUE)
async def test_autobahn(narrow_server: ServerProcess, case: Case) -> None:
    async with only_websocket(narrow_server.port, "events=true") as client:
        await client.next_event("ready")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, client, case)
            frames = await answers(client, case)
        texts = [frame.json() for frame in frames if frame.opcode == TEXT]
        closes = [frame for frame in frames if frame.opcode == CLOSE]
        n_flushed = sum(text.get("event") == "flushed" for text in texts)
        pongs = tuple(frame.payload for frame in frames if frame.opcode == PONG)
        if case.ends_with is None:
            assert not closes
            assert n_flushed == case.flushes
            assert sum(text.get("code") == "bad_message" for text in texts) == case.errors
            assert pongs == case.pongs
            await client.send_frame(PING, LAST)
            assert (await client.next_frame()).payload == LAST
            await client.close()
        else:
            # What came before the breach may be answered, or be dropped with the connection.
            assert n_flushed <= case.flushes
            codes = [frame.close_code or NO_CODE for frame in closes]
            # The library drops the connection on a breach; the RFC (7.1.7) only advises a close.
            assert codes == [case.ends_with] or (not codes and case.ends_with in BREACHES)
            await client.read_to_end()
    await wait_for_place(narrow_server.port)
