"""What is spoken through HAProxy: HTTP/2, WebSockets over both versions, TLS, Wyoming, keys and
Origin, the names of requests, and the frames that the oldest clients must find whole."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from tests.clients.test_seed_samples import STORY, run_client, words
from tests.cluster.balanced import SERVER_OPTIONS
from tests.cluster.balancer import running_balancer
from tests.cluster.websocket_over_http2 import websocket_over_http2
from tests.faults.raw_client import UPGRADE, connected, websocket
from tests.faults.raw_frames import sound
from tests.faults.test_wyoming import Client as WyomingClient
from tests.server_process import HOST, PATIENCE_S, ROOT, free_port, running_server, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.balanced import Cluster
    from tests.cluster.balancer import Balancer

TEXT = "Hello there, all of you."
KEY = "a-key-of-thirty-two-letters-or-so"
NODE_SAMPLE = ROOT / "tests" / "clients" / "run_seed_node.js"


@pytest.fixture(scope="module")
def secured(shared_cluster: Cluster) -> Iterator[Balancer]:
    """A balancer that speaks TLS, before the same servers."""
    with running_balancer(shared_cluster.addresses, tls=True) as balancer:
        yield balancer


@pytest.fixture(scope="module")
def keyed(haproxy: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balancer]:
    """A balancer that speaks TLS, before a server that asks for a key."""
    del haproxy
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(KEY)
    keys.chmod(0o600)
    with (
        running_server("--api-keys-file", str(keys), *SERVER_OPTIONS) as server,
        running_balancer([f"{HOST}:{server.port},places=4"], tls=True) as balancer,
    ):
        yield balancer
        assert KEY not in balancer.log


@pytest.fixture(scope="module")
def tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ROOT / "tests" / "tls" / "certificate.pem"))


@pytest.fixture
def tls_for_http2(tls: ssl.SSLContext) -> Iterator[ssl.SSLContext]:
    tls.set_alpn_protocols(["h2"])
    yield tls
    tls.set_alpn_protocols(["http/1.1"])


def speak(url: str, client: httpx.Client) -> httpx.Response:
    asked = {"model": "tts-1", "voice": "alloy", "input": TEXT, "response_format": "pcm"}
    return client.post(url + "/v1/audio/speech", json=asked, timeout=PATIENCE_S)


def test_openais_route_speaks_over_http2(
    cluster: Cluster, secured: Balancer, tls: ssl.SSLContext
) -> None:
    with httpx.Client(http2=True, verify=tls) as client:
        answer = speak(secured.url, client)
    with httpx.Client() as client:
        expected = speak(cluster.servers[0].http_url, client)
    assert answer.http_version == "HTTP/2"
    assert answer.status_code == expected.status_code == 200
    assert answer.content == expected.content


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
async def test_websockets_go_over_either_version(
    cluster: Cluster, secured: Balancer, tls_for_http2: ssl.SSLContext, version: str
) -> None:
    async with websocket(cluster.servers[0].port, "events=true") as direct:
        await direct.speak(TEXT, flush=True)
        expected = sound(await direct.frames_until_event("flushed"))
    if version == "HTTP/2":
        opening = websocket_over_http2(secured.port, tls_for_http2, "/ws/stream?events=true")
        async with opening as (socket, headers):
            assert headers[":status"] == "200"
            await socket.speak(TEXT, flush=True)
            assert sound(await socket.frames_until_event("flushed")) == expected
    else:
        tls_for_http2.set_alpn_protocols(["http/1.1"])
        async with websocket(secured.port, "events=true", tls=tls_for_http2) as socket:
            await socket.speak(TEXT, flush=True)
            assert sound(await socket.frames_until_event("flushed")) == expected


def test_plain_http_is_turned_away_where_there_is_tls(cluster: Cluster, secured: Balancer) -> None:
    """A program that were redirected would send its key in the open each time."""
    del cluster
    plain = f"http://{HOST}:{secured.plain_port}"
    page = httpx.get(plain + "/", headers={"Host": "voice.example"})
    assert (page.status_code, page.headers["location"]) == (301, "https://voice.example/")
    for answer in (httpx.post(plain + "/api/speak", json={}), httpx.get(plain + "/ws/stream")):
        assert (answer.status_code, answer.json()["code"]) == (403, "needs_tls")
    secured.wait_for_log("GET /ws/stream HTTP/1.1 403")


async def test_keys_and_origins_count_as_they_do_without_it(
    keyed: Balancer, tls: ssl.SSLContext
) -> None:
    """A page's origin leaves out TLS's port, and some proxies do not in `Host`: its page was
    refused."""

    async def status(query: str, origin: str, host: str) -> int:
        lines = UPGRADE.replace(b"localhost", host.encode()) + f"Origin: {origin}\r\n".encode()
        async with connected(keyed.port, tls=tls) as connection:
            await connection.send(f"GET /ws/stream{query} HTTP/1.1\r\n".encode() + lines + b"\r\n")
            await connection.read_head()
            return int(connection.buffer.split()[1])

    ours, key = "https://voice.example", f"?key={KEY}"
    assert await status(key, ours, "voice.example") == 101
    assert await status(key, ours, "voice.example:443") == 101
    assert await status(key, "https://elsewhere.example", "voice.example:443") == 403
    assert await status("", ours, "voice.example") == 401
    assert await status("?key=another", ours, "voice.example") == 401


def test_keys_in_headers_are_not_logged_either(keyed: Balancer, tls: ssl.SSLContext) -> None:
    with httpx.Client(verify=tls, headers={"Authorization": f"Bearer {KEY}"}) as client:
        assert speak(keyed.url, client).status_code == 200
    keyed.wait_for_log("/v1/audio/speech")  # and the fixture looks for the key


async def test_a_sockets_name_is_told_in_its_first_event(cluster: Cluster) -> None:
    """So whoever reports a fault can say what to look for in both logs."""
    async with websocket(cluster.port, "events=true") as socket:
        name = (await socket.next_event("ready"))["request_id"]
        assert name
    await trio.to_thread.run_sync(cluster.balancer.wait_for_log, f"request={name}")


def test_where_no_server_is_that_is_told(haproxy: str) -> None:
    del haproxy
    with (
        running_balancer([f"{HOST}:{free_port()},places=4"], "--queue", "100ms") as balancer,
        httpx.Client(base_url=balancer.url, timeout=PATIENCE_S) as client,
    ):
        wait_until(lambda: client.get("/health/ready").status_code == 503, "a 503")
        assert client.get("/health/live").status_code == 200
        for path in ("/ws/stream", "/api/voices"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")


def test_a_request_has_one_name_everywhere(cluster: Cluster) -> None:
    """The client's own where it has one that a log can take, else one that is made."""
    url = cluster.url + "/api/voices"
    named = httpx.get(url, headers={"X-Request-ID": "call-17"})
    assert named.headers["x-request-id"] == "call-17"
    cluster.balancer.wait_for_log("request=call-17")
    made = httpx.get(url).headers["x-request-id"]
    cluster.balancer.wait_for_log(f"request={made}")
    for bad in ("two words", "x" * 129):
        answer = httpx.get(url, headers={"X-Request-ID": bad}).headers["x-request-id"]
        assert answer not in {bad, made}
    both = httpx.get(url, headers=[("X-Request-ID", "call-18"), ("X-Request-ID", "two words")])
    assert both.headers["x-request-id"] not in {"call-18", "two words", ""}
    cluster.balancer.wait_for_log(f"request={both.headers['x-request-id']}")


