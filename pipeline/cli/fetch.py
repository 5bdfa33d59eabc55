"""The command ``server.py fetch``: models from the Hugging Face hub."""

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
    """Fetch the models that are named. Ends the program with 2 where there is no such model."""
    for name in options.names:
        if name not in SOURCES:
            known = ", ".join(SOURCES)
            sys.stderr.write(f"server.py: there is no model {name!r}; there are {known}\n")
            sys.exit(2)
    if not log.isEnabledFor(logging.DEBUG):
        logging.getLogger("httpx2").setLevel(logging.WARNING)  # it logs each request
    for name in options.names:
        fetch_model(SOURCES[name], options.models, options.revision)
