"""Voice files that must be refused, made of good ones."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Bomb:
    """Unpickled without care, it makes a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


def edit_voice(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change what is in a voice file."""
    saved = torch.load(path, weights_only=True)
    edit(saved)
    torch.save(saved, path)


def plant_bomb(path: Path, mark: Path) -> None:
    """Have a voice make the folder `mark` if it is unpickled without care."""
    edit_voice(path, lambda saved: saved.update(info=Bomb(mark)))


def cut(path: Path, keep: float) -> None:
    """Leave the first part of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])


def replace_pickle(path: Path, data: bytes, *, method: int = zipfile.ZIP_STORED) -> None:
    """Put another pickle into an archive of torch's."""
    with zipfile.ZipFile(path) as archive:
        files = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    files = {name: data if name.endswith("/data.pkl") else old for name, old in files.items()}
    path.write_bytes(archive_of(files, method=method))


def archive_of(files: dict[str, bytes], *, method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive. It ends with one record, where torch's end with three."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def pickle_of(path: Path) -> bytes:
    """The pickle in an archive of torch's."""
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        return archive.read(name)


def nested_tuples(depth: int) -> bytes:
    """A pickle of a dict whose key is a tuple in a tuple in a tuple ..."""
    return b"\x80\x02}" + pickle.EMPTY_TUPLE + pickle.TUPLE1 * depth + b"K\x01s."
