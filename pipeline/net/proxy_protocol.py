"""The header by which a TCP proxy says whose connection it passes on: HAProxy's PROXY protocol,
versions 1 and 2, after its specification of 2020/03/05 ("The PROXY protocol", Willy Tarreau; 2.1
has the line of text, 2.2 the binary header). Pure.

What a version 2 header has behind its addresses (TLVs, 2.2.1 and on) is skipped.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

V1_BEGIN = b"PROXY "
V1_END = b"\r\n"
V1_MAX_BYTES = 107
"""The longest line, its end included (2.1)."""

V2_BEGIN = b"\r\n\r\n\x00\r\nQUIT\n"
V2_FIXED_BYTES = 16
"""The signature, version and command, family, and the length of the rest."""
V2_MAX_REST = 4096
"""Addresses and TLVs: the largest, a client's certificate, stays well below."""

LOCAL, PROXY = 0x20, 0x21
"""Version 2 and a command: the proxy's own connection, or somebody's."""

ADDRESS_BYTES = {0x1: 4, 0x2: 16}
"""Of an address, by its family: AF_INET and AF_INET6. Others tell nobody's address (2.2)."""


class Malformed(ValueError):
    """A header that begins as one and is none."""


class ProxyHeader(NamedTuple):
    """What stands before the client's own bytes."""

    n_bytes: int
    """Its length; 0: there is none."""
    client: str | None
    """The client's address; None: the connection is the proxy's own, or its client has none."""


NO_HEADER = ProxyHeader(0, None)


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """The header that a connection begins with; None: more bytes are needed to say.

    Raises `Malformed`."""
    if data.startswith(V1_BEGIN):
        return _read_line(data)
    if data.startswith(V2_BEGIN):
        return _read_binary(data)
    may_become_one = V1_BEGIN.startswith(data) or V2_BEGIN.startswith(data)
    return None if may_become_one else NO_HEADER


def _read_line(data: bytes) -> ProxyHeader | None:
    line, end, _ = data[:V1_MAX_BYTES].partition(V1_END)
    if not end:
        if len(data) >= V1_MAX_BYTES:
            raise Malformed(f"its line is over {V1_MAX_BYTES} bytes")
        return None
    n_bytes = len(line) + len(V1_END)
    match line.decode("latin-1").split(" "):
        case ["PROXY", "UNKNOWN", *_]:
            return ProxyHeader(n_bytes, None)
        case ["PROXY", "TCP4" | "TCP6" as family, source, destination, *ports] if len(ports) == 2:
            kind = ipaddress.IPv4Address if family == "TCP4" else ipaddress.IPv6Address
            try:
                kind(destination)
                client = str(kind(source))
            except ValueError as error:
                raise Malformed(str(error)) from None
            if all(map(_is_port, ports)):
                return ProxyHeader(n_bytes, client)
    raise Malformed("its line has no two addresses and two ports")


def _is_port(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 5 and int(word) <= 65535


def _read_binary(data: bytes) -> ProxyHeader | None:
    if len(data) < V2_FIXED_BYTES:
        return None
    command, family = data[12], data[13] >> 4
    n_rest = int.from_bytes(data[14:V2_FIXED_BYTES], "big")
    if command not in {LOCAL, PROXY}:
        raise Malformed(f"version and command are {command:#x}")
    if n_rest > V2_MAX_REST:
        raise Malformed(f"it is {n_rest} bytes long")
    n_bytes = V2_FIXED_BYTES + n_rest
    if len(data) < n_bytes:
        return None
    n_address = ADDRESS_BYTES.get(family)
    if command == LOCAL or n_address is None:
        return ProxyHeader(n_bytes, None)
    if n_rest < 2 * (n_address + 2):
        raise Malformed("its addresses are cut off")
    source = data[V2_FIXED_BYTES : V2_FIXED_BYTES + n_address]
    return ProxyHeader(n_bytes, str(ipaddress.ip_address(source)))
