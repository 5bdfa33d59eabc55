"""What engines lack on this machine, and the commands that get it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pipeline.models.store import MANIFEST, SOURCES
from stages.error_text import TO_GET_IT, without_folders
from stages.install_hints import install_hints

SOPRANO = "soprano"
"""The name of the engine, of its voice, and of its model in the store."""

SOPRANO_PACKAGES = ("torch", "transformers", SOPRANO)
RVC_PACKAGES = ("torch", "transformers", "scipy", "parselmouth")
"""Packages that the engines import and the light set lacks."""
PIPER_PACKAGES = ("onnx", "onnxruntime")
"""Those of the light set that there may be no build of for a machine."""


@dataclass(frozen=True)
class Missing:
    """The files and packages that an engine lacks, and the commands that get them."""

    engine: str
    parts: tuple[str, ...]
    how: str
    """The commands, in one line."""
    is_begun: bool
    """Whether some of it is there, so that somebody wants the engine."""

    def __str__(self) -> str:
        return f"{self.engine} lacks {', '.join(self.parts)}{TO_GET_IT}{self.how}"

    @property
    def for_clients(self) -> str:
        """The same for those who cannot do anything about it."""
        return without_folders(str(self), map(Path, self.parts))


def missing_for_rvc(content: Path) -> Missing | None:
    """What RVC lacks, with its content model there; None: nothing."""
    files = [] if content.exists() else [str(content)]
    get_files = [install_hints().model(content.parent)]
    return _missing("RVC", RVC_PACKAGES, files, get_files, is_begun=True)


def missing_for_piper(folder: Path, *, has_voice: bool) -> Missing | None:
    """What Piper lacks, whose voices lie in this folder; None: nothing."""
    files = [] if has_voice else [f"a voice in {folder}"]
    get_files = [install_hints().voice(folder)]
    return _missing("Piper", PIPER_PACKAGES, files, get_files, is_begun=has_voice)


def missing_for_soprano(models: Path) -> Missing | None:
    """What Soprano lacks; None: nothing."""
    folder = models / SOURCES[SOPRANO].folder
    files = [name for name in SOURCES[SOPRANO].files if not (folder / name).is_file()]
    is_begun = folder.is_dir() and any(folder.iterdir())
    get_files = [install_hints().model(folder)]
    if is_begun and not (folder / MANIFEST).exists():  # fetch replaces only what it fetched
        old = shlex.quote(f"{folder}.old")
        get_files.insert(0, f"mv {shlex.quote(str(folder))} {old}")
    told = [f"{', '.join(files) if is_begun else 'the model'} in {folder}"] if files else []
    return _missing("Soprano", SOPRANO_PACKAGES, told, get_files, is_begun=is_begun)


def _missing(
    engine: str, needed: tuple[str, ...], files: list[str], get_files: list[str], *, is_begun: bool
) -> Missing | None:
    """The missing files, and the packages that are not installed; None: nothing is missing."""
    packages = [name for name in needed if find_spec(name) is None]
    if not files and not packages:
        return None
    commands = [install_hints().packages] * bool(packages) + get_files * bool(files)
    return Missing(engine, (*files, *packages), install_hints().then.join(commands), is_begun)
