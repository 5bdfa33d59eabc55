"""The progress of what takes long: on a terminal in one line that is written over, in the log, and
in answers about the server's health."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Self

import structlog

from pipeline.cli.terminal import LAST_LINE

if TYPE_CHECKING:
    from types import TracebackType

log = structlog.stdlib.get_logger("server")

REDRAW_EVERY_S = 0.1
"""Seldom enough that a slow terminal holds nothing up."""

LONG_S = 1.0
"""What takes longer than this is told in the log."""


class Progress:
    """A count of the sound written, shown on standard error where that is a terminal."""

    def __init__(self, *, is_shown: bool) -> None:
        """`is_shown`: whether to show it on a terminal at all."""
        self._is_shown = is_shown and LAST_LINE.is_there
        self._began_at = time.monotonic()
        self._drawn_at = 0.0
        self.sound_s = 0.0
        """The seconds of sound written so far."""

    def add(self, sound_s: float) -> None:
        """Count this much more."""
        self.sound_s += sound_s
        now = time.monotonic()
        if self._is_shown and now - self._drawn_at >= REDRAW_EVERY_S:
            self._drawn_at = now
            LAST_LINE.show(str(self))

    def __str__(self) -> str:
        took_s = time.monotonic() - self._began_at
        return f"{self.sound_s:.1f} s of speech in {took_s:.1f} s"


class StartProgress:
    """The part of a start that is under way, such as ``Soprano, 280 MB: reading``; as a context,
    it is shown and logged. The parts may be told on any thread: a thread of its own looks at the
    clock, since neither `check` nor an import has a loop."""

    def __init__(self) -> None:
        self.part = "libraries: importing"
        self._began_at = time.monotonic()
        self._is_told = False
        self._is_shown = log.isEnabledFor(logging.INFO) and LAST_LINE.is_there
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._look_on, name="progress", daemon=True)

    def __call__(self, part: str) -> None:
        """From now on this is under way."""
        with self._lock:
            self._end_part()
            self.part, self._began_at, self._is_told = part, time.monotonic(), False

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def end(self) -> None:
        """The start is over."""
        self._stop()
        self._end_part()

    def _stop(self) -> None:
        self._ended.set()
        self._watch.join()
        LAST_LINE.clear()

    def _look_on(self) -> None:
        while not self._ended.wait(REDRAW_EVERY_S):
            with self._lock:
                self._look()

    def _look(self) -> None:
        took_s = time.monotonic() - self._began_at
        if self._is_shown:
            LAST_LINE.show(f"{self.part} ... {took_s:.0f} s")
        elif took_s >= LONG_S and not self._is_told:
            self._is_told = True
            log.info("%s", self.part)

    def _end_part(self) -> None:
        took_s = time.monotonic() - self._began_at
        if took_s >= LONG_S:
            log.info("%s took %.1f s", self.part, took_s)
