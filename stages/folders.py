"""Folders that people put voices into."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN = ".", "__MACOSX"
"""What the names of hidden files begin with, and of what macOS packs into archives beside each."""


def entries_of(folder: Path, problems: list[str]) -> list[Path]:
    """The entries of a folder that are not hidden, in order; nothing where there is no folder. One
    that cannot be read is a line more among the problems, and so is an entry whose name is no text:
    it could be told to nobody, and nobody could ask for it."""
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.append(f"{folder} cannot be read: {error.strerror}")
        return []
    entries = []
    for path in paths:
        if path.name.startswith(HIDDEN):
            continue
        try:
            path.name.encode()
        except UnicodeEncodeError:  # Python has halves of characters for such bytes (PEP 383)
            told = os.fsencode(path).decode(errors="backslashreplace")
            problems.append(f"{told} is left out: its name is not UTF-8; give it another")
        else:
            entries.append(path)
    return entries
