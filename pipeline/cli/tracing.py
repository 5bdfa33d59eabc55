"""The traces that the options ask for."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from pipeline.cli.version import own_version
from stages.errors import CannotStart

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipeline.cli.settings import ServeSettings
    from pipeline.traces import Traces

PACKAGES = "requirements/tracing.txt"


@asynccontextmanager
async def tracing(options: ServeSettings) -> AsyncIterator[Traces | None]:
    """The server's traces; None where there is no `--otlp-endpoint`. Raises `CannotStart` where
    OpenTelemetry's SDK is not installed."""
    if options.otlp_endpoint is None:
        yield None
        return
    traces = await trio.to_thread.run_sync(_open, options, abandon_on_cancel=True)
    try:
        yield traces
    finally:
        await traces.close()


def _open(options: ServeSettings) -> Traces:
    try:
        from pipeline.traces import Traces  # noqa: PLC0415 - 0.2 s, and not always installed
    except ImportError as error:
        place = options.place_of("otlp_endpoint")
        raise CannotStart(
            f"{place}: {error.name} is not installed: .venv/bin/python -m pip install -r {PACKAGES}"
        ) from error
    return Traces(str(options.otlp_endpoint), own_version(), show_texts=options.log_text)
