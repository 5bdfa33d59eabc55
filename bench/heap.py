"""What does the server hold, by its allocators' own figures?

    python bench/heap.py FILE [options of server.py]

runs the server, and at each SIGUSR1 writes into the file, as JSON, what is in use:

blocks     of Python's own allocator (``sys.getallocatedblocks``)
objects    that its collector knows, behind a full collection
in_use     bytes that the C library's malloc has handed out, mapped ones too (mallinfo2, malloc(3))
free       bytes that malloc keeps for later: resident, and nobody's
"""

from __future__ import annotations

import ctypes
import gc
import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

if TYPE_CHECKING:
    import psutil

PROGRAM = "bench/heap.py"
ANSWERS_WITHIN_S = 10.0


class MallInfo(ctypes.Structure):
    """``struct mallinfo2`` (malloc.h, glibc 2.33)."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def held() -> dict[str, int]:
    """The figures of this process."""
    gc.collect()
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = MallInfo
    info = mallinfo2()
    return {
        "blocks": sys.getallocatedblocks(),
        "objects": len(gc.get_objects()),
        "in_use": info.uordblks + info.hblkhd,
        "free": info.fordblks,
    }


def ask(process: psutil.Process, file: Path) -> dict[str, int]:
    """The figures of a server that writes them into this file. Raises `RuntimeError` where it does
    not."""
    file.unlink(missing_ok=True)
    process.send_signal(signal.SIGUSR1)
    end = time.perf_counter() + ANSWERS_WITHIN_S
    while time.perf_counter() < end:
        if file.exists():
            told: dict[str, int] = json.loads(file.read_text())
            return told
        time.sleep(0.01)  # the answer is a file: it can only be looked for
    raise RuntimeError("the server does not tell what it holds")


def _write(file: Path) -> None:
    new = file.with_suffix(".new")
    new.write_text(json.dumps(held()))
    new.replace(file)


if __name__ == "__main__":
    from server import main

    into, *arguments = sys.argv[1:]
    signal.signal(signal.SIGUSR1, lambda *_: _write(Path(into)))
    main(arguments)
