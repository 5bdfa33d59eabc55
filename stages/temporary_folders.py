"""Folders that go away with us: at the end of the process, or if it is killed, at the next start.

Each is locked for as long as we live, and the system gives up the lock of a process that has ended,
however it did. So one that can be locked is nobody's, whichever process made it.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl


class TemporaryFolder:
    """A new folder, removed when this is closed or forgotten."""

    def __init__(self, prefix: str, parent: Path | None = None) -> None:
        """Make it in the `parent`, or where the system has such folders. What dead processes have
        left there of this prefix, which is ours alone, is swept. Raises `OSError`."""
        parent = parent or Path(tempfile.gettempdir())
        sweep(parent, prefix)
        while True:
            path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            lock = _lock(path, waits=True)
            if path.exists():  # else another process has swept it before it was locked
                break
            _give_up(lock)
        self.path = path
        self._close = weakref.finalize(self, _remove, path, lock)

    def close(self) -> None:
        """Remove it, with all that is in it."""
        self._close()


def sweep(parent: Path, prefix: str) -> None:
    """Remove the folders of this prefix that no process has any more."""
    with suppress(OSError):
        for path in parent.glob(f"{prefix}*"):
            if (lock := _lock(path)) is not None:
                _remove(path, lock)


def _lock(path: Path, *, waits: bool = False) -> int | None:
    """The descriptor that holds the lock of a folder; None: another process has it, and this does
    not wait until that has swept it, or there are no such locks here. Raises `OSError` where a new
    folder cannot be opened, which is removed then."""
    if sys.platform == "win32":
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # it is another user's, or has gone
        if waits and path.exists():  # no descriptor is left, and without a lock it would be swept
            path.rmdir()
            raise
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove(path: Path, lock: int | None) -> None:
    shutil.rmtree(path, ignore_errors=True)
    _give_up(lock)


def _give_up(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)
