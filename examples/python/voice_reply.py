"""A reply that is being spoken, and the server's messages as objects. Needs nothing but Python.

Copy it beside one of `with_asyncio.py`, `with_trio.py` and `with_threads.py`, which do the waiting:

    text ─▶ Reply ─▶ Line.to_send() ─▶ socket
    sound, events ◀── Line.hear() ◀── socket

A `Reply` outlives the connection it is spoken over, a `Line` does not: where the network breaks,
the next line begins again at the sentence that was not heard to its end.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "ws://localhost:8765/ws/stream"

PIECE_CHARS = 8000
"""Text in a message, which may have 64 KiB."""

LONGEST_WAIT_S = 8.0
N_ATTEMPTS = 8


@dataclass(frozen=True)
class Ready:
    """The settings as they hold from here on."""

    voice: str
    engine: str
    sample_rate: int
    channels: int


@dataclass(frozen=True)
class SegmentStart:
    """The next sample is the first of this text."""

    segment: int
    text: str
    sample_offset: int


@dataclass(frozen=True)
class SegmentEnd:
    """All sound of a segment has come."""

    segment: int
    samples: int


@dataclass(frozen=True)
class Flushed:
    """All that was said before the flush has been spoken."""

    samples: int


@dataclass(frozen=True)
class Cancelled:
    """The reply was interrupted. Of its text, `text_spoken` belongs in the model's history."""

    text_spoken: str
    text_remaining: str


@dataclass(frozen=True)
class Problem:
    """What was wrong with a message, or with a segment, which is then left out."""

    error: str
    code: str
    fatal: bool
    segment: int | None = None


Event: TypeAlias = Ready | SegmentStart | SegmentEnd | Flushed | Cancelled | Problem
Heard: TypeAlias = bytes | Event
"""Sound, or an event."""

_EVENTS: dict[str, type[Event]] = {
    "ready": Ready,
    "segment_start": SegmentStart,
    "segment_end": SegmentEnd,
    "flushed": Flushed,
    "cancelled": Cancelled,
}


def parsed(message: str | bytes) -> Heard | None:
    """A message as an object; None: an event of a newer server."""
    if isinstance(message, bytes):
        return message
    data: dict[str, Any] = json.loads(message)
    kind = Problem if "error" in data else _EVENTS.get(data["event"])
    if kind is None:
        return None
    known = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in data.items() if name in known})


def url_of(url: str = URL, **config: str | float) -> str:
    """The WebSocket's URL with a config: `voice`, `speed`, `sample_rate` and so on."""
    return f"{url}?{urlencode({'encoding': 's16le', 'events': 'true', **config})}"


def headers_of(key: str | None) -> list[tuple[str, str]]:
    """The headers for a server that asks for a key."""
    return [("Authorization", f"Bearer {key}")] if key else []


def waits() -> Iterator[float]:
    """The seconds to wait before each new attempt to connect: up to twice as long each time, and by
    chance, so that a thousand clients do not come back at the same moment."""
    for attempt in range(N_ATTEMPTS):
        yield random.uniform(0, min(LONGEST_WAIT_S, 0.5 * 2**attempt))  # noqa: S311 - no secret


class Reply:
    """The text of a reply, and how much of it has been spoken."""

    def __init__(self) -> None:
        self.text = ""
        self.is_complete = False
        """No more text comes."""
        self.is_interrupted = False
        self.is_over = False
        self.n_spoken = 0
        """Characters whose segments have been heard to their end."""
        self.played_ms: float | None = None
        """For an interruption, the sound that was played of the current line."""


class Line:
    """One connection's part of a reply."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._start = self._n_sent = reply.n_spoken
        self._is_flushed = False
        self._is_cancelled = False
        self._n_open = 0  # characters of the segment that is being spoken

    def to_send(self) -> list[str]:
        """The messages for what the server has not been told yet."""
        reply, messages = self._reply, []
        if reply.is_interrupted:
            if not self._is_cancelled:
                self._is_cancelled = True
                messages.append(json.dumps({"cancel": True, "played_ms": reply.played_ms}))
            return messages
        messages += [
            json.dumps({"token": reply.text[start : start + PIECE_CHARS]})
            for start in range(self._n_sent, len(reply.text), PIECE_CHARS)
        ]
        self._n_sent = len(reply.text)
        if reply.is_complete and not self._is_flushed:
            self._is_flushed = True
            messages.append(json.dumps({"flush": True}))
        return messages

    def hear(self, message: str | bytes) -> Heard | None:
        """What came, noted in the reply."""
        item = parsed(message)
        match item:
            case SegmentStart(text=text):
                self._n_open = len(text)
            case SegmentEnd() | Problem(segment=int()):
                self._reply.n_spoken += self._n_open
                self._n_open = 0
            case Cancelled():  # which tells of this line
                before = self._reply.text[: self._start]
                item = replace(item, text_spoken=before + item.text_spoken)
                self._reply.is_over = True
            case Flushed() | Problem(fatal=True):
                self._reply.is_over = True
        return item
