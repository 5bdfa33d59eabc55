"""The command ``server.py fetch``: models from the Hugging Face hub."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, NoReturn

import structlog

from pipeline.cli.find_piper import PIPER
from pipeline.cli.logs import tell_end
from pipeline.models.fetch import fetch_model
from pipeline.models.piper_voices import piper_source
from pipeline.models.store import SOURCES
from stages.install_hints import EXAMPLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.cli.settings import FetchSettings
    from pipeline.models.store import ModelSource

log = structlog.stdlib.get_logger(__name__)


def fetch(options: FetchSettings) -> None:
    """Fetch the models that are named, and the Piper voices. Ends the program with 2 where there
    can be no such model or voice."""
    sources = list(_sources(options.names))
    if not log.isEnabledFor(logging.DEBUG):
        logging.getLogger("httpx2").setLevel(logging.WARNING)  # it logs each request
    for source in sources:
        fetch_model(source, options.models, options.revision)


def _sources(names: Sequence[str]) -> Iterator[ModelSource]:
    """What these words name: models, and behind the word for Piper its voices."""
    words = iter(names)
    for name in words:
        if name == PIPER:
            voices = [*words]
            if not voices:
                _refuse(
                    f"name the voices: fetch {PIPER} {EXAMPLE}; a language, as in fetch {PIPER} de,"
                    " tells which it has"
                )
            for voice in voices:
                source = piper_source(voice)
                if source is None:
                    _refuse(f"{voice!r} is no name of a voice; they are named like {EXAMPLE}")
                yield source
        elif name in SOURCES:
            yield SOURCES[name]
        else:
            known = ", ".join([*SOURCES, f"{PIPER} with the names of voices"])
            _refuse(f"there is no model {name!r}; there are {known}")


def _refuse(why: str) -> NoReturn:
    tell_end(why)
    sys.exit(2)
