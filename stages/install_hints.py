"""Commands that get missing packages and models: the Makefile's, or in an image another image."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

MAKEFILE = Path(__file__).parent.parent / "Makefile"
"""Beside `server.py`. An image has none: `.dockerignore` leaves it out."""

EXAMPLE = "en_GB-alba-medium"
"""A voice of Piper."""


@dataclass(frozen=True, slots=True)
class InstallHints:
    """Commands, for use in messages."""

    packages: str
    """Installs the packages that models need."""
    fetch: str
    """Fetches the model whose name follows."""
    gpu_torch: str
    """Installs a torch for the GPU's driver."""
    then: str
    """Joins two commands."""
    models: Path
    """The default folder for models."""

    def model(self, folder: Path) -> str:
        """The command for the model of this folder, which has the folder's name."""
        return f"{self.fetch} {folder.name}{self._where(folder)}"

    def voice(self, folder: Path) -> str:
        """The command for a voice in the folder of Piper's: an example, of some hundred."""
        return f"{self.fetch} {folder.name} {EXAMPLE}{self._where(folder)}"

    def _where(self, folder: Path) -> str:
        models = folder.parent
        return "" if models == self.models else f" --models {shlex.quote(str(models))}"


IN_SOURCE = InstallHints(
    "make setup",
    ".venv/bin/python server.py fetch",
    ".venv/bin/uv pip install --torch-backend=auto --reinstall-package torch"
    " -r requirements/torch.txt",
    " && ",
    Path("models"),
)

IN_IMAGE = InstallHints(
    "take the image's target cpu, cuda or rocm",
    "run the image with: fetch",
    "take the image's target cuda or rocm",
    ", then ",
    Path("/models"),
)
"""An image's: nothing can be installed there, since its user may not write to it, and it has no
pip."""


def install_hints() -> InstallHints:
    """The commands for this installation."""
    return IN_SOURCE if MAKEFILE.is_file() else IN_IMAGE
