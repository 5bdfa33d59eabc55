"""A Piper voice on the disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stages.voices import UNKNOWN_TERMS

if TYPE_CHECKING:
    from pathlib import Path

    from stages.tts.piper.config import PiperConfig
    from stages.voices import Terms

SPEAKER_SIGN = "+"
"""Between a voice's name and the name of one of its speakers: ``en_GB-vctk-medium+p239``."""


@dataclass(frozen=True, slots=True)
class PiperVoiceFile:
    """A voice as the hub has it: a network, and its config beside it."""

    name: str
    """Such as ``en_GB-alba-medium``, as the files are named."""
    model: Path
    """``NAME.onnx``, not opened yet."""
    config: PiperConfig
    terms: Terms = UNKNOWN_TERMS
    """What its MODEL_CARD says of its licence."""
