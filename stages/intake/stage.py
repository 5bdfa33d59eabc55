"""The intake: what a client says, turned into tokens and flushes with the style they are in.

`Conversation` decides; `take_in` moves what it says to the segmenter.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from stages.audio.format import StreamFormat
from stages.conversion_settings import ConversionSettings
from stages.errors import ProtocolError, UnknownVoice
from stages.items import Flush, Ready, Style, Token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.outbox import Outbox
    from pipeline.token_queue import TokenQueue
    from stages.items import ClientMessage
    from stages.voices import Voice

CONVERSION_KEYS = frozenset(ConversionSettings.model_fields)
"""Set over an RVC voice's own settings; null takes them back."""

OWN_STYLE_KEYS = frozenset({"voice", "pitch_shift", "segmentation", "seed"})

STYLE_KEYS = OWN_STYLE_KEYS | CONVERSION_KEYS
"""What acts on the text that follows, at any time."""

FORMAT_KEYS = frozenset({"encoding", "sample_rate", "channels", "frame_ms"})
"""What decides the form of the sound, and so is settled with the first token."""


class Messages(Protocol):
    """Where a client's messages come from."""

    async def receive(self) -> ClientMessage | None:
        """The next message; None: the client has said all it will, speak what is there.

        Raises `ProtocolError` for a message that breaks the protocol (ask for the next one)
        and `Disconnected` where there is nobody left to speak to."""


class Conversation:
    """What a connection's messages have settled so far. Pure."""

    def __init__(self, voices: Mapping[str, Voice], style: Style) -> None:
        self.style = style
        self.stream_format = StreamFormat()
        self.events = False
        self._voices = voices
        self._has_begun = False
        self._n_flushes = 0

    def configure(self, changes: Mapping[str, Any]) -> None:
        """Apply a config's keys, whose values are in range; raises `ProtocolError` naming the
        key that cannot be had, and then changes nothing."""
        voice = changes.get("voice")
        if voice is not None and voice not in self._voices:
            msg = f"voice: there is no voice {voice!r} here; GET /api/voices lists them"
            raise UnknownVoice(msg)
        if self._has_begun:
            for key in sorted(changes.keys() - STYLE_KEYS):
                msg = f"{key}: can only be set before the first token"
                raise ProtocolError(msg)
        conversion = {**self.style.conversion, **_only(changes, CONVERSION_KEYS)}
        conversion = {key: value for key, value in conversion.items() if value is not None}
        own = _only(changes, OWN_STYLE_KEYS)
        self.style = replace(self.style, conversion=conversion, **own)
        self.stream_format = replace(self.stream_format, **_only(changes, FORMAT_KEYS))
        self.events = changes.get("events", self.events)

    def take(self, message: ClientMessage) -> list[Token | Flush]:
        """What this message, its cancel aside, asks to be spoken."""
        if message.config is not None:
            self.configure(message.config)
        if message.pitch_shift is not None:
            self.style = replace(self.style, pitch_shift=message.pitch_shift)
        said: list[Token | Flush] = []
        if message.token:
            self._has_begun = True
            said.append(Token(message.token, self.style))
        if message.flush:
            self._has_begun = True
            self._n_flushes += 1
            said.append(Flush(self._n_flushes))
        return said

    @property
    def has_begun(self) -> bool:
        """Something was said, or a flush asked for."""
        return self._has_begun

    @property
    def ready(self) -> Ready:
        """The settings as they hold now."""
        return Ready(self._voices[self.style.voice].engine, self.style, self.stream_format)


async def take_in(
    messages: Messages,
    tokens: TokenQueue,
    conversation: Conversation,
    outbox: Outbox,
    *,
    note: Callable[[Token | Flush], None],
    expect: Callable[[Style], None],
) -> ClientMessage | None:
    """Read until the client cancels, and return that message; None: until it has ended.

    `note` is told of everything before it is handed on, and `expect` of the style that a config
    makes. What breaks the protocol is answered and the session lives."""
    with closing(tokens):
        while True:
            try:
                message = await messages.receive()
                if message is None or message.cancel:
                    return message
                said = conversation.take(message)
            except ProtocolError as error:
                await outbox.put(error)
                continue
            if message.config is not None:
                expect(conversation.style)
            if message.config is not None and conversation.events:
                await outbox.put(conversation.ready)
            for item in said:
                note(item)
                await tokens.send(item)


def _only(changes: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in changes.items() if key in keys}
