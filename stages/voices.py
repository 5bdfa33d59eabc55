"""What a listener can choose from."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, StringConstraints

MAX_NAME_CHARS = 200

VoiceName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_NAME_CHARS),
    AfterValidator(lambda name: unicodedata.normalize("NFC", name)),
]
"""A voice that somebody names. Names are compared in Unicode's form NFC."""


def can_be_asked_for(name: str) -> bool:
    """Whether a voice of this name can be: no other is listed."""
    return 1 <= len(name) <= MAX_NAME_CHARS


VoiceType: TypeAlias = Literal["built-in", "neural", "rvc"]
"""What makes it: rules, a language model, or a conversion."""

Gender: TypeAlias = Literal["female", "male"]


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms on which a voice may be used."""

    licence: str
    """In a sentence: whose voice it is, and what its recordings and its training allow."""
    is_free: bool
    """Everybody may use it for everything, as far as is known."""


UNKNOWN_TERMS = Terms("unknown", is_free=False)


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice that text can be spoken with."""

    name: str
    """What a client asks for."""
    engine: str
    """The name of the engine that speaks it."""
    language: str | None
    """A BCP 47 tag in lower case, such as ``en-us``."""
    gender: Gender | None
    description: str
    sample_rate: int
    """Hertz, of what the engine makes; a listener gets the rate it asked for."""
    type: VoiceType = "built-in"
    speaks_with: str | None = None
    """The voice whose speech is converted into this one."""
    version: str | None = None
    """Of an RVC voice: ``v1`` or ``v2``."""
    has_index: bool | None = None
    """Whether an RVC voice has one."""
    licence: str = UNKNOWN_TERMS.licence
    """See `Terms.licence`."""
    is_free: bool = UNKNOWN_TERMS.is_free
    """See `Terms.is_free`."""
    removable: bool = False
    """Whether a client has uploaded it, so that clients may remove it."""
