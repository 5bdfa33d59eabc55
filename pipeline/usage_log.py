"""The file of ``--usage-log``: a line of JSON for each conversation, in the order of their ends,
written on a thread of its own.

What cannot be written is lost, and the log says so: nobody's conversation waits for a disk.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import stat
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import structlog
import trio

from pipeline.tenants import iso
from stages.errors import CannotStart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipeline.tenants import Tenant
    from pipeline.usage import Usage

log = structlog.stdlib.get_logger("server")

MAX_WAITING = 10_000
"""Lines that wait for the disk, 4 MB of them; more are lost."""

TELL_EVERY_S = 60.0
"""How often the log says that lines are lost."""

FLUSH_WITHIN_S = 5.0
"""How long the end of the program waits for the disk."""

MAX_READ_BYTES = 64 * 2**20
"""What is read back at the start, from the end of the file: 200,000 conversations, in two
seconds."""

MODE = 0o600
"""Of a file that is made: the lines have addresses."""


class UsageLog:
    """A file to which lines are added. Opened again, it may be another of the same name."""

    def __init__(self, path: Path) -> None:
        """Raises `CannotStart` where it cannot be written."""
        self.path = path
        try:
            self._file = self._open()
        except OSError as error:
            raise CannotStart(
                f"{path}: the usage log cannot be written: {error.strerror}"
            ) from None
        self._waiting: queue.Queue[bytes | None] = queue.Queue(MAX_WAITING)
        self._reopens = threading.Event()
        self._is_torn = False
        self._n_lost = 0
        self._told_at = -math.inf
        self._thread = threading.Thread(target=self._write_all, name="usage log", daemon=True)
        self._thread.start()

    def write(self, usage: Usage) -> None:
        """Add the line of a conversation that has ended, soon."""
        data = json.dumps(usage.line(), ensure_ascii=False).encode(errors="replace") + b"\n"
        try:
            self._waiting.put_nowait(data)
        except queue.Full:
            self._lose("the disk is too slow")

    def reopen(self) -> None:
        """Write what comes from now on into the file that has the name then."""
        self._reopens.set()
        with contextlib.suppress(queue.Full):  # the next line does it
            self._waiting.put_nowait(b"")

    def close(self) -> None:
        """Write what waits, within a time."""
        give_up_at = time.monotonic() + FLUSH_WITHIN_S
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=FLUSH_WITHIN_S)
        self._thread.join(max(0.0, give_up_at - time.monotonic()))
        if self._thread.is_alive():
            self._n_lost += self._waiting.qsize()
        if self._n_lost:
            self._tell_lost("some could not be written")

    # On the thread.

    def _write_all(self) -> None:
        while (data := self._waiting.get()) is not None:
            if self._reopens.is_set():
                self._reopens.clear()
                self._open_again()
            if data:
                self._write(data)
        os.close(self._file)

    def _write(self, data: bytes) -> None:
        if self._is_torn:
            data = b"\n" + data
        try:
            n_written = os.write(self._file, data)
        except OSError as error:
            self._lose(str(error.strerror))
            return
        self._is_torn = n_written < len(data)
        if self._is_torn:
            self._lose("only a part of a line could be written")

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return os.open(self.path, flags, MODE)

    def _open_again(self) -> None:
        try:
            file = self._open()
        except OSError as error:
            log.warning("the usage log cannot be opened again: %s; the old file is kept", error)
            return
        os.close(self._file)
        self._file, self._is_torn = file, False

    def _lose(self, why: str) -> None:
        """Count a line that is lost, on any thread."""
        self._n_lost += 1
        if time.monotonic() >= self._told_at + TELL_EVERY_S:
            self._tell_lost(why)

    def _tell_lost(self, why: str) -> None:
        self._told_at = time.monotonic()
        n_lost, self._n_lost = self._n_lost, 0
        log.warning("%s: %d lines of the usage log are lost: %s", self.path, n_lost, why)


async def count_again(path: Path, tenant: Callable[[str], Tenant]) -> None:
    """Enter what was used today by the lines of a usage log, so that a start does not give
    everybody a new day. `tenant` gives the one of a name."""
    now = time.time()
    used = await trio.to_thread.run_sync(partial(_used_today, path, now), abandon_on_cancel=True)
    for key, (characters, audio_s) in used.items():
        tenant(key).use(now, characters=characters, audio_s=audio_s)


def _used_today(path: Path, now: float) -> dict[str, tuple[int, float]]:
    """The characters and the seconds of sound by key. A conversation counts whole on the day on
    which it ended."""
    used: dict[str, tuple[int, float]] = {}
    today = iso(now)[:10]
    try:
        for end, key, characters, audio_s in _lines_from_the_last(path):
            if end[:10] < today:
                break
            before = used.get(key, (0, 0.0))
            used[key] = before[0] + characters, before[1] + audio_s
    except OSError as error:
        log.warning("%s: what was used today is not known: %s", path, error.strerror)
    return used


def _lines_from_the_last(path: Path) -> Iterator[tuple[str, str, int, float]]:
    """The end, the key, the characters and the seconds of sound of each line that has a key and is
    whole, the last line first."""
    if not stat.S_ISREG(path.stat().st_mode):
        return
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - MAX_READ_BYTES))
        lines = file.read(MAX_READ_BYTES).split(b"\n")
    for data in reversed(lines):
        try:
            line = json.loads(data)
            end, key = line["end"], line["key"]
            used = int(line["characters"]), float(line["audio_seconds"])
        except (ValueError, RecursionError, TypeError, KeyError, OverflowError):
            continue  # it is torn, or empty, or not ours
        if isinstance(end, str) and isinstance(key, str):
            yield end, key, *used
