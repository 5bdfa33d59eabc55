"""How far `speak` is, on a terminal: one line that is written over."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

REDRAW_EVERY_S = 0.1
"""A terminal at the end of a slow line should not wait for us, nor we for it."""

CLEAR_LINE = "\r\x1b[K"
"""ECMA-48: back to the line's start, and erase to its end."""


class Progress:
    """Counts sound, and shows it on standard error where that is a terminal."""

    def __init__(self, *, is_shown: bool) -> None:
        """`is_shown`: if standard error is a terminal."""
        self._is_shown = is_shown and sys.stderr.isatty()
        self._began_at = time.monotonic()
        self._drawn_at = 0.0
        self.sound_s = 0.0
        """How much was written."""

    def add(self, sound_s: float) -> None:
        """So much more was written."""
        self.sound_s += sound_s
        now = time.monotonic()
        if self._is_shown and now - self._drawn_at >= REDRAW_EVERY_S:
            self._drawn_at = now
            self._write(f"{CLEAR_LINE}{self}")

    def __str__(self) -> str:
        took_s = time.monotonic() - self._began_at
        return f"{self.sound_s:.1f} s of speech in {took_s:.1f} s"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Leave an empty line to whatever is said next."""
        if self._is_shown and self._drawn_at:
            self._write(CLEAR_LINE)

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
