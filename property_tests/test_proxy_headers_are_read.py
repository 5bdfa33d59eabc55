"""The laws of PROXY headers: however they are cut they are read the same, what stands behind them
stays, and no bytes do anything but be refused."""

from __future__ import annotations

import contextlib
import ipaddress
import struct

from hypothesis import given
from hypothesis import strategies as st

from pipeline.net.addresses import TrustedProxies, parse_address, subscriber
from pipeline.net.proxy_protocol import (
    V1_BEGIN,
    V1_MAX_BYTES,
    V2_BEGIN,
    V2_MAX_REST,
    Malformed,
    ProxyHeader,
    read_proxy_header,
)

addresses = st.ip_addresses(v=4) | st.ip_addresses(v=6)
ports = st.integers(0, 65535)


def line(source: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> bytes:
    other = "192.0.2.1" if source.version == 4 else "2001:db8::1"
    return f"PROXY TCP{source.version} {source} {other} {port} 443\r\n".encode()


def binary(
    source: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, tlvs: bytes = b""
) -> bytes:
    family = 0x11 if source.version == 4 else 0x21
    rest = 2 * source.packed + struct.pack("!HH", port, 443) + tlvs
    return V2_BEGIN + struct.pack("!BBH", 0x21, family, len(rest)) + rest


@given(addresses, ports, st.binary(max_size=40), st.binary(max_size=40))
def test_headers_are_read_however_they_are_cut(
    source: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, tlvs: bytes, behind: bytes
) -> None:
    for header in (line(source, port), binary(source, port, tlvs)):
        for cut in range(len(header)):
            assert read_proxy_header(header[:cut]) is None
        assert read_proxy_header(header + behind) == ProxyHeader(len(header), str(source))


begins = st.sampled_from([b"", V1_BEGIN, V1_BEGIN + b"TCP4 ", V2_BEGIN, V2_BEGIN + b"\x21\x11"])


@given(begins, st.binary(max_size=5000))
def test_anything_else_is_refused_or_is_no_header(begin: bytes, rest: bytes) -> None:
    data = begin + rest
    with contextlib.suppress(Malformed):
        header = read_proxy_header(data)
        if header is None:  # then it is a bounded number of bytes that may yet come
            assert len(data) < max(V1_MAX_BYTES, 16 + V2_MAX_REST)
        else:
            assert header.n_bytes <= len(data)
            assert header.client is None or parse_address(header.client) is not None


@given(st.lists(addresses.map(str) | st.text(max_size=20), max_size=10), addresses)
def test_nobody_is_believed_but_what_stands_behind_the_last_proxy(
    made_up: list[str], client: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> None:
    """Whatever a client writes into X-Forwarded-For, its proxy adds the client itself."""
    trusted = TrustedProxies([ipaddress.ip_network("203.0.113.0/24")])
    told = trusted.client("203.0.113.7", [*made_up, str(client), "203.0.113.8"])
    if str(client) not in trusted:
        assert ipaddress.ip_address(told or "") in {client, getattr(client, "ipv4_mapped", None)}


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_a_network_of_ipv6_is_one_subscriber(source: ipaddress.IPv6Address, host: int) -> None:
    network = int(source) >> 64 << 64
    if network:  # else it may be IPv4, written as IPv6
        one, other = (str(ipaddress.IPv6Address(network | at)) for at in (host, int(source)))
        assert subscriber(one) == subscriber(other)
