"""Sizes of files, for people who wait until they have been read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def megabytes(n_bytes: int) -> str:
    """A size in words: ``280 MB``, of a million bytes each."""
    return f"{max(1, round(n_bytes / 1e6))} MB"


def size_of(paths: Iterable[Path]) -> int:
    """The bytes of these files, and of the files right in these folders. What is missing has
    none."""
    files = (file for path in paths for file in (path.iterdir() if path.is_dir() else (path,)))
    return sum(file.stat().st_size for file in files if file.is_file())
