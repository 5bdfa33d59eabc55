"""What can be chosen of the sound on the wire: as options need it, without numpy."""

from typing import Literal, TypeAlias

LinearEncoding: TypeAlias = Literal["f32le", "s16le"]
"""Samples as numbers, little-endian: float32, or signed 16 bit."""

SAMPLE_RATES = (8_000, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Hertz."""
