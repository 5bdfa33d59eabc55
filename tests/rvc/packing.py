"""Archives of voices, as people download them."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from stages.rvc.voices.library import find_voices
from tests.hostile_rvc import archive_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def pack(path: Path, *names: str, **files: bytes) -> Path:
    """An archive of files with these names."""
    contents = dict.fromkeys(names, b"a voice") | files
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(archive_of(contents, method=zipfile.ZIP_DEFLATED))
    return path


def found(folder: Path) -> Mapping[str, tuple[str, str | None]]:
    """By name the voice file and the index, as paths in the archive; without any problem."""
    catalogue = find_voices([folder], None)
    assert not catalogue.problems
    return {
        name: (
            "/".join(voice.path.relative_to(folder).parts[2:]),
            "/".join(voice.index.relative_to(folder).parts[2:]) if voice.index else None,
        )
        for name, voice in catalogue.voices.items()
    }
