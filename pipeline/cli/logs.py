"""The log: structlog's loggers in, lines on standard error out.

An entry is a fixed sentence and, where there is more to say, values by name. What libraries log by
the standard library's loggers comes out in the same form. What clients want spoken is private:
values named as in `TEXTS` are left out unless they are asked for.
"""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING, Any, Literal, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter

from pipeline.cli.terminal import LAST_LINE

if TYPE_CHECKING:
    from types import TracebackType

    from structlog.typing import EventDict, Processor, WrappedLogger

LogFormat = Literal["text", "json"]

TEXTS = frozenset({"text", "spoken"})
"""The names of values that hold a client's text, which may be logged under no other name."""

log = structlog.stdlib.get_logger("server")


def open_log(level: str, log_format: LogFormat, *, show_texts: bool) -> None:
    """Set up logging for the whole program, uncaught errors included."""
    is_json = log_format == "json"
    stamp = structlog.processors.TimeStamper(
        fmt="iso" if is_json else "%Y-%m-%d %H:%M:%S.%f", utc=is_json, key="time"
    )
    connect_loggers()
    finish: list[Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        stamp,
        structlog.processors.format_exc_info,
        ProcessorFormatter.remove_processors_meta,
    ]
    if not show_texts:
        finish.append(_without_texts)
    finish.append(
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str) if is_json else _as_text
    )
    handler = _AboveLastLine(is_json=is_json)
    for_libraries: list[Processor] = [structlog.contextvars.merge_contextvars]
    handler.setFormatter(ProcessorFormatter(foreign_pre_chain=for_libraries, processors=finish))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # All that Python or a library would write to standard error by itself.
    logging.captureWarnings(True)
    sys.excepthook = _tell_uncaught
    sys.unraisablehook = _tell_unraisable
    threading.excepthook = _tell_of_thread


class _AboveLastLine(logging.StreamHandler[TextIO]):
    """Writes to standard error, above the line that shows how far something is."""

    def __init__(self, *, is_json: bool) -> None:
        super().__init__()
        self.is_json = is_json

    def emit(self, record: logging.LogRecord) -> None:
        LAST_LINE.clear()
        super().emit(record)


def connect_loggers() -> None:
    """Pass structlog's entries on to the standard library's loggers, which have the levels."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.PositionalArgumentsFormatter(),
            ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _without_texts(_logger: WrappedLogger, _method: str, told: EventDict) -> EventDict:
    return {name: value for name, value in told.items() if name not in TEXTS}


def _as_text(_logger: WrappedLogger, _method: str, told: EventDict) -> str:
    """One line, followed by the traceback if there is one."""
    time, level, logger = told.pop("time"), told.pop("level"), told.pop("logger")
    event, trace = told.pop("event"), told.pop("exception", None)
    values = "".join(f" {name}={_value(value)}" for name, value in told.items())
    line = f"{time} {level.upper():<7} {logger}: {_one_line(str(event))}{values}"
    return line if trace is None else f"{line}\n{trace}"


def _value(value: Any) -> str:  # noqa: ANN401 - any value can be logged
    text = str(value)
    return _one_line(text) if text and " " not in text and "=" not in text else repr(text)


def _one_line(text: str) -> str:
    """The text without line breaks and the like, so that a client cannot forge a log line."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def tell_end(why: str) -> None:
    """Say why the program ends: a bare line for people, or an entry of a log of objects."""
    handlers = logging.getLogger().handlers
    if any(isinstance(each, _AboveLastLine) and each.is_json for each in handlers):
        log.critical("%s", why)
    else:
        sys.stderr.write(f"server.py: {why}\n")


def _tell_unraisable(failed: sys.UnraisableHookArgs) -> None:
    """An error where nobody could catch it: in a finalizer, or a callback of C's."""
    what = failed.err_msg or "an error that nobody can catch"
    error = failed.exc_value or failed.exc_type()
    log.error("%s", what, where=repr(failed.object), exc_info=error)


def _tell_of_thread(failed: threading.ExceptHookArgs) -> None:
    name = None if failed.thread is None else failed.thread.name
    error = failed.exc_value or failed.exc_type()
    log.error("a thread ends by an error", thread=name, exc_info=error)


def _tell_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if not isinstance(error, KeyboardInterrupt):  # Python itself ends as that asks for
        log.critical("the program ends by an error", exc_info=(kind, error, trace))
