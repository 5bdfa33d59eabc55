"""How to get what is missing: with the source around, by its Makefile; in an image, by another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MAKEFILE = Path(__file__).parent.parent / "Makefile"
"""Beside `server.py`. An image has none: `.dockerignore` leaves it out."""


@dataclass(frozen=True, slots=True)
class Remedies:
    """Commands, to be put into words."""

    packages: str
    """Gets the packages that models need."""
    fetch: str
    """Gets the model whose name comes behind it."""
    then: str
    """Between two of them."""

    def model(self, name: str) -> str:
        """Gets this model."""
        return f"{self.fetch} {name}"


IN_SOURCE = Remedies("make setup", ".venv/bin/python server.py fetch", " && ")

IN_IMAGE = Remedies(
    "take the image's target cpu, cuda or rocm", "run the image with: fetch", ", then "
)
"""Nothing can be installed there: its user may not write to it, and it has no pip."""


def remedies() -> Remedies:
    """Those for where this program lies."""
    return IN_SOURCE if MAKEFILE.is_file() else IN_IMAGE
