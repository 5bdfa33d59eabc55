"""What can be set about a conversion: by the voice, and over it by a connection."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

MAX_PROTECT = 0.5
"""Upstream's word for off."""
MAX_FILTER_RADIUS = 7
MAX_FORMANT_SHIFT = 12.0
"""Semitones, either way."""


@dataclass(frozen=True, slots=True)
class ConversionSettings:
    """How a voice converts. The defaults are RVC-WebUI's, but for `rms_mix_rate`: it has 0.25
    there, against recordings of uneven loudness, and 1 in rvc-python. Speech made from text is
    even."""

    index_rate: float = 0.75
    """How far content is drawn to the voice's index, where there is one: 0 to 1."""
    protect: float = 0.33
    """How much of the content as it was is kept where there is no pitch, for breaths and hisses:
    from 0, most, to `MAX_PROTECT`, off."""
    rms_mix_rate: float = 1.0
    """From 0, as loud as the speech that came in, to 1, as loud as the voice made it."""
    filter_radius: int = 3
    """Frames of the median filter over a pitch of harvest's; under 3 there is none."""
    speaker: int = 0
    """Which of the voice's speakers."""
    formant_shift: float = 0.0
    """Semitones."""

    def overlaid(self, overrides: ConversionOverrides) -> ConversionSettings:
        """These settings, but for those that are set in `overrides`."""
        values = {field.name: getattr(overrides, field.name) for field in fields(overrides)}
        return replace(self, **{name: v for name, v in values.items() if v is not None})


@dataclass(frozen=True, slots=True)
class ConversionOverrides:
    """What a connection sets over the voice's `ConversionSettings`; None is not set."""

    index_rate: float | None = None
    protect: float | None = None
    rms_mix_rate: float | None = None
    filter_radius: int | None = None
    speaker: int | None = None
    formant_shift: float | None = None


NO_OVERRIDES = ConversionOverrides()
"""All as the voice is set."""
