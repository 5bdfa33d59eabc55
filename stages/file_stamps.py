"""Stamps of files, by which one that was read is known not to have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class FileStamp(NamedTuple):
    """Changes with the file."""

    changed_at: int
    """Nanoseconds since the epoch."""
    n_bytes: int
    inode: int
    """Another where the file was replaced, even by one of that time."""


def file_stamp(path: Path) -> FileStamp | None:
    """The stamp of a file as it is now, in microseconds; None where it cannot be found."""
    try:
        status = path.stat()
    except OSError:
        return None
    return FileStamp(status.st_mtime_ns, status.st_size, status.st_ino)
