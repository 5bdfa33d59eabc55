"""Voice files that make espeak-ng deterministic; see ``data.py``."""

from __future__ import annotations

import os

STEADY = b"\nflutter 0\nroughness 8\n"
"""Flutter wobbles the pitch by a table whose position is a counter that nothing resets. Roughness 0
to 7 weakens every second to fourth cycle, counted by another; 8 and more does nothing
(``wavegen.c``, 1.52.0: ``if (voice->roughness < N_ROUGHNESS)``). The last line of a file wins."""


def write_steady(original: bytes, target: bytes) -> None:
    """Write a voice file anew, whole or not at all: the next process finds what one left that died
    (0.1 ms)."""
    with open(original, "rb") as source:  # noqa: PTH123 - pathlib takes 5 ms to import
        content = source.read()
    begun = b"%s.%d" % (target, os.getpid())
    with open(begun, "wb") as copy:  # noqa: PTH123 - likewise
        copy.write(content + STEADY)
    os.replace(begun, target)  # noqa: PTH105 - likewise
