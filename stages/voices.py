"""What a listener can choose from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Gender: TypeAlias = Literal["female", "male"]


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice that text can be spoken with."""

    name: str
    """What a client asks for."""
    engine: str
    """The name of the engine that speaks it."""
    language: str
    """A BCP 47 tag in lower case, such as ``en-us``."""
    gender: Gender | None
    description: str
    sample_rate: int
    """Hertz, of what the engine makes; a listener gets the rate it asked for."""
