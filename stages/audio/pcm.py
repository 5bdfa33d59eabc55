"""PCM: sound as the bytes that go over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from stages.audio.format import Encoding, Samples

S16_SCALE = np.float32(32767.0)
"""Full scale: 1.0 is 32767 and -1.0 is -32767, so that nothing needs to be clipped twice."""


def encode(samples: Samples, encoding: Encoding, channels: int) -> bytes:
    """Mono sound as interleaved little-endian PCM, the same in every channel.

    Values beyond [-1, 1] are clipped. What is not a number becomes silence: a model that
    breaks down must not hurt an ear."""
    clean = np.clip(samples, -1.0, 1.0)
    if np.isnan(clean).any():  # asked first: nan_to_num costs three times the rest
        clean = np.nan_to_num(clean, nan=0.0)
    values: npt.NDArray[np.generic]
    match encoding:
        case "f32le":
            values = clean.astype("<f4")
        case "s16le":
            values = np.rint(clean * S16_SCALE).astype("<i2")
    return (values if channels == 1 else np.repeat(values, channels)).tobytes()
