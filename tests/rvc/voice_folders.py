"""Folders of voices, laid out without any voice."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def put(folder: Path, *names: str) -> None:
    """Files with nothing in them: finding opens no voice."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
