"""The program: ``python server.py`` serves, ``speak`` speaks to a file, ``fetch`` gets models, and
``check`` says what there is."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # What follows takes half a second to import. Ctrl-C would end that by a traceback.
    signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))

TOLD_TO_SERVERS = signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2
if __name__ == "__main__":
    # Until a server hears them they wait: by themselves they would end it.
    signal.pthread_sigmask(signal.SIG_BLOCK, TOLD_TO_SERVERS)

import structlog
import trio

from pipeline.cli.closed_streams import fill_closed_streams, require_output
from pipeline.cli.ending import end_at_once
from pipeline.cli.logs import open_log, tell_end
from pipeline.cli.near import did_you_mean
from pipeline.cli.option_sources import S, load, unknown_variables
from pipeline.cli.settings import (
    CheckSettings,
    FetchSettings,
    ServeSettings,
    SpeakSettings,
    SpeechSettings,
)
from pipeline.cli.version import versions
from pipeline.models.errors import StoreError
from stages.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

log = structlog.stdlib.get_logger("server")


def main(arguments: list[str]) -> None:
    """Run the command that the first word names; without one, serve."""
    ending: int | None = None  # Python 3.11.2 makes a group of what except* raises
    fill_closed_streams()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        match arguments:
            case ["--version"]:
                require_output()
                sys.stdout.write(f"{versions()}\n")
            case [word, *rest] if word in COMMANDS:
                if word != "serve":
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, TOLD_TO_SERVERS)
                COMMANDS[word](rest)
            case [word, *_] if not word.startswith("-"):
                told = f"there is no command {word!r}{did_you_mean([word], COMMANDS) or ';'}"
                *others, last = COMMANDS
                tell_end(f"{told} there are {', '.join(others)} and {last}")
                ending = 2  # as for every other error of usage
            case options:
                _serve(options)
    except* BrokenPipeError:
        ending = 128 + signal.SIGPIPE  # the reader of our sound closed the pipe
    except* (ServerError, StoreError, OSError) as failure:
        tell_end("; ".join(_messages(failure)))
        ending = 1
    except* KeyboardInterrupt:
        end_at_once(128 + signal.SIGINT)  # as shells have it
    sys.exit(ending)


# Each command imports what it needs when it is run: `serve` binds its port before anything that is
# slow to import, and `speak` needs no HTTP.


def _serve(arguments: list[str]) -> None:
    options = read_options(ServeSettings, arguments)
    from pipeline.cli.serve import serve  # noqa: PLC0415 - as above

    trio.run(serve, options)


def _speak(arguments: list[str]) -> None:
    options = read_options(SpeakSettings, arguments)
    from pipeline.cli.speak import speak  # noqa: PLC0415 - as above

    trio.run(speak, options)


def _fetch(arguments: list[str]) -> None:
    options = read_options(FetchSettings, arguments)
    from pipeline.cli.fetch import fetch  # noqa: PLC0415 - as above

    fetch(options)


def _check(arguments: list[str]) -> None:
    options = read_options(CheckSettings, arguments)
    from pipeline.cli.check import check  # noqa: PLC0415 - as above

    check(options)


COMMANDS = {"serve": _serve, "speak": _speak, "fetch": _fetch, "check": _check}


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