async def test_segments_hold_whole_samples(cluster: Cluster) -> None:
    """A read ends where a segment does, so all of them are multiples of float32's four bytes; of
    loopback's 65,483 a client may find a half."""
    async with connected(cluster.port) as connection:
        n_bytes = connection.stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
    assert isinstance(n_bytes, int)
    assert n_bytes % 4 == 0


def test_the_seeds_node_sample_never_meets_an_unaligned_frame(cluster: Cluster, node: str) -> None:
    """It lays a Float32Array over what it reads. With segments of any size 4 of 14 runs threw."""
    answer = cluster.servers[0].ask("/api/speak", "POST", json={"text": STORY, "format": "f32le"})
    received = run_client(
        *(node, NODE_SAMPLE),
        port=cluster.port,
        tokens=words(STORY),
        n_samples=len(answer.content) // 4,
        busy_ms=20,
    )
    assert received == answer.content


async def test_wyoming_goes_through_it(cluster: Cluster) -> None:
    """The servers are told whose connection it is by the PROXY protocol, which comes before
    Wyoming's first event."""
    async with connected(cluster.balancer.wyoming_port) as connection:
        client = WyomingClient(connection)
        await client.say("synthesize", text=TEXT)
        expected = ["audio-start", "audio-chunk", "audio-stop"]
        assert await client.until("audio-stop") == expected
