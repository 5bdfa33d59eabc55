"""A conversation's sound in the form that a client asked for: encoded off the loop, where it takes
a codec. A call of one takes up to some milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import trio

from stages.audio.encoders import new_encoder
from stages.audio.pcm import encode

if TYPE_CHECKING:
    from pipeline.dialects.sound_form import SoundForm
    from stages.audio.encoders import Encoder
    from stages.audio.format import Encoding


class EncodedSound:
    """One stream of sound in one form. The conversation has the config of that form
    (`SoundForm.config`)."""

    def __init__(self, head: bytes, encoder: Encoder | None) -> None:
        self._head = head
        self._encoder = encoder

    @classmethod
    async def begin(cls, form: SoundForm) -> EncodedSound:
        """The stream before its first sound, with its codec ready."""
        if not form.has_codec:
            return cls(form.head, None)
        wish = (form.name, form.sample_rate, form.channels, form.bit_rate)
        encoder = await trio.to_thread.run_sync(new_encoder, *wish)
        return cls(encoder.start(), encoder)

    async def push(self, data: bytes) -> bytes:
        """The bytes that are ready with this sound, which is as the conversation sent it; maybe
        none."""
        if self._encoder is not None:
            samples = np.frombuffer(data, np.float32)
            data = await trio.to_thread.run_sync(self._encoder.push, samples)
        return self._behind_head(data)

    async def end(self) -> bytes:
        """The rest. Nothing may be pushed after that."""
        if self._encoder is None:
            return self._behind_head(b"")
        return self._behind_head(await trio.to_thread.run_sync(self._encoder.flush))

    def _behind_head(self, data: bytes) -> bytes:
        head, self._head = self._head, b""
        return head + data


def silence(seconds: float, encoding: Encoding, sample_rate: int, channels: int) -> bytes:
    """Silence as a conversation of this format would send it. An ``opus`` stream has none by
    itself: its packets come from its encoder alone."""
    if encoding == "opus":
        raise ValueError("silence between the packets of an encoder would be a gap in them")
    return encode(np.zeros(round(seconds * sample_rate), np.float32), encoding, channels)
