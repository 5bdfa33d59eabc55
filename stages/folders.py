"""Folders that people put voices into."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN = ".", "__MACOSX"
"""What the names of hidden files begin with, and of what macOS packs into archives beside each."""


def entries_of(folder: Path, problems: list[str]) -> list[Path]:
    """The entries of a folder that are not hidden, in order; nothing where there is no folder. One
    that cannot be read is a line more among the problems."""
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.append(f"{folder} cannot be read: {error.strerror}")
        return []
    return [path for path in paths if not path.name.startswith(HIDDEN)]
