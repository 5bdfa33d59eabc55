"""How a connection ends: its client vanishes or falls silent. How a server leaves it is tested in
tests/test_leaving.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from pipeline.close_code import CloseCode
from tests.fakes import ListPeer, converse, service, text_of, token
from tests.inline_models import InlineModels

if TYPE_CHECKING:
    from trio.testing import MockClock


async def test_a_client_that_vanishes_leaves_nothing_behind(autojump_clock: MockClock) -> None:
    models = InlineModels(iter([0.05] * 1000))
    peer = ListPeer(token("A long story; and more"), ends=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(converse, peer, service(models))
        await trio.sleep(0.3)
        assert models.open_requests
        peer.vanish()
    assert models.open_requests == 0


async def test_a_client_that_is_idle_too_long_is_closed(autojump_clock: MockClock) -> None:
    server = service(InlineModels(iter([1.0] * 1000)), idle_timeout_s=5)
    peer = ListPeer(token("Hello there my friend!"), ends=False)  # takes longer than 5 s to say
    began = trio.current_time()
    assert await converse(peer, server) == CloseCode.NORMAL
    assert text_of(peer.pcm) == "Hello there my friend!"
    assert 22 + 5 <= trio.current_time() - began <= 22 + 5 + 5 + 1


async def test_a_client_that_is_idle_with_a_word_pending_is_closed_too(
    autojump_clock: MockClock,
) -> None:
    peer = ListPeer(token("Hello there! And"), ends=False)
    assert await converse(peer, service(idle_timeout_s=5)) == CloseCode.NORMAL
    assert text_of(peer.pcm) == "Hello there!And"
    assert trio.current_time() < 11
