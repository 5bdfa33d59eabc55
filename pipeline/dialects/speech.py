"""The contract between HTTP protocols and speaking: a text in a request, its speech in the answer.

A protocol makes a `Speech` of a request. Its answer is the speech in some form of sound, bare or
wrapped by a `Body` of its own. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator

from pipeline.dialects.native import Text
from stages.audio.encoders import FORMATS, SoundFormat, check_format
from stages.audio.encoders.plain import wav_head
from stages.audio.format import PIPELINE_RATE
from stages.errors import ProtocolError
from stages.intake.halves import whole_characters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stages.audio.format import PcmEncoding
    from stages.items import Outgoing

MAX_TEXT_CHARS = 10_000
"""The longest text of one request: about ten minutes of speech. Longer texts use a WebSocket."""

WholeText = Annotated[
    Text,
    BeforeValidator(lambda text: whole_characters(text) if isinstance(text, str) else text),
]
"""A text that comes in one piece: halves of characters are joined."""

_ENCODINGS: dict[SoundFormat, PcmEncoding] = {
    "wav": "s16le",
    "s16le": "s16le",
    "f32le": "f32le",
    "mulaw": "mulaw",
    "alaw": "alaw",
}
"""The encoding of what is made without a codec."""


@dataclass(frozen=True, slots=True)
class SoundForm:
    """A form of sound in an answer."""

    name: SoundFormat = "wav"
    sample_rate: int = PIPELINE_RATE
    """Hertz."""
    channels: int | None = None
    """1, or 2 that hold the same; None: as the format usually has."""
    bit_rate: int | None = None
    """Bits a second, where the format has a choice."""

    def __post_init__(self) -> None:
        """Refuses with a `ProtocolError` what the format does not have."""
        try:
            check_format(self.name, self.sample_rate, self.bit_rate)
        except ValueError as error:
            raise ProtocolError(str(error)) from None

    @property
    def has_codec(self) -> bool:
        """Whether it takes an encoder. Without one it is as a conversation gives it."""
        return self.name not in _ENCODINGS

    @property
    def config(self) -> dict[str, Any]:
        """The keys of the native protocol's config for the sound that it is made of."""
        if self.has_codec:
            return {"encoding": "f32le", "sample_rate": PIPELINE_RATE}
        encoding, channels = _ENCODINGS[self.name], self.channels or 1
        return {"encoding": encoding, "sample_rate": self.sample_rate, "channels": channels}

    @property
    def head(self) -> bytes:
        """What goes before sound that has no encoder."""
        return wav_head(self.sample_rate, self.channels or 1) if self.name == "wav" else b""


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
