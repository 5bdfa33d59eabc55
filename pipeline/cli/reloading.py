"""What is read again while the server runs, at SIGHUP: the keys file, and the usage log's name."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import TYPE_CHECKING

import structlog
import trio

from pipeline.net.keys import KEYS_VARIABLE, read_keys
from stages.errors import CannotStart

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.net.access import Access
    from pipeline.usage_log import UsageLog

log = structlog.stdlib.get_logger("server")


class Reloading:
    """The reading again of one server's files, off the Trio thread and one after the other."""

    def __init__(self, keys_file: Path | None, access: Access, usage_log: UsageLog | None) -> None:
        self._keys_file = keys_file
        self._access = access
        self._usage_log = usage_log
        self._asked, self._to_do = trio.open_memory_channel[None](1)

    @property
    def is_wanted(self) -> bool:
        """Whether there is anything to read again."""
        return self._keys_file is not None or self._usage_log is not None

    def ask(self) -> None:
        """Read everything again, soon."""
        try:
            self._asked.send_nowait(None)
        except trio.WouldBlock:
            log.debug("it is about to be read again anyway")

    async def run(self) -> None:
        """Read again whenever that is asked for, until cancelled."""
        async for _ in self._to_do:
            if self._usage_log is not None:
                self._usage_log.reopen()
                log.info("the usage log goes on in %s", self._usage_log.path)
            if self._keys_file is not None:
                await self._read_keys(self._keys_file)

    async def _read_keys(self, file: Path) -> None:
        """Put the file's keys into force. Who is connected goes on, also without a key now."""
        read = partial(read_keys, file, os.environ.get(KEYS_VARIABLE, ""))
        try:
            keys = await trio.to_thread.run_sync(read, abandon_on_cancel=True)
        except CannotStart as error:
            log.warning("%s; the keys stay as they were", error)
        except OSError as error:
            log.warning("%s: %s; the keys stay as they were", file, error.strerror)
        else:
            self._access.keys.replace(keys)
            log.info("read %s again: there are %d keys", file, len(keys))


def signals_to_hear(*, reloads: bool) -> list[signal.Signals]:
    """The signals to listen to: to end, to drain and to stay. SIGHUP is one, unless it was to be
    ignored (nohup) and there is nothing that it could have read again."""
    signals = [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2]
    if reloads or signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    return signals
