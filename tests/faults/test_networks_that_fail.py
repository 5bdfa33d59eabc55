"""What networks do to connections, through a proxy that does it: nothing is heard wrong, and no
place stays taken."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import h11
import pytest
import trio

from tests.faults.fault_proxy import FATES, Faults, fault_proxy
from tests.faults.raw_client import (
    Closed,
    Refused,
    ask,
    post,
    wait_for_place,
    websocket,
)
from tests.faults.raw_frames import sound

if TYPE_CHECKING:
    from tests.server_process import ServerProcess

TEXT = "It rains."
"""Short: byte by byte, each second of it takes as long."""

LONG_TEXT = (
    "This is a text of some sentences. They are said through a network that is not well! " * 20
)

SLOW = {
    "late": Faults(delay_s=0.02),
    "slow": Faults(bytes_per_s=400_000, piece_bytes=4096),
    "byte by byte": Faults(piece_bytes=1),
    "in odd pieces": Faults(piece_bytes=1021),
}


async def hear(port: int) -> bytes:
    async with websocket(port, "events=true&sample_rate=8000&encoding=s16le") as client:
        await client.speak(TEXT, flush=True)
        heard = sound(await client.frames_until_event("flushed"))
        await client.close()
        return heard


@pytest.mark.parametrize("faults", SLOW.values(), ids=SLOW)
async def test_a_slow_network_changes_nothing_that_is_heard(
    server: ServerProcess, faults: Faults
) -> None:
    async with fault_proxy(server.port, to_server=faults, to_client=faults) as port:
        assert await hear(port) == await hear(server.port)


SPOILT = {
    f"{then} after {n_bytes} bytes {way}": {way: Faults(after_bytes=n_bytes, then=then)}
    for way, sizes in (
        ("to_server", (0, 1, 100, 300, 1000)),
        ("to_client", (0, 50, 200, 5_000, 300_000)),
    )
    for then in FATES
    for n_bytes in sizes
}


UNREADABLE = (AssertionError, ValueError, h11.RemoteProtocolError)
"""What this client makes of garbage: a frame that cannot be, text that is no UTF-8 or no JSON, no
HTTP. Which of them, that is decided by how the bytes before it came in pieces."""


@pytest.mark.parametrize("faults", SPOILT.values(), ids=SPOILT)
async def test_a_connection_that_is_spoilt_leaves_its_place(
    narrow_server: ServerProcess, faults: dict[str, Faults]
) -> None:
    await wait_for_place(narrow_server.port)
    async with fault_proxy(narrow_server.port, **faults) as port:
        # How far it comes, and in what way it ends, is the network's business.
        with contextlib.suppress(Closed, Refused, trio.BrokenResourceError, *UNREADABLE):
            with trio.move_on_after(1):
                async with websocket(port, "events=true") as client:
                    await client.speak(LONG_TEXT)
                    await client.speak(LONG_TEXT, flush=True)
                    await client.frames_until_event("flushed")
    await wait_for_place(narrow_server.port)


async def test_others_hear_the_same_meanwhile(server: ServerProcess) -> None:
    alone = await hear(server.port)
    faults = Faults(after_bytes=20_000, then="reset")
    async with fault_proxy(server.port, to_client=faults) as port, trio.open_nursery() as nursery:

        async def suffer() -> None:
            while True:
                with contextlib.suppress(Closed, trio.BrokenResourceError, trio.TooSlowError):
                    async with websocket(port) as client:
                        await client.speak(LONG_TEXT)
                        await client.read_to_end()

        for _ in range(4):
            nursery.start_soon(suffer)
        for _ in range(4):
            assert await hear(server.port) == alone
        nursery.cancel_scope.cancel()


async def test_an_http_answer_arrives_through_a_slow_network(server: ServerProcess) -> None:
    request = post("/api/speak", {"text": TEXT})
    faults = Faults(delay_s=0.01, piece_bytes=16_384)
    async with fault_proxy(server.port, to_server=faults, to_client=faults) as port:
        slowly = await ask(port, request)
    assert slowly.body == (await ask(server.port, request)).body
