"""``server.py fetch``: get the models that are named."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog

from pipeline.models.fetch import fetch_model
from pipeline.models.store import SOURCES

if TYPE_CHECKING:
    from pipeline.cli.settings import FetchSettings

log = structlog.stdlib.get_logger(__name__)


def fetch(options: FetchSettings) -> None:
    """Get the models that are asked for. Ends the program where there is none of that name."""
    for name in options.names:
        if name not in SOURCES:
            known = ", ".join(SOURCES)
            sys.stderr.write(f"server.py: there is no model {name!r}; there are {known}\n")
            sys.exit(2)
    if not log.isEnabledFor(logging.DEBUG):
        logging.getLogger("httpx2").setLevel(logging.WARNING)  # it tells each request
    for name in options.names:
        fetch_model(SOURCES[name], options.models, options.revision)
