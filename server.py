"""The program: ``python server.py`` serves, ``speak`` speaks to a file, ``fetch`` gets models, and
``check`` says what there is."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import structlog
import trio

from pipeline.cli.check import check
from pipeline.cli.fetch import fetch
from pipeline.cli.logs import open_log
from pipeline.cli.option_sources import S, load, unknown_variables
from pipeline.cli.settings import (
    CheckSettings,
    FetchSettings,
    ServeSettings,
    SpeakSettings,
    SpeechSettings,
)
from pipeline.cli.speak import speak
from pipeline.models.store import StoreError
from stages.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

log = structlog.stdlib.get_logger("server")

COMMANDS = "serve", "speak", "fetch", "check"


def main(arguments: list[str]) -> None:
    """Run the command that the first word names; without one, serve."""
    ending: str | int | None = None  # Python 3.11.2 makes a group of what except* raises
    try:
        match arguments:
            case ["speak", *rest]:
                trio.run(speak, read_options(SpeakSettings, rest))
            case ["fetch", *rest]:
                fetch(read_options(FetchSettings, rest))
            case ["check", *rest]:
                check(read_options(CheckSettings, rest))
            case [word, *_] if word not in COMMANDS and not word.startswith("-"):
                known = f"{', '.join(COMMANDS[:-1])} and {COMMANDS[-1]}"
                sys.stderr.write(f"server.py: there is no command {word!r}; there are {known}\n")
                ending = 2  # as for every other error of usage
            case ["serve", *rest] | rest:
                # Imported here: FastAPI takes a third of a second that `speak` need not wait for.
                from pipeline.cli.serve import serve  # noqa: PLC0415

                trio.run(serve, read_options(ServeSettings, rest))
    except* BrokenPipeError:
        ending = 128 + signal.SIGPIPE  # the reader of our sound closed the pipe
    except* (ServerError, StoreError, OSError) as failure:
        ending = f"server.py: {'; '.join(_messages(failure))}"
    except* KeyboardInterrupt:
        ending = 128 + signal.SIGINT  # as shells have it
    sys.exit(ending)


def read_options(settings: type[S], arguments: list[str]) -> S:
    """The options of a command. The log is open from here on, as they say.

    Variables that may be misspelt options are warned of and not refused: others may own them."""
    options = load(settings, arguments)
    show_texts = isinstance(options, SpeechSettings) and options.log_text
    open_log(options.log_level, options.log_format, show_texts=show_texts)
    for line in unknown_variables(os.environ):
        log.warning("%s", line)
    return options


def _messages(group: BaseExceptionGroup[BaseException]) -> Iterator[str]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _messages(error)
        elif isinstance(error, OSError) and error.strerror and error.filename is not None:
            yield f"{error.filename}: {error.strerror}"  # without the number, which tells nobody
        else:
            yield str(error)


if __name__ == "__main__":
    main(sys.argv[1:])
