"""A reply that is being spoken, and the server's messages as objects. Needs nothing but Python.

Copy it beside one of `with_asyncio.py`, `with_trio.py` and `with_threads.py`, which do the waiting:

    text ─▶ Reply ─▶ Line.to_send() ─▶ socket
    sound, events ◀── Line.hear() ◀── socket

A `Reply` outlives the connection it is spoken over, a `Line` does not: where the network breaks, or
a server dies, the next line goes on at the sample behind the last that came (docs/resume.md).
"""

from __future__ import annotations

import json
import random
from collections import deque
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "ws://localhost:8765/ws/stream"

PIECE_CHARS = 8000
"""Text in a message, which may have 64 KiB."""

FIRST_WAIT_S = 0.05
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
    sample_offset: int
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
class GoingAway:
    """The server is about to leave. It speaks this reply to its end; the next one has a connection
    of its own, which a balancer leads to another server."""

    reason: str
    grace_ms: float | None = None


@dataclass(frozen=True)
class Problem:
    """What was wrong with a message, or with a segment, which is then left out."""

    error: str
    code: str
    fatal: bool
    segment: int | None = None


Event: TypeAlias = Ready | SegmentStart | SegmentEnd | Flushed | Cancelled | GoingAway | Problem
Heard: TypeAlias = bytes | Event
"""Sound, or an event."""

_EVENTS: dict[str, type[Event]] = {
    "ready": Ready,
    "segment_start": SegmentStart,
    "segment_end": SegmentEnd,
    "flushed": Flushed,
    "cancelled": Cancelled,
    "going_away": GoingAway,
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
    """The WebSocket's URL with a config: `voice`, `speed`, `sample_rate` and so on. It has a seed,
    so that what is said again sounds as it did."""
    seed = random.getrandbits(32)
    return f"{url}?{urlencode({'encoding': 's16le', 'events': 'true', 'seed': seed, **config})}"


def headers_of(key: str | None) -> list[tuple[str, str]]:
    """The headers for a server that asks for a key."""
    return [("Authorization", f"Bearer {key}")] if key else []


def waits() -> Iterator[float]:
    """The seconds to wait before each new attempt to connect: hardly any at first, then up to four
    times as long each time; and by chance, so that a thousand clients do not come back at the same
    moment."""
    for attempt in range(N_ATTEMPTS):
        longest_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 4**attempt)
        yield random.uniform(0, longest_s)  # noqa: S311 - no secret


class Reply:
    """The text of a reply, and what has come of its sound."""

    def __init__(self) -> None:
        self.text = ""
        self.is_complete = False
        """No more text comes."""
        self.is_interrupted = False
        self.is_over = False
        self.played_ms: float | None = None
        """For an interruption, the sound of the reply that was played."""
        self.n_samples = 0
        """Samples that have come, per channel."""
        self.spoken: list[tuple[str, int]] = []
        """The texts of the segments that have come whole, and where in these samples each ends."""
        self.torn = ""
        """The text of the segment that has come in part."""
        self.n_torn = 0
        """How much of its sound has come, in samples."""

    @property
    def n_spoken(self) -> int:
        """Characters whose sound has come whole."""
        return sum(len(text) for text, _ in self.spoken)


class Line:
    """One connection's part of a reply. It tells the server all of the text, so that it is read as
    before, and how much of its sound is there."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._n_sent = 0
        self._is_flushed = False
        self._is_cancelled = False
        self._goes_on = reply.n_samples > 0 or reply.n_spoken > 0
        self._begin = reply.n_samples - reply.n_torn  # of this line's stream, in the reply's
        self._rate, self._frame_bytes = 48_000, 2  # of s16le, mono, until the server says
        self._n_heard = 0  # characters
        self._open: deque[SegmentStart] = deque()

    def to_send(self) -> list[str]:
        """The messages for what the server has not been told yet."""
        reply, messages = self._reply, []
        if reply.is_interrupted:
            if not self._is_cancelled:
                self._is_cancelled = True
                messages.append(json.dumps({"cancel": True, "played_ms": self._played_ms}))
            return messages
        if self._goes_on:
            self._goes_on = False
            resume = {
                "resume_samples": reply.n_torn,
                "resume_heard_chars": reply.n_spoken,
                "resume_torn_chars": len(reply.torn),
            }
            messages.append(json.dumps({"config": resume}))
        messages += [
            json.dumps({"token": reply.text[start : start + PIECE_CHARS]})
            for start in range(self._n_sent, len(reply.text), PIECE_CHARS)
        ]
        self._n_sent = len(reply.text)
        if reply.is_complete and not self._is_flushed:
            self._is_flushed = True
            messages.append(json.dumps({"flush": True}))
        return messages

    @property
    def _played_ms(self) -> float | None:
        """What was played of this line's stream, which begins with the segment that was torn."""
        played_ms = self._reply.played_ms
        return played_ms and max(0.0, played_ms - 1000 * self._begin / self._rate)

    def hear(self, message: str | bytes) -> Heard | None:
        """What came, noted in the reply."""
        item, reply = parsed(message), self._reply
        match item:
            case bytes():
                reply.n_samples += len(item) // self._frame_bytes
            case Ready(sample_rate=self._rate, channels=channels):
                self._frame_bytes = 2 * channels
            case SegmentStart():
                self._open.append(item)
            case SegmentEnd(sample_offset=start, samples=n_samples):
                text = self._open.popleft().text
                self._n_heard += len(text)
                if self._n_heard > reply.n_spoken:
                    reply.spoken.append((text, self._begin + start + n_samples))
                    reply.torn, reply.n_torn = "", 0
            case Cancelled():
                item = self._cancelled(item)
                reply.is_over = True
            case Flushed() | Problem(fatal=True):
                reply.is_over = True
        if self._open and self._n_heard == reply.n_spoken:
            reply.torn = self._open[0].text
            reply.n_torn = max(0, reply.n_samples - self._begin - self._open[0].sample_offset)
        return item

    def _cancelled(self, item: Cancelled) -> Cancelled:
        """The same for the whole reply: the server knows what came on this line."""
        reply = self._reply
        n_played: float = reply.n_samples
        if reply.played_ms is not None:
            n_played = reply.played_ms * self._rate / 1000
        if self._n_sent and n_played >= self._begin:
            return item
        spoken = "".join(text for text, end in reply.spoken if end <= n_played)
        return replace(item, text_spoken=spoken, text_remaining=reply.text[len(spoken) :])
