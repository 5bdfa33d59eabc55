"""Values that clients may ask for and options may set, checked.

Apart from the protocols, since the options are read before the port is bound, and what the
protocols import takes half a second.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from stages.audio.choices import SAMPLE_RATES


def _known_rate(rate: int) -> int:
    if rate not in SAMPLE_RATES:
        raise ValueError(f"must be one of {', '.join(map(str, SAMPLE_RATES))}")
    return rate


SampleRate = Annotated[int, AfterValidator(_known_rate)]
"""Hertz."""
Speed = Annotated[float, Field(ge=0.5, le=2, allow_inf_nan=False)]
"""Times as fast as the voice speaks by itself."""
Volume = Annotated[
    float,
    Field(ge=-40, le=20, allow_inf_nan=False),
    BeforeValidator(lambda value: 0.0 if value is None else value),
]
"""Decibels; null is 0."""
LanguageTag = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z]{1,8}([-_][A-Za-z0-9]{1,8}){0,6}$", to_lower=True),
    AfterValidator(lambda tag: tag.replace("_", "-")),
]
"""A BCP 47 tag, in lower case."""
