"""The announcement of the Wyoming port in the local network, by which Home Assistant finds it by
itself (mDNS, RFC 6762 and 6763). Only this file knows zeroconf.
"""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

import ifaddr
import structlog
import trio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroconf import Zeroconf

log = structlog.stdlib.get_logger(__name__)

SERVICE = "_wyoming._tcp.local."

MAX_NAME_CHARS = 40
"""Of this machine's name in the service's, which has room for 63 bytes."""

LEAVES_WITHIN_S = 2.0
"""The limit for saying that the service is gone: it is said three times, an eighth of a second
apart."""


async def announce(port: int, hosts: Sequence[str]) -> None:
    """Announce a port at these addresses, at those of IPv4 if there are any, until cancelled. Where
    that cannot be done it is logged: the port can then be asked for by hand."""
    zeroconf: Zeroconf | None = None
    hosts = [host for host in hosts if ip_address(host).version == 4] or list(hosts)
    try:
        # In threads: zeroconf has an event loop of its own, and its calls wait for that.
        zeroconf = await trio.to_thread.run_sync(_open, hosts)
        await trio.to_thread.run_sync(_register, zeroconf, port, hosts)
        await trio.sleep_forever()
    except Exception as error:  # noqa: BLE001 - what a network can have is not listed
        log.warning("cannot announce the Wyoming port in the network: %r", error)
    finally:
        if zeroconf is not None:
            with trio.move_on_after(LEAVES_WITHIN_S, shield=True):
                await trio.to_thread.run_sync(zeroconf.close, abandon_on_cancel=True)


def _open(hosts: list[str]) -> Zeroconf:
    from zeroconf import InterfaceChoice, IPVersion, Zeroconf  # noqa: PLC0415 - 0.2 s, for few

    if _is_everywhere(hosts):
        return Zeroconf(InterfaceChoice.All, ip_version=IPVersion.V4Only)
    return Zeroconf(hosts, ip_version=IPVersion.All)


def _register(zeroconf: Zeroconf, port: int, hosts: list[str]) -> None:
    from zeroconf import ServiceInfo  # noqa: PLC0415 - as above

    addresses = _of_this_machine() if _is_everywhere(hosts) else hosts
    machine = socket.gethostname().partition(".")[0][:MAX_NAME_CHARS]
    info = ServiceInfo(
        SERVICE, f"Voice server on {machine}.{SERVICE}", port=port, parsed_addresses=addresses
    )
    zeroconf.register_service(info, allow_name_change=True)
    log.info("announced as %r at %s", info.name, " and ".join(addresses))


def _is_everywhere(hosts: list[str]) -> bool:
    return any(ip_address(host).is_unspecified for host in hosts)


def _of_this_machine() -> list[str]:
    """The IPv4 addresses by which others reach this machine."""
    found = [str(own.ip) for adapter in ifaddr.get_adapters() for own in adapter.ips if own.is_IPv4]
    return [address for address in found if not ip_address(address).is_loopback]
