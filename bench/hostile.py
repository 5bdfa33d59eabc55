"""Which hostile clients are there? Those of bench/disturbance.py and bench/siege.py; this runs one.

    python bench/hostile.py KIND PORT

Each is a function that keeps a server at a port busy until its process is ended. Made to be cheap,
since they sit on the same cores as what they disturb: bytes are prepared beforehand, and what
comes back is thrown away unread.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import select
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.common import argument_parser
from bench.serving import HOST, PING, PONG, SMALL, SPEECH, TEXT, UPGRADE, WITHIN_S, frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RECEIVE_BYTES = 1 << 20
BLOB_FRAMES = 500
RETRY_S = 0.1
SIP_BYTES, SIP_EVERY_S = 70_000, 20.0
ANSWER_CHARS = 1000
"""A minute of speech."""
LONG = (SPEECH * 8)[:60_000]
CONTINUATION = 0x00
RESERVED_BITS = 0x70


def message(**fields: object) -> bytes:
    """A frame with this message."""
    return frame(TEXT, json.dumps(fields).encode())


def connect(port: int, receive_buffer: int | None = None) -> socket.socket:
    """A TCP connection."""
    plain = socket.socket()
    if receive_buffer is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    plain.settimeout(WITHIN_S)
    plain.connect((HOST, port))
    return plain


def upgraded(port: int, receive_buffer: int | None = None) -> socket.socket:
    """A WebSocket with events, as far as the answer to the upgrade."""
    opened = connect(port, receive_buffer)
    opened.sendall(UPGRADE.format(query="events=true", host=HOST, port=port).encode())
    if b" 101 " not in opened.recv(4096):
        raise ConnectionError("the server refused the upgrade")
    return opened


def stall(port: int) -> None:
    """Ask for minutes of speech, and read none of it."""
    with upgraded(port, SMALL) as opened:
        opened.sendall(message(token=SPEECH))
        time.sleep(3600)


def flood(frames: bytes, first: bytes = b"") -> Callable[[int], None]:
    """Send these over and over, as fast as they are taken; what comes back is thrown away."""

    def act(port: int) -> None:
        trash = bytearray(RECEIVE_BYTES)
        with upgraded(port) as opened:
            opened.sendall(first)
            opened.setblocking(False)
            rest = memoryview(frames)
            while True:
                readable, writable, _ = select.select([opened], [opened], [])
                if readable and not opened.recv_into(trash):
                    raise ConnectionError("the server hung up")
                if writable:
                    rest = rest[opened.send(rest) :] or memoryview(frames)

    return act


def reconnect(data: bytes, *, upgrade: bool = False, waits: bool = True) -> Callable[[int], None]:
    """Connect, send this, wait until the server hangs up if it is waited for, and again."""

    def act(port: int) -> None:
        while True:
            with contextlib.suppress(OSError), (upgraded if upgrade else connect)(port) as opened:
                opened.sendall(data)
                while waits and opened.recv(RECEIVE_BYTES):
                    pass

    return act


def many(n: int, frames: bytes, *, reads: bool) -> Callable[[int], None]:
    """So many WebSockets, each of which sends these over and over, as fast as they are taken. What
    comes back is thrown away, or not even read; who is hung up on comes again."""

    def act(port: int) -> None:
        trash = bytearray(RECEIVE_BYTES)
        rests: dict[socket.socket, memoryview] = {}
        while True:
            while len(rests) < n:
                try:
                    opened = upgraded(port, None if reads else SMALL)
                except OSError:  # no place is left, or it is being shed
                    time.sleep(RETRY_S)  # or trying would be all that it does
                    break
                opened.setblocking(False)
                rests[opened] = memoryview(frames)
            readers = list(rests) if reads else []
            readable, writable, _ = select.select(readers, list(rests), [], RETRY_S)
            for opened in {*readable, *writable}:
                try:
                    if opened in readable and not opened.recv_into(trash):
                        raise ConnectionError("the server hung up")
                    if opened in writable:
                        rests[opened] = rests[opened][opened.send(rests[opened]) :] or memoryview(
                            frames
                        )
                except BlockingIOError:
                    pass
                except OSError:
                    del rests[opened]
                    opened.close()

    return act


def die(n: int, frames: bytes) -> Callable[[int], None]:
    """So many WebSockets, each of which sends as much of this as the kernels take, reads nothing,
    and dies; and again."""

    def act(port: int) -> None:
        while True:
            opened: list[socket.socket] = []
            with contextlib.suppress(OSError):
                opened.extend(upgraded(port, SMALL) for _ in range(n))
            for each in opened:
                each.setblocking(False)
                with contextlib.suppress(OSError):
                    while each.send(frames):
                        pass
            for each in opened:
                each.close()
            time.sleep(RETRY_S)  # between one crowd and the next

    return act


def half_open(n: int) -> Callable[[int], None]:
    """So many requests that never come to their end; who is hung up on comes again."""

    def act(port: int) -> None:
        opened: list[socket.socket] = []
        while True:
            with contextlib.suppress(OSError):
                while len(opened) < n:
                    opened.append(connect(port))
                    opened[-1].sendall(b"GET / HTTP/1.1\r\nHost: ")
            ended, _, _ = select.select(opened, [], [], RETRY_S)
            for each in ended:
                opened.remove(each)
                each.close()

    return act


def sip(n: int) -> Callable[[int], None]:
    """So many answers with a minute of sound, of which 70 KB are read every 20 s."""
    body = json.dumps({"text": SPEECH[:ANSWER_CHARS]}).encode()
    head = (
        f"POST /api/speak HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )

    def act(port: int) -> None:
        opened: list[socket.socket] = []
        while True:
            with contextlib.suppress(OSError):
                while len(opened) < n:
                    opened.append(connect(port, SMALL))
                    opened[-1].sendall(head.encode() + body)
            time.sleep(SIP_EVERY_S)  # a slow reader's pace is the attack
            for each in list(opened):
                try:
                    taken = each.recv(SIP_BYTES, socket.MSG_WAITALL)
                except OSError:
                    taken = b""
                if len(taken) < SIP_BYTES:
                    opened.remove(each)
                    each.close()

    return act


DISTURBERS: dict[str, Callable[[int], None]] = {
    "stalls": stall,
    "tokens": flood(message(token="word ") * BLOB_FRAMES),
    "flushes": flood(message(flush=True) * BLOB_FRAMES),
    "tokens, flushes": flood((message(token="word ") + message(flush=True)) * BLOB_FRAMES),
    "configs": flood(message(config={"pitch_shift": 1}) * BLOB_FRAMES),
    "bad messages": flood(message(token=1, flush=2) * BLOB_FRAMES),
    "pings": flood(frame(PING) * BLOB_FRAMES),
    "pongs": flood(frame(PONG) * BLOB_FRAMES),
    "fragments": flood(frame(CONTINUATION) * BLOB_FRAMES, first=frame(TEXT & 0x0F)),
    "bad frames": reconnect(frame(TEXT | RESERVED_BITS, b"{}"), upgrade=True),
    "no http": reconnect(random.Random(1).randbytes(200) + b"\r\n\r\n"),
    "bad upgrades": reconnect(
        UPGRADE.replace(": 13", ": 12").format(query="", host="", port=1).encode()
    ),
    "connects": reconnect(b"", waits=False),
    "forty floods": many(40, message(token="word ") * BLOB_FRAMES, reads=True),
    "hoards": many(250, (message(token=LONG) * 3 + message(cancel=True)), reads=False),
    "dies": die(30, message(cancel=True, token="Hi!") * BLOB_FRAMES),
    "half open": half_open(200),
    "sips": sip(8),
}


class Disturber:
    """A hostile client at work in a process of its own, on one core."""

    def __init__(self, kind: str, port: int) -> None:
        # Forked: a new Python would itself be half a second of disturbance.
        self._process = multiprocessing.get_context("fork").Process(
            target=_work, args=(kind, port), daemon=True
        )
        self._process.start()

    def cpu_s(self) -> float:
        """Seconds of CPU that it has used. Raises `RuntimeError` where it has given up."""
        if self._process.exitcode is not None:
            raise RuntimeError("the disturber has ended")
        return sum(psutil.Process(self._process.pid).cpu_times()[:2])

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.join()


@contextlib.contextmanager
def disturbing(kind: str, port: int) -> Iterator[Disturber]:
    """A disturber that is ended again."""
    disturber = Disturber(kind, port)
    try:
        yield disturber
    finally:
        disturber.end()


def _work(kind: str, port: int) -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    DISTURBERS[kind](port)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("kind", choices=DISTURBERS)
    parser.add_argument("port", type=int)
    asked = parser.parse_args()
    _work(asked.kind, asked.port)


if __name__ == "__main__":
    main()
