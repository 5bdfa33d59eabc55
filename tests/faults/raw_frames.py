"""WebSocket frames made and read by hand, right or wrong (RFC 6455, section 5.2)."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


@dataclass(frozen=True, slots=True)
class Frame:
    """A WebSocket frame from the server."""

    opcode: int
    payload: bytes
    is_final: bool
    n_bytes: int
    """With its header."""

    @property
    def close_code(self) -> int | None:
        """Of a close; None: it gives none."""
        return int.from_bytes(self.payload[:2], "big") if self.payload else None

    def json(self) -> Any:  # noqa: ANN401
        return json.loads(self.payload)


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    """A masked frame, as a client has to send it."""
    return frame_head(opcode, len(payload), fin=fin, rsv=rsv, mask=(mask := os.urandom(4))) + (
        masked(payload, mask)
    )


def frame_head(opcode: int, size: int, *, mask: bytes, fin: bool = True, rsv: int = 0) -> bytes:
    """The header of a masked frame."""
    first = fin << 7 | rsv << 4 | opcode
    if size < 126:
        return struct.pack("!BB", first, 0x80 | size) + mask
    if size < 1 << 16:
        return struct.pack("!BBH", first, 0x80 | 126, size) + mask
    return struct.pack("!BBQ", first, 0x80 | 127, size) + mask


def masked(payload: bytes, mask: bytes) -> bytes:
    """A payload as it goes over the wire."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def take_frame(buffer: bytearray) -> Frame | None:
    """Take a frame off the front of what has been received; None: it is not whole yet."""
    if len(buffer) < 2:
        return None
    first, size = buffer[0], buffer[1]
    assert size < 0x80, "a server does not mask"
    assert not first & 0x70, "no extension was agreed on"
    head = 2
    if size >= 126:
        head = 4 if size == 126 else 10
        if len(buffer) < head:
            return None
        size = int.from_bytes(buffer[2:head], "big")
    if len(buffer) < head + size:
        return None
    found = Frame(first & 0x0F, bytes(buffer[head : head + size]), first >= 0x80, head + size)
    del buffer[: head + size]
    return found


def is_event(name: str) -> Callable[[Frame], bool]:
    """Whether a frame is an event of this name."""
    return lambda frame: frame.opcode == TEXT and frame.json().get("event") == name


def sound(frames: list[Frame]) -> bytes:
    """All sound among these frames."""
    return b"".join(frame.payload for frame in frames if frame.opcode == BINARY)


def events(frames: list[Frame], name: str) -> list[dict[str, Any]]:
    """All events of one name among these frames."""
    return [frame.json() for frame in frames if is_event(name)(frame)]
