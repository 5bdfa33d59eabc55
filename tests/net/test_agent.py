"""What HAProxy is told on the agent's port."""

from __future__ import annotations

import contextlib
import ipaddress
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from pipeline.dialects.cartesia_socket import Cartesia
from pipeline.dialects.dialect import Handshake
from pipeline.net.access import Access
from pipeline.net.addresses import TrustedProxies
from pipeline.net.agent import Agent
from pipeline.net.crowd import Crowd
from pipeline.net.port import Port
from pipeline.rehearsal import rehearse
from pipeline.session import Session
from tests.fakes import converse, service, token
from tests.net.open_port import ENOUGH, Telling
from tests.server_process import HOST
from tests.timed_models import SENTENCE, SlowSpeaker, TimedPeer, slow_service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

HERE = TrustedProxies([ipaddress.ip_network("127.0.0.1")])


@asynccontextmanager
async def open_agent(agent: Agent, trusted: TrustedProxies | None = None) -> AsyncIterator[int]:
    """The number of its port."""
    port = Port(Telling(), Access(), Crowd(ENOUGH, trusted), tls=None, write_stall_s=30)
    sockets = await trio.open_tcp_listeners(0, host=HOST)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(port.accept, sockets, agent.serve, is_for_proxies=True))
        yield sockets[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def ask(port: int, *, sends: bytes = b"") -> str:
    """All that it says up to the end of the connection."""
    said = b""
    async with await trio.open_tcp_stream(HOST, port) as stream:
        await stream.send_all(sends)
        async for data in stream:
            said += data
    return said.decode()


@pytest.mark.parametrize("trusted", [None, HERE], ids=["stranger", "trusted proxy"])
async def test_each_connection_is_told_one_line_and_closed(trusted: TrustedProxies | None) -> None:
    """HAProxy may send a line of its own (``agent-send``), and mostly sends nothing: a proxy that
    may tell whose connection it passes on is not waited for here."""
    agent = Agent()
    async with open_agent(agent, trusted) as port:
        assert await ask(port) == "up drain\n"  # it is starting
        agent.service = service(max_listeners=10)
        for sends in (b"", b"how are you?\n", b"x" * 100_000):
            assert await ask(port, sends=sends) == "up ready maxconn:10\n"


async def test_nobody_is_sent_to_a_server_that_would_not_speak() -> None:
    agent = Agent()
    agent.service = service()
    agent.service.executor.fault = "the model thread hangs"
    assert agent.words == "up drain"
    agent.service.executor.fault = None
    assert agent.words.startswith("up ready ")
    agent.service.leaving.drain()
    assert agent.words == "up drain"
    agent.service.leaving.stay()
    assert agent.words.startswith("up ready ")
    agent.service.leaving.close()
    assert agent.words == "up drain"


async def test_sockets_that_wait_in_a_pool_keep_nobody_out() -> None:
    """HAProxy counts them like all others: without this four of them fill a server with four
    places, of which none is taken."""
    agent = Agent()
    server = agent.service = service(max_listeners=4)
    pooled = [
        Session(Cartesia(Handshake("/tts/websocket"), server.names_for(None)), server)
        for _ in range(3)
    ]
    with contextlib.ExitStack() as stack:
        for session in pooled:
            stack.enter_context(session.begin())
        with server.admit():
            assert agent.words == "up ready maxconn:7"
    assert agent.words == "up ready maxconn:4"


async def test_the_number_is_of_those_there_are_and_of_those_who_may_come(
    autojump_clock: MockClock,
) -> None:
    """Each takes 0.3 of the machine while it is spoken to. One who has a place and says nothing
    has it all the same. Where it is too slow for one, it speaks to one."""
    agent = Agent()
    server = agent.service = await slow_service(SlowSpeaker(0.3))
    await rehearse(server, server.style)
    await rehearse(server, server.style)
    assert agent.words == "up ready maxconn:3"
    silent, speaks = TimedPeer(ends=False), TimedPeer(ends=False)
    async with trio.open_nursery() as nursery:
        for peer in (silent, speaks):
            nursery.start_soon(converse, peer, server)
        with server.admit(), server.admit():
            await trio.sleep(1)
            assert agent.words == "up ready maxconn:5"  # nobody is spoken to: 2 there, 3 to come
            speaks.say(token(SENTENCE * 5))
            await trio.sleep(5)
            assert agent.words == "up ready maxconn:4"
        silent.hang_up()
        speaks.hang_up()
    agent.service = await slow_service(SlowSpeaker(3.0))
    await rehearse(agent.service, agent.service.style)
    assert agent.words == "up ready maxconn:1"
