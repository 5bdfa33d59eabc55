"""The TOML file beside a voice: how it is described, and how it converts."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stages.conversion_settings import (
    MAX_FILTER_RADIUS,
    MAX_FORMANT_SHIFT,
    MAX_PROTECT,
    ConversionSettings,
)
from stages.errors import reason
from stages.neural.archives import one_line, why
from stages.voices import Gender

if TYPE_CHECKING:
    from pathlib import Path

PitchMethod: TypeAlias = Literal["auto", "pm", "dio", "harvest", "rmvpe"]

MAX_BYTES = 64_000
"""A dozen settings and a description."""
MAX_NAME = 100
"""Characters of a key in a complaint."""
MAX_PITCH_SHIFT = 24.0
"""Semitones, either way, as on the wire."""

DEFAULTS = ConversionSettings()


class BadSettings(Exception):
    """The file cannot be taken as it is; says why in one line, without the file's name."""


class VoiceSettings(BaseModel):
    """All that may stand in a voice's TOML file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    description: str = Field(default="", max_length=1000)
    language: str | None = Field(default=None, pattern=r"^[a-z]{2,3}(-[a-z0-9]{1,8})*$")
    """A BCP 47 tag in lower case."""
    gender: Gender | None = None
    speaks_with: str | None = None
    """The text-to-speech voice whose speech is converted."""
    pitch_shift: float = Field(default=0.0, ge=-MAX_PITCH_SHIFT, le=MAX_PITCH_SHIFT)
    """Semitones, added to the listener's: from that speech's range into this voice's."""
    pitch_method: PitchMethod = "auto"
    index_rate: Annotated[float, Field(ge=0, le=1)] = DEFAULTS.index_rate
    protect: Annotated[float, Field(ge=0, le=MAX_PROTECT)] = DEFAULTS.protect
    rms_mix_rate: Annotated[float, Field(ge=0, le=1)] = DEFAULTS.rms_mix_rate
    filter_radius: Annotated[int, Field(ge=0, le=MAX_FILTER_RADIUS)] = DEFAULTS.filter_radius
    speaker: Annotated[int, Field(ge=0)] = DEFAULTS.speaker
    formant_shift: Annotated[float, Field(ge=-MAX_FORMANT_SHIFT, le=MAX_FORMANT_SHIFT)] = (
        DEFAULTS.formant_shift
    )

    @property
    def conversion(self) -> ConversionSettings:
        """Those of the conversion itself."""
        return ConversionSettings(
            index_rate=self.index_rate,
            protect=self.protect,
            rms_mix_rate=self.rms_mix_rate,
            filter_radius=self.filter_radius,
            speaker=self.speaker,
            formant_shift=self.formant_shift,
        )


def read_settings(path: Path) -> VoiceSettings:
    """What stands in a TOML file. Raises `BadSettings`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise BadSettings(f"has more than {MAX_BYTES} bytes")
        return VoiceSettings.model_validate(tomllib.loads(data.decode()))
    except OSError as error:
        raise BadSettings(f"cannot be read: {error.strerror}") from error
    except ValidationError as error:
        complaints = [
            f"{one_line('.'.join(map(str, each['loc'])), MAX_NAME)}: {reason(each)}"
            for each in error.errors()
        ]
        raise BadSettings("; ".join(complaints[:3])) from error
    except (ValueError, RecursionError) as error:  # neither UTF-8 nor TOML
        raise BadSettings(f"is not TOML: {why(error)}") from error
