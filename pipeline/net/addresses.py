"""Addresses of clients: which of them count as one, and what trusted proxies tell of them. Pure."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

SUBSCRIBER_BITS = 64
"""Of an IPv6 address, what a subscriber does not choose: each has a /64 at least (RFC 6177)."""

MAX_FORWARDED = 64
"""Addresses in X-Forwarded-For that are looked at, from the right: one for each proxy."""

_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d+)?|(\d+(?:\.\d+){3}):\d+")
"""An address as some proxies write it."""


def subscriber(address: str) -> str:
    """The part of an address that whoever is behind it cannot change: of IPv6 its network."""
    if ":" not in address:
        return address
    parsed = parse_address(address)
    if not isinstance(parsed, ipaddress.IPv6Address):
        return address if parsed is None else str(parsed)
    return str(ipaddress.ip_network((int(parsed), SUBSCRIBER_BITS), strict=False))


def parse_address(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address; IPv4 that is written as IPv6 is IPv4. None: it is none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


class TrustedProxies:
    """The proxies in front of the server that may tell whose address their client has."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._networks = tuple(networks)

    def __contains__(self, address: str) -> bool:
        if not self._networks:
            return False
        parsed = parse_address(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def client(self, proxy: str, forwarded: Sequence[str]) -> str | None:
        """The client of a trusted proxy, by the words of X-Forwarded-For: each proxy adds on the
        right whom it was asked by, so what is left of the first that is not trusted may be made
        up. The proxy itself where there are none; None: there is no telling."""
        client = proxy
        for word in reversed(forwarded[-MAX_FORWARDED:]):
            with_port = _WITH_PORT.fullmatch(word)
            parsed = parse_address((with_port[1] or with_port[2]) if with_port else word)
            if parsed is None:
                return None
            client = str(parsed)
            if client not in self:
                break
        return client
