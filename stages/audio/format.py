"""The formats of sound, inside and on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from stages.audio.choices import LinearEncoding

Samples: TypeAlias = npt.NDArray[np.float32]
"""Mono sound: float32 in [-1, 1], shape (n_samples,)."""

NO_SAMPLES: Samples = np.empty(0, np.float32)

PcmEncoding: TypeAlias = Literal[LinearEncoding, "mulaw", "alaw"]
"""Encodings that make each sample into bytes by itself; the last two are ITU-T G.711's."""

Encoding: TypeAlias = Literal[PcmEncoding, "opus"]
"""The encodings of a stream in messages. With ``opus`` each message is one packet."""

PIPELINE_RATE = 48_000
"""Hertz of all sound behind the RVC stage."""

OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
"""The rates that Opus takes in (RFC 6716, 2.1.3); a decoder gives out any of them."""

OPUS_PACKET_MS = 20
"""What players of bare packets expect, Discord's among them."""


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """The encoding of one connection's sound, and how it is cut into messages."""

    encoding: Encoding = "f32le"
    sample_rate: int = PIPELINE_RATE
    channels: int = 1
    frame_ms: int | None = None
    """The exact length of every message that was asked for; None: as the sound is made."""

    @property
    def exact_ms(self) -> int | None:
        """The exact length of every message; None: messages as the sound is made."""
        return OPUS_PACKET_MS if self.encoding == "opus" else self.frame_ms
