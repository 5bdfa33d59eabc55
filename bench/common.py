"""What the benchmarks share: the real server as a process, a cheap client, and the report.

The client sits on the same two cores as the server it measures, so it does next to nothing:
no task and no copy a message, one callback each, and a mask of zeros (which costs the server
what any mask costs). Its own CPU time is reported beside the server's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"
RATE = 48_000
BYTES_PER_SAMPLE = 4

START_WITHIN_S = 30.0
BUFFER_BYTES = 512 * 1024
LARGEST_FRAME = 4 + 64 * 1024
HEADER_16_BIT, HEADER_64_BIT = 126, 127
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
UPGRADE = (
    "GET /ws/stream?{query} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

Result = dict[str, Any]


class Server:
    """The server under test, in its own process."""

    def __init__(self, log: Path, options: Sequence[str]) -> None:
        self.started_at = time.perf_counter()
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "server.py", "--port", "0", *options], cwd=ROOT, stderr=stderr
            )
        self.process = psutil.Process(self._process.pid)
        self.port = self._wait_for_port(log)

    def _wait_for_port(self, log: Path) -> int:
        while time.perf_counter() - self.started_at < START_WITHIN_S:
            if found := re.search(r"listening on port (\d+)", log.read_text()):
                return int(found[1])
            if self._process.poll() is not None:
                break
            time.sleep(0.002)
        raise RuntimeError(f"the server did not start:\n{log.read_text()}")

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """As an operator would, and not for ever."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def running_server(options: Sequence[str] = ()) -> Iterator[Server]:
    """A server that is stopped again; what it warned of is shown."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        server = Server(log, options)
        try:
            yield server
        finally:
            server.stop()
            complaints = [line for line in log.read_text().splitlines() if " INFO " not in line]
            if complaints:
                print("server log:", *complaints[:20], sep="\n  ")


class Client(asyncio.BufferedProtocol):
    """One WebSocket; what it receives comes to `on_audio` and `on_text`."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self._upgraded = asyncio.Event()
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._begin = self._end = 0
        self.transport: asyncio.Transport

    def on_audio(self, payload: memoryview, now: float) -> None:
        """A whole binary message; the view is good for this call only."""

    def on_text(self, message: dict[str, Any], now: float) -> None:
        """A text message: an event or an error."""

    async def connect(self, port: int, query: str = "", receive_buffer: int | None = None) -> None:
        """Open the WebSocket. `receive_buffer` bounds what the kernel takes in unread."""
        raw = socket.socket(proto=socket.IPPROTO_TCP)  # named, or asyncio leaves Nagle's delay on
        if receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, (HOST, port))
        await loop.create_connection(lambda: self, sock=raw)
        self.transport.write(UPGRADE.format(query=query, host=HOST, port=port).encode())
        async with asyncio.timeout(10):
            await self._upgraded.wait()
        if self.closed.is_set():
            raise ConnectionError("the server refused the upgrade")

    def send(self, message: Mapping[str, Any]) -> float:
        """Send a message; returns when."""
        now = time.perf_counter()
        self._send_frame(TEXT, json.dumps(message).encode())
        return now

    def ping(self) -> float:
        """The server's library answers with a pong, which comes as `on_text({})`."""
        now = time.perf_counter()
        self._send_frame(PING, b"")
        return now

    async def close(self) -> None:
        """Close as WebSockets do: say so, and wait for the server to hang up."""
        self._send_frame(CLOSE, b"\x03\xe8")
        async with asyncio.timeout(10):
            await self.closed.wait()

    def _send_frame(self, opcode: int, payload: bytes) -> None:
        n = len(payload)
        if n < HEADER_16_BIT:
            header = bytes((opcode, 0x80 | n))
        else:
            header = bytes((opcode, 0x80 | HEADER_16_BIT)) + n.to_bytes(2, "big")
        self.transport.write(header + b"\0\0\0\0" + payload)

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
            self.on_text({}, now)


class Playback:
    """A listener who plays each message at once, and goes on when more comes after a gap."""

    def __init__(self) -> None:
        self.dry_at = 0.0

    def play(self, n_samples: int, now: float) -> float:
        """Queue what was received now; returns when it begins to sound."""
        begins = max(now, self.dry_at)
        self.dry_at = begins + n_samples / RATE
        return begins


class Meter:
    """CPU and memory between its making and `read`; CPU in cores, so 1.0 is one of them busy."""

    def __init__(self, server: Server) -> None:
        self._server = server.process
        self._at = time.perf_counter()
        self._cpu = self._cpu_s()

    def read(self) -> Result:
        """`others_cpu` is everything else on this machine: near 0, or distrust the figures."""
        wall_s = time.perf_counter() - self._at
        server, client, everything = (
            (now - then) / wall_s for now, then in zip(self._cpu_s(), self._cpu, strict=True)
        )
        return {
            "wall_s": round(wall_s, 2),
            "server_cpu": round(server, 3),
            "client_cpu": round(client, 3),
            "others_cpu": round(max(0.0, everything - server - client), 3),
            "server_rss_mb": round(rss_mb(self._server), 1),
            "server_rss_peak_mb": round(_rss_peak_mb(self._server), 1),
        }

    def _cpu_s(self) -> tuple[float, float, float]:
        all_cores = psutil.cpu_times()
        busy = sum(all_cores) - all_cores.idle - all_cores.iowait
        return sum(self._server.cpu_times()[:2]), sum(psutil.Process().cpu_times()[:2]), busy


def rss_mb(process: psutil.Process) -> float:
    """Memory that a process occupies now."""
    return float(process.memory_info().rss) / 2**20


def _rss_peak_mb(process: psutil.Process) -> float:
    status = Path(f"/proc/{process.pid}/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) / 2**10 if found else rss_mb(process)


def percentiles(name: str, values: Sequence[float]) -> Result:
    """p50, p95 and p99 by nearest rank, and how many there were."""
    ordered = sorted(values)
    result: Result = {f"{name}_n": len(ordered)}
    for percent in (50, 95, 99):
        rank = min(len(ordered) - 1, len(ordered) * percent // 100)
        result[f"{name}_p{percent}"] = round(ordered[rank], 3) if ordered else None
    return result


def arguments(docstring: str | None, *options: tuple[str, dict[str, Any]]) -> argparse.Namespace:
    """A script's own options; what follows ``--`` goes to the server."""
    parser = argparse.ArgumentParser(
        description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, how in options:
        parser.add_argument(name, **how)
    parser.add_argument("server_options", nargs="*", help="after --, for server.py")
    return parser.parse_args()


def report(
    bench: str, server_options: Sequence[str], columns: Mapping[str, str], results: Iterable[Result]
) -> None:
    """Print each result as it comes as a row, where `columns` maps its keys to headings; and
    as the last line everything, as one JSON object."""
    print(*(f"{heading:>{_width(key)}}" for key, heading in columns.items()))
    measured = []
    for result in results:
        print(*(f"{_cell(result.get(key)):>{_width(key)}}" for key in columns), flush=True)
        measured.append(result)
    machine = {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }
    whole = {
        "bench": bench,
        "machine": machine,
        "server": {"options": list(server_options)},
        "columns": dict(columns),
        "results": measured,
    }
    print(json.dumps(whole))


def _width(key: str) -> int:
    return 24 if key == "case" else 12


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    return found[1] if found else platform.machine()
