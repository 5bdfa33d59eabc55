"""What lies beside a Piper voice's network: ``NAME.onnx.json``, as piper's training writes it.

Keys and defaults as in piper1-gpl's ``config.py``; what is not listed here is not needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stages.error_text import complaints
from stages.errors import UnusableModel

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

MAX_CONFIG_BYTES = 1_000_000
"""Voices of 900 speakers have 30 kB."""

Rate = Annotated[int, Field(ge=8_000, le=48_000)]
Scale = Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)]
Noise = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
Id = Annotated[int, Field(ge=0)]
MAX_FOR_ONE = 8
"""Ids of a phoneme, or phonemes that one stands for: voices have one of each. A text's length in
ids, and what they take to read, is bounded by it."""


class _ConfigPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class SoundConfig(_ConfigPart):
    """The sound."""

    sample_rate: Rate = 22_050
    quality: str = ""


class EspeakVoice(_ConfigPart):
    """The language that its phonemes come from."""

    voice: str = "en-us"


class Inference(_ConfigPart):
    """The scales that it speaks with."""

    noise_scale: Noise = 0.667
    """Of the prior's noise."""
    length_scale: Scale = 1.0
    """Of the durations: 2 is half as fast."""
    noise_w: Noise = 0.8
    """Of the noise that the durations are drawn with."""


class SpokenLanguage(_ConfigPart):
    """The language, by its name and tag."""

    code: str = ""
    """Such as ``en_GB``."""
    name_english: str = ""
    country_english: str = ""


class PiperConfig(_ConfigPart):
    """The config of a voice."""

    audio: SoundConfig = SoundConfig()
    espeak: EspeakVoice = EspeakVoice()
    inference: Inference = Inference()
    language: SpokenLanguage = SpokenLanguage()
    phoneme_type: Literal["espeak", "text"] = "espeak"
    """How text becomes phonemes: by espeak-ng, or every character is one."""
    phoneme_map: dict[str, Annotated[list[str], Field(max_length=MAX_FOR_ONE)]] = {}
    """Phonemes that stand for another."""
    phoneme_id_map: dict[str, Annotated[list[Id], Field(max_length=MAX_FOR_ONE)]] = Field(
        min_length=1
    )
    num_symbols: Annotated[int, Field(ge=1, le=10_000)] = 256
    num_speakers: Annotated[int, Field(ge=1, le=100_000)] = 1
    speaker_id_map: dict[str, Id] = {}
    dataset: str = ""

    @model_validator(mode="after")
    def _ids_are_known(self) -> Self:
        if max(map(max, filter(None, self.phoneme_id_map.values())), default=0) >= self.num_symbols:
            raise ValueError(
                f"an id in phoneme_id_map is not below num_symbols, {self.num_symbols}"
            )
        if max(self.speaker_id_map.values(), default=0) >= self.num_speakers:
            raise ValueError(f"a speaker's id is not below num_speakers, {self.num_speakers}")
        return self


def read_config(path: Path) -> PiperConfig:
    """The config of a voice. Raises `UnusableModel`, which says what is wrong with it."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise UnusableModel(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_CONFIG_BYTES:
        raise UnusableModel(f"{path} has over {MAX_CONFIG_BYTES} bytes, so it is no voice's config")
    try:
        return PiperConfig.model_validate_json(data)
    except ValidationError as error:
        raise UnusableModel(f"{path}: {complaints(error.errors())}") from None
