"""Whose address a client has, behind proxies that may tell and behind others."""

from __future__ import annotations

import ipaddress
import ssl
import struct
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from pipeline.net.access import Access
from pipeline.net.addresses import TrustedProxies, subscriber
from pipeline.net.crowd import Crowd
from pipeline.net.http_server import HttpServer
from pipeline.net.port import Port
from pipeline.net.proxy_protocol import V2_BEGIN
from pipeline.net.service_answers import ServiceAnswers
from pipeline.net.tls import server_context
from pipeline.net.visitors import BURST_CONNECTIONS
from tests.faults.raw_client import ask, connected, get
from tests.net.open_port import ENOUGH, open_port
from tests.server_process import HOST, ROOT

if TYPE_CHECKING:
    from tests.net.upload_server import UploadServer

PROXIES = TrustedProxies([ipaddress.ip_network("127.0.0.1"), ipaddress.ip_network("10.0.0.0/8")])
CLIENT = "203.0.113.5"
LINE = f"PROXY TCP4 {CLIENT} 192.0.2.1 40000 443\r\n".encode()
REST = ipaddress.ip_address(CLIENT).packed + bytes([192, 0, 2, 1]) + struct.pack("!HH", 40000, 443)
BINARY = V2_BEGIN + struct.pack("!BBH", 0x21, 0x11, len(REST)) + REST
BINARY_6 = (
    V2_BEGIN
    + struct.pack("!BBH", 0x21, 0x21, 36 + 3)
    + ipaddress.ip_address("2001:db8::7").packed * 2
    + struct.pack("!HH", 40000, 443)
    + b"\x04\x00\x00"  # a TLV without a value
)
LOCAL = V2_BEGIN + struct.pack("!BBH", 0x20, 0x11, len(REST)) + REST
CERTIFICATES = ROOT / "tests" / "tls"


def forwarded(*addresses: str) -> bytes:
    return get("/").replace(
        b"\r\n\r\n", f"\r\nX-Forwarded-For: {', '.join(addresses)}\r\n\r\n".encode()
    )


@pytest.mark.parametrize(
    ("begin", "client"),
    [
        (b"", HOST),
        (LINE, CLIENT),
        (BINARY, CLIENT),
        (BINARY_6, "2001:db8::7"),
        (LOCAL, HOST),
        (b"PROXY UNKNOWN\r\n", HOST),
    ],
)
async def test_a_proxy_tells_by_its_protocol(begin: bytes, client: str) -> None:
    async with open_port(trusted=PROXIES) as port:
        assert (await ask(port.number, begin + get("/"))).body == client.encode()
        async with connected(port.number) as slow:
            for byte in begin + get("/"):
                await slow.send(bytes([byte]))
                await trio.lowlevel.checkpoint()
            assert (await slow.read_to_end()).endswith(client.encode())


@pytest.mark.parametrize(
    "begin",
    [
        b"PROXY TCP4 nobody 192.0.2.1 1 2\r\n",
        b"PROXY TCP4 203.0.113.5 192.0.2.1 1 65536\r\n",
        b"PROXY " + b"x" * 200,
        V2_BEGIN + b"\x31\x11\x00\x0c" + bytes(12),
        V2_BEGIN + b"\x21\x11\x00\x04" + bytes(4),
        V2_BEGIN + b"\x21\x11\xff\xff",
    ],
)
async def test_what_only_begins_as_a_header_is_refused_and_counted(begin: bytes) -> None:
    async with open_port(trusted=PROXIES) as port:
        async with connected(port.number) as connection:
            await connection.send(begin)
            assert await connection.read_to_end() == b""
        assert port.answers.refused == ["bad_proxy_header"]


@pytest.mark.parametrize("begin", [LINE, BINARY])
async def test_nobody_else_may_tell_by_the_protocol(begin: bytes) -> None:
    async with open_port(trusted=PROXIES) as port:
        refused = await ask(port.number, begin + get("/"), source="127.0.0.2")
        assert (refused.status, refused.json()["code"]) == (400, "bad_request")
        assert not port.answers.told


