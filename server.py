"""The program: ``python server.py`` serves, ``speak`` speaks to a file, ``fetch`` gets models, and
``check`` says what there is."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, TypeVar

import structlog
import trio

from pipeline.cli.check import check
from pipeline.cli.fetch import fetch
from pipeline.cli.logs import open_log
from pipeline.cli.option_sources import CommonSettings, load, strange_variables_of
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
    from collections.abc import Awaitable, Callable, Iterator

log = structlog.stdlib.get_logger("server")

Options = TypeVar("Options", bound=SpeechSettings)
Common = TypeVar("Common", bound=CommonSettings)

COMMANDS = "serve", "speak", "fetch", "check"


def main(arguments: list[str]) -> None:
    """Run the command that the first word names; without one, serve."""
    ending: str | int | None = None  # Python 3.11.2 makes a group of what except* raises
    try:
        match arguments:
            case ["speak", *rest]:
                run(speak, load(SpeakSettings, rest))
            case ["fetch", *rest]:
                run_plain(fetch, load(FetchSettings, rest))
            case ["check", *rest]:
                run_plain(check, load(CheckSettings, rest))
            case [word, *_] if word not in COMMANDS and not word.startswith("-"):
                known = f"{', '.join(COMMANDS[:-1])} and {COMMANDS[-1]}"
                sys.stderr.write(f"server.py: there is no command {word!r}; there are {known}\n")
                ending = 2  # as for every other error of usage
            case ["serve", *rest] | rest:
                # Imported here: FastAPI takes a third of a second that `speak` need not wait for.
                from pipeline.cli.serve import serve  # noqa: PLC0415

                run(serve, load(ServeSettings, rest))
    except* BrokenPipeError:
        ending = 128 + signal.SIGPIPE  # whoever read our sound has had enough
    except* (ServerError, StoreError, OSError) as failure:
        ending = f"server.py: {'; '.join(_messages(failure))}"
    except* KeyboardInterrupt:
        ending = 128 + signal.SIGINT  # as shells have it
    sys.exit(ending)


def run(command: Callable[[Options], Awaitable[None]], options: Options) -> None:
    """Run a command, with its log on standard error."""
    open_log(options.log_level, options.log_format, show_texts=options.log_text)
    warn_of_strange_variables()
    trio.run(command, options)


def run_plain(command: Callable[[Common], None], options: Common) -> None:
    """Run one beside which nothing else goes on, so that it needs no loop."""
    open_log(options.log_level, options.log_format, show_texts=False)
    warn_of_strange_variables()
    command(options)


def warn_of_strange_variables() -> None:
    """Of those that may be misspelt options. They are not refused: others may own them."""
    for line in strange_variables_of(os.environ):
        log.warning("%s", line)


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
