"""How to get what is missing: with the source around, by its Makefile; in an image, by another."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

MAKEFILE = Path(__file__).parent.parent / "Makefile"
"""Beside `server.py`. An image has none: `.dockerignore` leaves it out."""


@dataclass(frozen=True, slots=True)
class InstallHints:
    """Commands, to be put into words."""

    packages: str
    """Gets the packages that models need."""
    fetch: str
    """Gets the model whose name comes behind it."""
    then: str
    """Between two of them."""
    models: Path
    """Where models go if nobody says otherwise."""

    def model(self, folder: Path) -> str:
        """Gets the model that has this folder among the models: it is named as the folder is."""
        models = folder.parent
        where = "" if models == self.models else f" --models {shlex.quote(str(models))}"
        return f"{self.fetch} {folder.name}{where}"


IN_SOURCE = InstallHints("make setup", ".venv/bin/python server.py fetch", " && ", Path("models"))

IN_IMAGE = InstallHints(
    "take the image's target cpu, cuda or rocm",
    "run the image with: fetch",
    ", then ",
    Path("/models"),
)
"""Nothing can be installed there: its user may not write to it, and it has no pip."""


def install_hints() -> InstallHints:
    """Those for where this program lies."""
    return IN_SOURCE if MAKEFILE.is_file() else IN_IMAGE
