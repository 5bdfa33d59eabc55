"""The progress of `speak` on a terminal: one line that is written over."""

from __future__ import annotations

import sys
import time

REDRAW_EVERY_S = 0.1
"""Seldom enough that a slow terminal holds nothing up."""

CLEAR_LINE = "\r\x1b[K"
"""ECMA-48: back to the line's start, and erase to its end."""


class Progress:
    """A count of the sound written, shown on standard error where that is a terminal."""

    def __init__(self, *, is_shown: bool) -> None:
        """`is_shown`: whether to show it on a terminal at all."""
        self._is_shown = is_shown and sys.stderr.isatty()
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
            self._draw(str(self))

    def __str__(self) -> str:
        took_s = time.monotonic() - self._began_at
        return f"{self.sound_s:.1f} s of speech in {took_s:.1f} s"

    def clear(self) -> None:
        """Leave an empty line to whatever is written next."""
        if self._drawn_at:
            self._draw("")

    @staticmethod
    def _draw(text: str) -> None:
        sys.stderr.write(f"{CLEAR_LINE}{text}")
        sys.stderr.flush()
