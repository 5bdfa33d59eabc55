"""Servers behind HAProxy that end, as they should and by force. The fixture starts them again for
whoever comes next: nobody, where this file is the last."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import trio

from tests.cluster.speakers import EVENTS, Speaker, say_the_rest, speakers, speech, until_status
from tests.faults.raw_client import Closed, Refused, websocket

if TYPE_CHECKING:
    from tests.cluster.balanced import Cluster


async def test_at_sigterm_who_is_still_sending_text_says_it_to_the_end(cluster: Cluster) -> None:
    """Four of four were cut at 38 %: at SIGTERM no more text was read."""
    expected = await speech(cluster)
    async with speakers(cluster.port, 12) as those:
        assert cluster.sessions(2) > 0
        cluster.terminate(2)
        await until_status(cluster, 2, "DRAIN (agent)")
        async with speakers(cluster.port, 2) as newcomers:
            assert await say_the_rest([*those, *newcomers]) == expected
    assert await cluster.servers[2].wait() == 0


async def test_a_server_that_dies_is_left_at_once_and_all_is_heard_again(cluster: Cluster) -> None:
    """Its listeners see the end, connect again and are served elsewhere; the same text is the same
    sound, so they lose nothing."""
    expected = await speech(cluster)
    heard: list[bytes] = []

    async def speak_until_heard() -> None:
        while True:
            with contextlib.suppress(Closed, Refused, trio.BrokenResourceError):
                async with websocket(cluster.port, EVENTS) as socket:
                    speaker = Speaker(socket)
                    await speaker.begin()
                    if not heard_first.is_set():
                        begun.append(speaker)
                        await heard_first.wait()
                    heard.append(await speaker.end())
                    return

    heard_first, begun = trio.Event(), list[Speaker]()
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(speak_until_heard)
        while len(begun) < 10:
            await trio.sleep(0.01)
        assert cluster.sessions(2) > 0
        cluster.kill(2)
        heard_first.set()
    assert len(heard) == 10
    assert set(heard) == expected
