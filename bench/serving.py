"""The real server as a process, a cheap client of it, and a meter of what both of them use.

The client sits on the same cores as the server it measures, so it does next to nothing: no task
and no copy a message, one callback each, and a mask of zeros (which costs the server what any mask
costs). Its own CPU time is reported beside the server's.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

from bench.common import ROOT, Playback, argument_parser

if TYPE_CHECKING:
    import argparse
    import ssl
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

HOST = "127.0.0.1"
RATE = 48_000
BYTES_PER_SAMPLE = 4

SENTENCE = "The boats stayed where they were today!"  # 40 characters; its mark acts at once
SPEECH = "It had been raining since the morning, so the boats stayed where they were. " * 100
"""Ten minutes of it."""
SMALL = 8 * 1024
"""A receive buffer that is soon full."""

START_WITHIN_S = 30.0
WITHIN_S = 30.0
"""For any answer."""
AT_A_TIME = 8
BUFFER_BYTES = 512 * 1024
LARGEST_FRAME = 4 + 64 * 1024
MASKED = 0x80
HEADER_16_BIT, HEADER_64_BIT = 126, 127
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
UPGRADE = (
    "GET /ws/stream?{query} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def serving_parser(docstring: str | None) -> argparse.ArgumentParser:
    """A bench's options; what follows ``--`` goes to the server."""
    parser = argument_parser(docstring)
    parser.add_argument("server_options", nargs="*", help="after --, for server.py")
    return parser


class Server:
    """The server under test, in its own process."""

    def __init__(
        self, log: Path, options: Sequence[str], program: Sequence[str], start_within_s: float
    ) -> None:
        self.started_at = time.perf_counter()
        self.log = log
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, *program, "--port", "0", *options],
                cwd=ROOT,
                env={"VOICE_ENGINE": "espeak-ng"} | os.environ,  # the server is measured
                stderr=stderr,
            )
        self.process = psutil.Process(self._process.pid)
        self.port = self._wait_for_port(start_within_s)
        self.ready_s = time.perf_counter() - self.started_at

    def _wait_for_port(self, within_s: float) -> int:
        while time.perf_counter() - self.started_at < within_s:
            if found := re.search(r"listening on port (\d+)", self.log.read_text()):
                return int(found[1])
            if self._process.poll() is not None:
                break
            time.sleep(0.002)
        self.stop()
        raise RuntimeError(f"the server did not start:\n{self.log.read_text()}")

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll()

    def get(self, path: str, tls: ssl.SSLContext | None = None) -> tuple[int, str]:
        """The status and the body of a page."""
        connection = (
            http.client.HTTPConnection(HOST, self.port, timeout=WITHIN_S)
            if tls is None
            else http.client.HTTPSConnection(HOST, self.port, timeout=WITHIN_S, context=tls)
        )
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def stop(self) -> None:
        """Stop it as an operator would; kill it if it takes more than 5 s."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def running_server(
    options: Sequence[str] = (),
    program: Sequence[str] = ("server.py",),
    start_within_s: float = START_WITHIN_S,
) -> Iterator[Server]:
    """A server that is stopped again; its warnings are shown. `program` is what runs it."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        server = Server(log, options, program, start_within_s)
        try:
            yield server
        finally:
            server.stop()
            complaints = [line for line in log.read_text().splitlines() if " INFO " not in line]
            if complaints:
                print("server log:", *complaints[:20], sep="\n  ")


class Told(NamedTuple):
    """A message of the server, and when it came."""

    at: float
    message: dict[str, Any]


