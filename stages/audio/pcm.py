"""PCM: sound as the bytes that go over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from stages.audio import g711

if TYPE_CHECKING:
    from stages.audio.format import PcmEncoding, Samples

Linear16: TypeAlias = npt.NDArray[np.int16]

S16_SCALE = np.float32(32767.0)
"""Full scale: 1.0 is 32767 and -1.0 is -32767, so that nothing needs to be clipped twice."""


def encode(samples: Samples, encoding: PcmEncoding, channels: int) -> bytes:
    """Mono sound as interleaved PCM, the same in every channel; little-endian, see `clean`."""
    values: npt.NDArray[np.generic]
    match encoding:
        case "f32le":
            values = clean(samples).astype("<f4")
        case "s16le":
            values = linear16(samples).astype("<i2")
        case "mulaw":
            values = g711.mulaw(linear16(samples))
        case "alaw":
            values = g711.alaw(linear16(samples))
    return (values if channels == 1 else np.repeat(values, channels)).tobytes()


def linear16(samples: Samples) -> Linear16:
    """Sound as 16-bit numbers, to the nearest."""
    scaled: Samples = np.rint(clean(samples) * S16_SCALE)
    return scaled.astype(np.int16)


def clean(samples: Samples) -> Samples:
    """Sound within [-1, 1]: values beyond are clipped. What is not a number becomes silence: a
    model that breaks down must not hurt an ear."""
    clipped = np.clip(samples, -1.0, 1.0)
    if np.isnan(clipped).any():  # asked first: nan_to_num costs three times the rest
        clipped = np.nan_to_num(clipped, nan=0.0)
    return clipped
