"""What holds for all tests."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import TYPE_CHECKING

import pytest

from pipeline.cli.logs import connect_loggers
from tests.server_process import ROOT, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server_process import ServerProcess

LIBC = ctypes.CDLL(None)

# One thread a process: tests run servers beside them, and torch's threads wait for each other's
# cores. Before anything imports torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Programs that tests start speak with espeak-ng where nobody chooses a voice, as they do where the
# packaged voice is not installed: it is quick, and says the same each time. For those that are to
# have the voice this variable is empty.
os.environ["PYTHONPATH"] = str(ROOT / "tests" / "no_voice")


def pytest_configure() -> None:
    """Let `caplog` see what is logged, as the program does with `open_log`."""
    connect_loggers()
    # A shell has what it runs in the background ignore Ctrl-C, and so would the programs that
    # tests start, some to interrupt them. nohup does so with a hang-up, which we go on to survive:
    # unlike what is ignored, a handler is not handed down.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)


@pytest.fixture(scope="module", autouse=True)
def _returned_memory() -> Iterator[None]:
    """What a module's networks were in goes back to the machine. glibc keeps it otherwise: four
    processes grew to 3 GB each, by networks that were long gone."""
    yield
    if hasattr(LIBC, "malloc_trim"):
        LIBC.malloc_trim(0)


@pytest.fixture(scope="session")
def plain_server() -> Iterator[ServerProcess]:
    """A server as it is out of the box, for all tests that leave it as they found it."""
    with running_server() as server:
        yield server
