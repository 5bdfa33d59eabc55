"""What holds for all tests."""

from __future__ import annotations

import os

from pipeline.cli.logs import connect_loggers

# One thread a process: tests run servers beside them, and torch's threads wait for each other's
# cores. Before anything imports torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure() -> None:
    """Let `caplog` see what is logged, as the program does with `open_log`."""
    connect_loggers()
