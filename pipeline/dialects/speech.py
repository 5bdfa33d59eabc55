"""The contract between HTTP protocols and speaking: a text in a request, its speech in the answer.

A protocol makes a `Speech` of a request. Its answer is the speech in some form of sound, bare or
wrapped by a `Body` of its own. Pure.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator

from pipeline.dialects.native import Text
from stages.audio.encoders import FORMATS
from stages.errors import ProtocolError
from stages.intake.halves import whole_characters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.dialects.sound_form import SoundForm
    from stages.items import Outgoing

MAX_TEXT_CHARS = 10_000
"""The longest text of one request: about ten minutes of speech. Longer texts use a WebSocket."""

WholeText = Annotated[
    Text,
    BeforeValidator(lambda text: whole_characters(text) if isinstance(text, str) else text),
]
"""A text that comes in one piece: halves of characters are joined."""


class Body:
    """An answer's body, piece by piece: the bare sound, unless a protocol wraps it."""

    media_type: str | None = None
    """None: that of the form of sound."""

    def sound(self, data: bytes) -> bytes:
        """The piece for some bytes of sound in its form."""
        return data

    def event(self, item: Outgoing) -> bytes:
        """The piece for something other than sound, behind the sound before it."""
        del item
        return b""

    def end(self) -> bytes:
        """The last piece, behind all sound."""
        return b""


class Base64Run:
    """Bytes as one run of base64, however they come."""

    def __init__(self) -> None:
        self._left = b""

    def push(self, data: bytes) -> bytes:
        """The base64 that is complete: three bytes are four of its letters."""
        data = self._left + data
        n_whole = len(data) - len(data) % 3
        self._left = data[n_whole:]
        return base64.b64encode(data[:n_whole])

    def end(self) -> bytes:
        """The rest."""
        return base64.b64encode(self._left)


@dataclass(frozen=True, slots=True)
class Speech:
    """A text, how it is to be spoken, and the answer's form."""

    text: str
    config: Mapping[str, Any]
    """The keys of the native protocol's config that are about the voice and its manner, checked."""
    form: SoundForm
    body: Body = field(default_factory=Body)
    key: str = "text"
    """What the protocol calls the text, for errors."""

    def __post_init__(self) -> None:
        """Refuses with a `ProtocolError` a text that nothing can be made of, before any work."""
        n_chars = len(self.text)
        if n_chars > MAX_TEXT_CHARS:
            msg = f"{self.key}: it has {n_chars} characters, of at most {MAX_TEXT_CHARS}"
            raise ProtocolError(f"{msg}; longer ones go by WebSocket, or in several requests")
        if not self.text.strip():
            raise ProtocolError(f"{self.key}: there is nothing to speak, it is empty")

    @property
    def media_type(self) -> str:
        """The answer's Content-Type."""
        return self.body.media_type or FORMATS[self.form.name].media_type
