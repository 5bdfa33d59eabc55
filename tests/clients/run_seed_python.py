"""Runs the seed's Python sample: JSON with its port and tokens in, the sound it received out.

What the sample receives it throws away, so its connection is one that keeps a copy. That, and
another port, are the only differences, and the sample's code is none the wiser.
Here "localhost" is ::1 and then 127.0.0.1, as it is on many machines.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import websockets
from websockets.asyncio.client import ClientConnection, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

received: list[bytes] = []


class _Recording(ClientConnection):
    async def recv(self, decode: bool | None = None) -> str | bytes:  # type: ignore[override]
        message = await super().recv(decode)
        if isinstance(message, str):
            raise TypeError(f"the sample only knows sound, and got {message}")
        received.append(message)
        return message


def _addresses(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
    assert host == "localhost"
    tcp = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
    return [
        (socket.AF_INET6, *tcp, ("::1", port, 0, 0)),
        (socket.AF_INET, *tcp, ("127.0.0.1", port)),
    ]


def main() -> None:
    """Speak."""
    task = json.load(sys.stdin)
    socket.getaddrinfo = _addresses  # type: ignore[assignment]

    def connect_elsewhere(url: str) -> connect:
        return connect(url.replace(":8765", f":{task['port']}"), create_connection=_Recording)

    websockets.connect = connect_elsewhere  # type: ignore[assignment, misc]
    spec = importlib.util.spec_from_file_location(
        "seed_python", Path(__file__).with_name("seed_python.py")
    )
    assert spec is not None
    assert spec.loader is not None
    sample = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sample)

    async def text_stream() -> AsyncIterator[str]:
        for token in task["tokens"]:
            yield token

    asyncio.run(sample.speak(text_stream()))
    sys.stdout.buffer.write(b"".join(received))


if __name__ == "__main__":
    main()
