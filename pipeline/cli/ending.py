"""The end of the program where threads are still at work that cannot be stopped."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn


def end_at_once(status: int) -> NoReturn:
    """End without waiting for any thread. One that reads a model or imports torch cannot be
    stopped: Python's own end would wait for some (those of `concurrent.futures`) and tear others
    out of C++, which may then abort the process. To be called after all cleaning up."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(status)
