"""Standard streams that a shell has closed (``<&-``, ``>&-``)."""

from __future__ import annotations

import io
import os
import sys

from stages.errors import ServerError


def fill_closed_streams() -> None:
    """Open what is closed anew, so that no file or socket of ours gets its number: what is written
    to standard error is lost. Standard input and output stay None: whoever has something to read or
    to write there has to say that it cannot."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for good


def require_output() -> None:
    """Have all text written to standard output, names of files that are not UTF-8 included. Raises
    `ServerError` where there is none to write to."""
    if sys.stdout is None:
        raise ServerError("standard output is closed")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
