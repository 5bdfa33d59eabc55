"""What holds for all tests."""

from __future__ import annotations

from pipeline.cli.logs import connect_loggers


def pytest_configure() -> None:
    """Let `caplog` see what is logged, as the program does with `open_log`."""
    connect_loggers()
