"""Whether a request comes from the machine that the server runs on, of a server that nobody else
reaches. Pure: it reads a request's head. A proxy there makes everybody's requests its own, and
mostly says so."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from pipeline.net.access import host_name, is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

PROXIES = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""Headers that say that a request was passed on."""


def comes_from_here(peer: str, values: Callable[[str], list[str]]) -> bool:
    """Whether a client on this machine sent the request by itself. `peer` is its address, `values`
    gives the values of a header by its name in lower case."""
    hosts = [host_name(host) for host in values("host") if host]
    is_passed_on = any(values(header) for header in PROXIES)
    return _is_this_machine(peer) and all(map(is_loopback, hosts)) and not is_passed_on


def _is_this_machine(peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