class Client(asyncio.BufferedProtocol):
    """One WebSocket that counts the audio it gets, and waits for events."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.n_bytes = 0
        """Of audio."""
        self.playback = Playback(RATE)
        self.told: dict[str, Told] = {}
        """The last message by its event, "error", or "pong" for the answer to a ping."""
        self._expected: dict[str, asyncio.Future[float]] = {}
        self._upgraded = asyncio.Event()
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._begin = self._end = 0
        self.transport: asyncio.Transport

    def on_audio(self, payload: memoryview, now: float) -> None:
        """Take a whole binary message; the view is good for this call only."""
        self.n_bytes += len(payload)
        self.playback.play(len(payload) // BYTES_PER_SAMPLE, now)

    def on_text(self, message: dict[str, Any], now: float) -> None:
        """Take a text message."""
        self._tell(message.get("event", "error"), Told(now, message))

    async def connect(
        self,
        port: int,
        query: str = "",
        receive_buffer: int | None = None,
        source: str | None = None,
    ) -> None:
        """Open the WebSocket. `receive_buffer` bounds what the kernel takes in unread; `source` is
        the address to come from, if it matters."""
        raw = socket.socket(proto=socket.IPPROTO_TCP)  # named, or asyncio leaves Nagle's delay on
        if source is not None:
            raw.bind((source, 0))
        if receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, (HOST, port))
        await loop.create_connection(lambda: self, sock=raw)
        self.transport.write(UPGRADE.format(query=query, host=HOST, port=port).encode())
        async with asyncio.timeout(WITHIN_S):
            await self._upgraded.wait()
        if self.closed.is_set():
            raise ConnectionError("the server refused the upgrade")

    def send(self, message: Mapping[str, Any]) -> float:
        """Send a message; returns when."""
        now = time.perf_counter()
        self._send_frame(TEXT, json.dumps(message).encode())
        return now

    def expect(self, event: str) -> asyncio.Future[float]:
        """When the next message of this name comes; see `told`."""
        self._expected[event] = asyncio.get_running_loop().create_future()
        return self._expected[event]

    async def ask(self, message: Mapping[str, Any], event: str) -> tuple[float, float]:
        """Send a message and wait for the event that answers it; returns when each was."""
        answered = self.expect(event)
        sent_at = self.send(message)
        async with asyncio.timeout(WITHIN_S):
            return sent_at, await answered

    async def ping(self) -> tuple[float, float]:
        """Send a ping, which the server's WebSocket library answers; when, and when it did."""
        answered = self.expect("pong")
        sent_at = time.perf_counter()
        self._send_frame(PING, b"")
        async with asyncio.timeout(WITHIN_S):
            return sent_at, await answered

    async def close(self) -> None:
        """Close as WebSockets do: say so, and wait for the server to hang up."""
        self._send_frame(CLOSE, b"\x03\xe8")
        async with asyncio.timeout(WITHIN_S):
            await self.closed.wait()

    def _tell(self, event: str, told: Told) -> None:
        self.told[event] = told
        expected = self._expected.pop(event, None)
        if expected is not None and not expected.done():
            expected.set_result(told.at)

    def _send_frame(self, opcode: int, payload: bytes) -> None:
        self.transport.write(frame(opcode, payload))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        self.closed.set()
        self._upgraded.set()

    def get_buffer(self, _size_hint: int) -> memoryview:
        return self._view[self._end :]

    def buffer_updated(self, n_bytes: int) -> None:
        now = time.perf_counter()
        self._end += n_bytes
        if not self._upgraded.is_set():
            head_end = self._buffer.find(b"\r\n\r\n", 0, self._end)
            if head_end < 0:
                return
            if self._buffer[9:12] != b"101":
                self.transport.abort()
                return
            self._begin = head_end + 4
            self._upgraded.set()
        self._take_frames(now)
        rest = self._end - self._begin
        if not rest or BUFFER_BYTES - self._end < LARGEST_FRAME:
            self._view[:rest] = self._view[self._begin : self._end]
            self._begin, self._end = 0, rest

    def _take_frames(self, now: float) -> None:
        while self._end - self._begin >= 2:
            begin, header, n = self._begin, 2, self._buffer[self._begin + 1]
            if n == HEADER_16_BIT:
                if self._end - begin < 4:
                    return
                header, n = 4, int.from_bytes(self._view[begin + 2 : begin + 4], "big")
            elif n == HEADER_64_BIT:
                raise RuntimeError("a frame of 64 KiB or more: the protocol has none")
            if self._end - begin < header + n:
                return
            self._begin += header + n
            self._take(self._buffer[begin], self._view[begin + header : begin + header + n], now)

    def _take(self, opcode: int, payload: memoryview, now: float) -> None:
        if opcode == BINARY:
            self.on_audio(payload, now)
        elif opcode == TEXT:
            self.on_text(json.loads(bytes(payload)), now)
        elif opcode == PING:
            self._send_frame(PONG, bytes(payload))
        elif opcode == PONG:
            self._tell("pong", Told(now, {}))


def frame(opcode: int, payload: bytes = b"") -> bytes:
    """A frame as a client sends it, with a mask of zeros."""
    n = len(payload)
    size = (
        bytes((MASKED | n,))
        if n < HEADER_16_BIT
        else bytes((MASKED | HEADER_16_BIT,)) + n.to_bytes(2, "big")
    )
    return bytes((opcode,)) + size + b"\0\0\0\0" + payload


async def eight_at_a_time(n: int, visit: Callable[[], Awaitable[None]]) -> None:
    """Visit n times, eight visitors side by side."""
    todo = iter(range(n))

    async def visit_again() -> None:
        for _ in todo:
            await visit()

    async with asyncio.TaskGroup() as visitors:
        for _ in range(AT_A_TIME):
            visitors.create_task(visit_again())
