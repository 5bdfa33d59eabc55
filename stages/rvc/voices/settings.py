"""The TOML file beside a voice: how it is described, and how it converts."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Literal, TypeAlias

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from stages.conversion_settings import ConversionSettings, PitchShift
from stages.error_text import complaints, reason
from stages.voices import Gender, VoiceName

if TYPE_CHECKING:
    from pathlib import Path

PitchMethod: TypeAlias = Literal["auto", "pm", "dio", "harvest", "rmvpe"]

MAX_TOML_BYTES = 16_000
"""A dozen settings and a description. What tomllib takes for a key of many parts, ``a.a.a``, grows
with its square: 0.6 s of a core for so many bytes, and 11 s for four times as many."""


class BadSettings(Exception):
    """The file cannot be taken as it is; says why in one line, without the file's name."""


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
    """Read and check a TOML file. Raises `BadSettings`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TOML_BYTES + 1)
        if len(data) > MAX_TOML_BYTES:
            raise BadSettings(f"has more than {MAX_TOML_BYTES} bytes")
        return VoiceSettings.model_validate(tomllib.loads(data.decode()))
    except OSError as error:
        raise BadSettings(f"cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise BadSettings(complaints(error.errors())) from error
    except (ValueError, RecursionError) as error:  # neither UTF-8 nor TOML
        raise BadSettings(f"is not TOML: {reason(error)}") from error
