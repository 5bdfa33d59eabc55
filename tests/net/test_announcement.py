"""The Wyoming port in the local network: it can be found, and is gone when the server is."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

import pytest
import trio
from structlog.testing import capture_logs
from zeroconf import ServiceBrowser, ServiceStateChange, Zeroconf

from pipeline.net.announcement import SERVICE, announce
from tests.server_process import HOST, PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "224.0.0.251"
"""Where mDNS is spoken (RFC 6762, 3)."""


def has_multicast() -> bool:
    """Whether this machine can hear itself over the loopback device."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hears:
        hears.settimeout(1)
        hears.bind(("", 0))
        local = socket.inet_aton(HOST)
        try:
            group = struct.pack("4s4s", socket.inet_aton(GROUP), local)
            hears.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
            hears.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, local)
            hears.sendto(b"?", (GROUP, hears.getsockname()[1]))
            return hears.recv(1) == b"?"
        except OSError:
            return False


@pytest.fixture
def listener() -> Iterator[Zeroconf]:
    """Somebody who looks for services on this machine, as Home Assistant does in a network."""
    if not has_multicast():
        pytest.skip("there is no multicast on the loopback device")
    with Zeroconf([HOST]) as listener:
        yield listener


async def test_the_port_is_found_and_its_end_is_told(listener: Zeroconf) -> None:
    seen: list[tuple[ServiceStateChange, str]] = []

    def note(
        zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        del zeroconf, service_type
        seen.append((state_change, name))

    def names(state: ServiceStateChange) -> list[str]:
        return [name for change, name in seen if change == state]

    browser = ServiceBrowser(listener, SERVICE, handlers=[note])
    try:
        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(announce, 10_200, ["::1", HOST])
                while not names(ServiceStateChange.Added):
                    await trio.sleep(0.02)
                (name,) = names(ServiceStateChange.Added)
                info = await trio.to_thread.run_sync(listener.get_service_info, SERVICE, name)
                assert info is not None
                assert (info.port, info.parsed_addresses()) == (10_200, [HOST])
                nursery.cancel_scope.cancel()
            while not names(ServiceStateChange.Removed):
                await trio.sleep(0.02)
    finally:
        await trio.to_thread.run_sync(browser.cancel)


async def test_where_it_cannot_be_announced_that_is_logged_and_the_server_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> Zeroconf:
        raise OSError("no such device")

    monkeypatch.setattr("zeroconf.Zeroconf", fail)
    with capture_logs() as logs:
        await announce(10_200, [HOST])
    (entry,) = logs
    assert entry["log_level"] == "warning"
    assert "Wyoming" in entry["event"]
