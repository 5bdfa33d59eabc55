"""HAProxy itself before the agent's port, and before a port that trusts it."""

from __future__ import annotations

import ipaddress
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from pipeline.net.addresses import TrustedProxies
from pipeline.net.agent import Agent
from tests.fakes import service
from tests.faults.raw_client import ask, get
from tests.haproxy import find_haproxy, rows_of
from tests.net.open_port import open_port
from tests.net.test_agent import open_agent
from tests.server_process import HOST, LOOK_EVERY_S, PATIENCE_S, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HAPROXY = find_haproxy()

pytestmark = pytest.mark.skipif(HAPROXY is None, reason="HAProxy is not installed")

CLIENT = "127.0.0.9"

DEFAULTS = """
global
  stats socket {stats} level admin
defaults
  mode {mode}
  timeout connect 5s
  timeout client 5s
  timeout server 5s
  timeout check 5s
  option httpclose
"""


class Watched:
    """HAProxy, and what it says of its one server."""

    def __init__(self, stats: Path) -> None:
        self._stats = stats

    async def told(self, command: str) -> str:
        """Its answer to a command on its socket."""
        answer = b""
        async with await trio.open_unix_socket(self._stats) as stream:
            await stream.send_all(command.encode() + b"\n")
            async for data in stream:
                answer += data
        return answer.decode()

    async def server(self) -> dict[str, str]:
        """The row of the server in its statistics."""
        return rows_of(await self.told("show stat"), "voices")["s1"]

    async def wait_for(self, **expected: str) -> None:
        """Until the row has these values."""
        with trio.fail_after(PATIENCE_S):
            while not expected.items() <= (await self.server()).items():
                await trio.sleep(LOOK_EVERY_S)


@asynccontextmanager
async def open_balancer(folder: Path, mode: str, rest: str) -> AsyncIterator[Watched]:
    stats, file = folder / "stats", folder / "haproxy.cfg"
    file.write_text(DEFAULTS.format(stats=stats, mode=mode) + rest)
    assert HAPROXY is not None
    process = await trio.lowlevel.open_process([HAPROXY, "-db", "-f", str(file)])
    try:
        with trio.fail_after(PATIENCE_S):
            while not stats.exists():
                assert process.poll() is None
                await trio.sleep(LOOK_EVERY_S)
        yield Watched(stats)
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def test_the_agents_words_mean_to_haproxy_what_they_are_to_mean(tmp_path: Path) -> None:
    """It drains while the server starts and when that is drained, takes its number over as its own
    `maxconn`, and takes a drain back, also one that was asked of itself, which `up` would not."""
    agent, port = Agent(), free_port()
    async with open_agent(agent) as agent_port:
        servers = (
            f"backend voices\n  server s1 {HOST}:{port} maxconn 256"
            f" agent-check agent-port {agent_port} agent-inter 20ms\n"
        )
        async with open_balancer(tmp_path, "http", servers) as balancer:
            await balancer.wait_for(status="DRAIN (agent)", agent_status="L7OK")
            agent.service = service(max_listeners=7)
            await balancer.wait_for(status="no check", slim="7")
            agent.service.leaving.drain()
            await balancer.wait_for(status="DRAIN (agent)")
            agent.service.leaving.stay()
            await balancer.wait_for(status="no check")
            await balancer.told("set server voices/s1 state drain")
            agent.service.executor.fault = "the model thread hangs"
            await balancer.wait_for(status="DRAIN (agent)")
            agent.service.executor.fault = None
            await balancer.wait_for(status="no check")


@pytest.mark.parametrize(
    "sends",
    [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2 proxy-v2-options crc32c,unique-id,authority,ssl,cert-cn",
        "send-proxy-v2-ssl-cn",
    ],
)
async def test_each_header_that_haproxy_sends_is_understood(tmp_path: Path, sends: str) -> None:
    """Its own health checks have one, too, which tells of nobody (LOCAL)."""
    trusted = TrustedProxies([ipaddress.ip_network("127.0.0.1")])
    number = free_port()
    async with open_port(trusted=trusted) as port:
        listening = (
            f"listen voices\n  bind {HOST}:{number}\n  unique-id-format %[uuid()]\n"
            "  option httpchk GET /health/live\n"
            f"  server s1 {HOST}:{port.number} check inter 20ms check-send-proxy {sends}\n"
        )
        async with open_balancer(tmp_path, "http", listening) as balancer:
            await balancer.wait_for(status="UP", check_status="L7OK", check_code="200")
            assert set(port.answers.told) == {HOST}  # by its checks
            answer = await ask(number, get("/"), source=CLIENT)
            assert (answer.status, answer.body) == (200, CLIENT.encode())
        assert not port.answers.refused
