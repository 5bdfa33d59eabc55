"""The TOML file beside a voice: how it is described, and how it converts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from stages.conversion_settings import ConversionSettings, PitchShift
from stages.error_text import complaints
from stages.toml_text import BadToml, parse, read_text
from stages.voices import Gender, VoiceName

if TYPE_CHECKING:
    from pathlib import Path

PitchMethod: TypeAlias = Literal["auto", "pm", "dio", "harvest", "rmvpe"]

MAX_TOML_BYTES = 16_000
"""A dozen settings, a description, and words for people: they take 10 ms of a core."""


class VoiceSettings(ConversionSettings):
    """All that may stand in a voice's TOML file."""

    description: str = Field(default="", max_length=1000)
    language: str | None = Field(default=None, pattern=r"^[a-z]{2,3}(-[a-z0-9]{1,8})*$")
    """A BCP 47 tag in lower case."""
    gender: Gender | None = None
    speaks_with: VoiceName | None = None
    """The text-to-speech voice whose speech is converted."""
    pitch_shift: PitchShift = 0.0
    """Added to the listener's: from that speech's range into this voice's."""
    pitch_method: PitchMethod = "auto"
    licence: str = Field(default="", max_length=1000)
    """Whose voice it is, and on what terms."""
    free: bool = False
    """Whether everybody may use it for everything."""

    @field_validator("free")
    @classmethod
    def _says_why_it_is_free(cls, free: bool, others: ValidationInfo) -> bool:
        if free and not others.data.get("licence"):
            raise ValueError('say by which licence, as in: licence = "CC BY 4.0, by Anna"')
        return free


def read_settings(path: Path) -> VoiceSettings:
    """The settings in a voice's TOML file. Raises `BadToml`."""
    try:
        return VoiceSettings.model_validate(parse(read_text(path, MAX_TOML_BYTES)))
    except ValidationError as error:
        raise BadToml(complaints(error.errors())) from error
