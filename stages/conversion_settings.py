"""Settings of a conversion: what a voice's TOML file and a connection's config have in common.

Here stand their names, ranges and defaults. `VoiceSettings` (stages/rvc/voices/settings.py) and
the wire's `Config` (pipeline/dialects/native.py) inherit them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PitchShift = Annotated[float, Field(ge=-24, le=24, allow_inf_nan=False)]
"""Semitones."""

MAX_PROTECT = 0.5
"""Off, in upstream's scale."""
MAX_SPEAKERS = 10_000
"""The most that one voice may have; RVC's training makes 109."""


class ConversionSettings(BaseModel):
    """The settings of a conversion. The defaults are RVC-WebUI's, but for `rms_mix_rate`: that is
    0.25 there, against recordings of uneven loudness, and 1 in rvc-python. Synthesized speech is
    even."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    index_rate: float = Field(default=0.75, ge=0, le=1)
    """The share of the voice's index in the content features, where there is an index."""
    protect: float = Field(default=0.33, ge=0, le=MAX_PROTECT)
    """The share of the index where there is no pitch, in breaths and hisses: from 0, none, to
    `MAX_PROTECT`, as elsewhere."""
    rms_mix_rate: float = Field(default=1.0, ge=0, le=1)
    """Loudness: from 0, that of the speech that came in, to 1, that of the voice."""
    filter_radius: int = Field(default=3, ge=0, le=7)
    """Frames of the median filter over a pitch of harvest's; under 3 there is none."""
    speaker: int = Field(default=0, ge=0, le=MAX_SPEAKERS)
    """The number of the voice's speaker."""
    formant_shift: float = Field(default=0.0, ge=-12, le=12)
    """Semitones."""

    @property
    def unvoiced_share(self) -> float:
        """The part of what an index changes that frames without pitch take: 1 is all of it."""
        return self.protect if self.protect < MAX_PROTECT else 1.0
