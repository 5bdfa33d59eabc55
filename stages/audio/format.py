"""The formats of sound, inside and on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Samples: TypeAlias = npt.NDArray[np.float32]
"""Mono sound: float32 in [-1, 1], shape (n_samples,)."""

NO_SAMPLES: Samples = np.empty(0, np.float32)

Encoding: TypeAlias = Literal["f32le", "s16le"]

PIPELINE_RATE = 48_000
"""Hertz of all sound behind the RVC stage."""

SAMPLE_RATES = (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """The encoding of one connection's PCM, and how it is cut into messages."""

    encoding: Encoding = "f32le"
    sample_rate: int = PIPELINE_RATE
    channels: int = 1
    frame_ms: int | None = None
    """The exact length of every message; None: messages as the sound is made."""
