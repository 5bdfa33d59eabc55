"""Parts for `bench/gpu.py` that go wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from bench.common import Result


def good(_asked: argparse.Namespace) -> Iterator[Result]:
    yield {"case": "fine", "ms": 1}


def raises(_asked: argparse.Namespace) -> Iterator[Result]:
    yield {"case": "before", "ms": 1}
    raise ValueError("no such card")


def dies(_asked: argparse.Namespace) -> Iterator[Result]:
    yield {"case": "before", "ms": 1}
    os._exit(9)


def hangs(_asked: argparse.Namespace) -> Iterator[Result]:
    """With a program that it has started, which would hang on."""
    waits = "import signal; print(flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", waits], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield {"case": "started", "pid": child.pid}
        child.wait()
