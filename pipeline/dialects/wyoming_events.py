"""Wyoming's events as bytes (https://github.com/OHF-Voice/wyoming). Pure.

An event is a line of JSON, which may say how many bytes of further JSON and of payload follow:

    {"type": "synthesize", "data_length": 17}\\n{"text": "Hello"}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pipeline.dialects.json_text import json_text
from pipeline.dialects.native import MAX_PENDING_BYTES
from stages.error_text import complaints
from stages.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_EVENT_BYTES = MAX_PENDING_BYTES
"""The largest event that is taken in: one with a longer text could not be spoken anyway."""

_VERSION = "1.10.2"
"""The version of the protocol's library that this was written by; nobody compares it."""

_Length = Annotated[int, Field(ge=0)]


class _EventHead(BaseModel):
    """An event's first line."""

    model_config = ConfigDict(strict=True, frozen=True)

    type: str
    data: dict[str, Any] | None = None
    data_length: _Length | None = None
    payload_length: _Length | None = None


_DATA = TypeAdapter(dict[str, Any])


@dataclass(frozen=True, slots=True)
class WyomingEvent:
    """An event from a client. Payloads are sound, which nobody has to send here."""

    type: str
    data: Mapping[str, Any]


class EventReader:
    """Cuts what a client sends into whole events. Pure.

    Behind a line that says no lengths nobody knows where the next event begins: after an error
    nothing more can be read."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._n_searched = 0
        self._n_wanted = 0  # the size of the event whose line is there

    @property
    def has_begun(self) -> bool:
        """Whether part of an event is there."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take in what has come. `next_event` is to be asked until it has no more."""
        self._buffer += data

    def next_event(self) -> bytes | None:
        """The next event that is whole; None: more of it is needed. Raises `ProtocolError` for one
        that is malformed or too large, as soon as that shows."""
        if not self._n_wanted:
            end = self._buffer.find(b"\n", self._n_searched)
            if end < 0:
                self._n_searched = len(self._buffer)
                _check_size(self._n_searched)
                return None
            head = _head_of(bytes(self._buffer[:end]))
            self._n_wanted = end + 1 + (head.data_length or 0) + (head.payload_length or 0)
            _check_size(self._n_wanted)
        if len(self._buffer) < self._n_wanted:
            return None
        event = bytes(self._buffer[: self._n_wanted])
        del self._buffer[: self._n_wanted]
        self._n_searched = self._n_wanted = 0
        return event


def type_of(event: bytes) -> str:
    """The type of an event that is whole."""
    return _head_of(event.partition(b"\n")[0]).type


def decode(event: bytes) -> WyomingEvent:
    """An event that is whole. Raises `ProtocolError` where its data is no JSON object."""
    line, _, rest = event.partition(b"\n")
    head = _head_of(line)
    data = head.data or {}
    if head.data_length:
        try:
            data |= _DATA.validate_json(rest[: head.data_length])
        except ValidationError as error:
            raise ProtocolError(f"{head.type[:40]!r}: data: {complaints(error.errors())}") from None
    return WyomingEvent(head.type, data)


def encode(kind: str, data: Mapping[str, Any] | None = None, payload: bytes = b"") -> bytes:
    """An event as its bytes, laid out as the protocol's library does."""
    head: dict[str, Any] = {"type": kind, "version": _VERSION}
    written = json_text(data, separators=(", ", ": ")).encode() if data else b""
    if written:
        head["data_length"] = len(written)
    if payload:
        head["payload_length"] = len(payload)
    return json.dumps(head).encode() + b"\n" + written + payload


def _head_of(line: bytes) -> _EventHead:
    try:
        return _EventHead.model_validate_json(line)
    except ValidationError as error:
        raise ProtocolError(f"an event's first line: {complaints(error.errors())}") from None


def _check_size(n_bytes: int) -> None:
    if n_bytes > MAX_EVENT_BYTES:
        raise ProtocolError(f"an event is over {MAX_EVENT_BYTES} bytes, the most that is taken in")
