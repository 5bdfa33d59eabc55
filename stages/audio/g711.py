"""The companding laws of telephony (ITU-T G.711): 16-bit samples as one byte each.

Both write a sample as a sign, the number of its segment (3 bits) and its place in it (4 bits).
A segment is twice as wide as the one below it, so its number follows from the highest bit set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    Linear16: TypeAlias = npt.NDArray[np.int16]
    Octets: TypeAlias = npt.NDArray[np.uint8]
    Levels: TypeAlias = npt.NDArray[np.int32]

MULAW_BIAS = 33 << 2
"""Makes powers of two of the borders in table 2a of G.711, 2^n - 33, which are of 14 bits."""

LOWEST_SEGMENT_BIT = 7
"""The highest bit of a level in segment 0, of 16 bits."""


def mulaw(samples: Linear16) -> Octets:
    """Mu-law, as in North America and Japan. All bits of a code are inverted."""
    levels = np.minimum(np.abs(samples.astype(np.int32)) + MULAW_BIAS, 32_767)
    segments = _highest_bit(levels) - LOWEST_SEGMENT_BIT
    return ~_octets(samples < 0, segments, levels >> (segments + 3))


def alaw(samples: Linear16) -> Octets:
    """A-law, as everywhere else. Every other bit of a code is inverted, and the sign bit is set
    for what is positive."""
    wide = samples.astype(np.int32)
    levels = np.where(wide < 0, ~wide, wide)
    segments = np.maximum(_highest_bit(levels) - LOWEST_SEGMENT_BIT, 0)
    # Segments 0 and 1 are of the same width.
    codes = _octets(samples >= 0, segments, levels >> (np.maximum(segments, 1) + 3))
    return codes ^ np.uint8(0x55)


def _highest_bit(levels: Levels) -> Levels:
    """Its number, from 0; -1 where none is set."""
    return np.frexp(levels.astype(np.float32))[1] - 1


def _octets(signs: npt.NDArray[np.bool_], segments: Levels, places: Levels) -> Octets:
    return (signs << 7 | segments << 4 | places & 0xF).astype(np.uint8)