async def test_the_header_comes_before_tls() -> None:
    tls = server_context(CERTIFICATES / "certificate.pem", CERTIFICATES / "key.pem", str)
    trusting = ssl.create_default_context(cafile=str(CERTIFICATES / "certificate.pem"))
    async with open_port(trusted=PROXIES, tls=tls) as port, connected(port.number) as plain:
        await plain.send(BINARY)
        secured = trio.SSLStream(plain.stream, trusting, server_hostname="localhost")
        await secured.send_all(get("/"))
        answer = b""
        while not answer.endswith(CLIENT.encode()):
            answer += await secured.receive_some()


@pytest.mark.parametrize(
    ("addresses", "client"),
    [
        ([CLIENT], CLIENT),
        (["198.51.100.1", CLIENT], CLIENT),  # the first may be made up by the second
        ([CLIENT, "10.1.2.3"], CLIENT),
        (["10.1.2.3", "10.3.2.1"], "10.1.2.3"),
        ([f"{CLIENT}:40000"], CLIENT),
        (["[2001:db8::7]:40000"], "2001:db8::7"),
        (["2001:db8::7"], "2001:db8::7"),
        (["nobody"], HOST),
        ([CLIENT, "unknown"], HOST),
    ],
)
async def test_a_proxy_tells_by_a_header(addresses: list[str], client: str) -> None:
    async with open_port(trusted=PROXIES) as port:
        assert (await ask(port.number, forwarded(*addresses))).body == client.encode()


async def test_what_cannot_be_read_in_a_header_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_port(trusted=PROXIES) as port:
        for _ in range(3):
            await ask(port.number, forwarded("nobody"))
    assert caplog.text.count("X-Forwarded-For") == 1


async def test_nobody_else_may_tell_by_a_header() -> None:
    async with open_port(trusted=PROXIES) as port:
        answer = await ask(port.number, forwarded(CLIENT), source="127.0.0.2")
        assert answer.body == b"127.0.0.2"


@pytest.mark.parametrize("by", ["protocol", "header"])
async def test_clients_of_a_proxy_are_paced_by_their_own_addresses(
    by: str,
    autojump_clock: trio.testing.MockClock,
) -> None:
    """One behind it floods; another, and the proxy itself, are served at once."""

    def request(client: str) -> bytes:
        if by == "header":
            return forwarded(client)
        return LINE.replace(CLIENT.encode(), client.encode()) + get("/")

    async with open_port(trusted=PROXIES) as port, trio.open_nursery() as nursery:
        for _ in range(BURST_CONNECTIONS + 700):
            nursery.start_soon(_send, port.number, request(CLIENT))
        while not port.crowd.shed["pace"]:
            await trio.sleep(0.01)
        assert (await ask(port.number, request("203.0.113.6"))).body == b"203.0.113.6"
        assert (await ask(port.number, get("/"))).body == HOST.encode()
        nursery.cancel_scope.cancel()


async def _send(port: int, request: bytes) -> None:
    async with connected(port) as connection:
        await connection.send(request)
        await connection.read_to_end()


async def test_uploads_ask_who_the_client_of_the_proxy_is(server: UploadServer) -> None:
    """Only this machine may upload where there are no keys, and the proxy is on it."""
    crowd = Crowd(ENOUGH, PROXIES)
    answers = ServiceAnswers(server.service, HttpServer(server.app), crowd, server.uploads)
    port = Port(answers, Access(), crowd, tls=None, write_stall_s=30)
    [listener] = await trio.open_tcp_listeners(0, host=HOST)
    number: int = listener.socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        await nursery.start(port.serve, [listener])
        assert (await ask(number, get("/api/voices"))).json()["uploads"] is not None
        assert (await ask(number, LINE + get("/api/voices"))).json()["uploads"] is None
        assert (await ask(number, BINARY_6 + get("/api/voices"))).json()["uploads"] is None
        put = b"PUT /api/voices/anna HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
        refused = await ask(number, LINE + put)
        assert (refused.status, refused.json()["code"]) == (403, "uploads_need_a_key")
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("127.0.0.2", "127.0.0.2"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("", ""),
    ],
)
def test_a_network_of_ipv6_is_one(address: str, counted_as: str) -> None:
    assert subscriber(address) == counted_as
