"""The types of options that are words with a form."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic_settings import NoDecode

from stages.voices import VoiceName

PositiveSeconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _split(words: object) -> object:
    if not isinstance(words, str):
        return words
    return [word for part in words.split(",") if (word := part.strip())]


Words = Annotated[list[str], NoDecode, BeforeValidator(_split)]
"""A list of words; flags and environment variables have commas between them."""

VoiceNameList = Annotated[list[VoiceName], NoDecode, BeforeValidator(_split)]
"""Likewise, of voices."""

Origin = Annotated[
    str, StringConstraints(pattern=r"(?i)^[a-z][a-z0-9+.-]*://[^/\s]+$", to_lower=True)
]
"""A web page's origin, as browsers send it: scheme, host, and the port unless it is the default.
Extensions and apps have schemes of their own."""


def _read_networks(words: object) -> object:
    split = _split(words)
    if not isinstance(split, list):
        return split
    return [ipaddress.ip_network(word) if isinstance(word, str) else word for word in split]


HttpUrl = Annotated[str, StringConstraints(pattern=r"(?i)^https?://[^/\s?#@]+(/[^\s?#]*)?$")]
"""The address of a service, without a query and without a password, since it is logged."""

Networks = Annotated[
    list[ipaddress.IPv4Network | ipaddress.IPv6Network], NoDecode, BeforeValidator(_read_networks)
]
"""Likewise, of IP addresses and networks."""

Origins = Annotated[list[Origin], NoDecode, BeforeValidator(_split)]
"""Likewise, of such."""
