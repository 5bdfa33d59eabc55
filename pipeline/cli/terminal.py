"""The last line of standard error, where that is a terminal: it is written over to show how far
something is, and the log writes above it."""

from __future__ import annotations

import shutil
import sys

CLEAR_LINE = "\r\x1b[K"
"""ECMA-48: back to the line's start, and erase to its end."""


class _LastLine:
    """There is one for the whole program, as there is one standard error."""

    def __init__(self) -> None:
        self._is_drawn = False

    @property
    def is_there(self) -> bool:
        """Whether anybody could see it."""
        return sys.stderr is not None and sys.stderr.isatty()

    def show(self, text: str) -> None:
        """Write this over what it said, as far as it goes into one line."""
        width = shutil.get_terminal_size().columns - 1  # a full line would be broken
        self._write(text[:width])
        self._is_drawn = True

    def clear(self) -> None:
        """Leave an empty line to whatever is written next."""
        if self._is_drawn:
            self._is_drawn = False
            self._write("")

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(f"{CLEAR_LINE}{text}")
        sys.stderr.flush()


LAST_LINE = _LastLine()
