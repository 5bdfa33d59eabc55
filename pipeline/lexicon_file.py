"""The file of ``--lexicon``: words and their pronunciations by language, in TOML. It is read again
when it has changed, off the Trio thread."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import structlog
import trio
from pydantic import AfterValidator, TypeAdapter, ValidationError

from stages.error_text import complaints
from stages.file_stamps import file_stamp
from stages.text.lexicon import EVERY_LANGUAGE, Lexicon, WordEntries, word_table
from stages.toml_text import BadToml, parse, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import NoReturn

    from stages.text.lexicon import WordTable

log = structlog.stdlib.get_logger(__name__)

WATCH_EVERY_S = 1.0

MAX_FILE_BYTES = 2 * 2**20
"""Some 50,000 words, which are read in a second."""

_LANGUAGE = re.compile(r"\*|[a-z]{2,3}(-[a-z0-9]{1,8})*", re.IGNORECASE)


def _checked(language: str) -> str:
    if _LANGUAGE.fullmatch(language) is None:
        raise ValueError("is no language: en, en-GB, or * for all")
    return language


_Language = Annotated[str, AfterValidator(_checked)]
_FILE: TypeAdapter[dict[str, WordEntries]] = TypeAdapter(dict[_Language, WordEntries])
_HEADER = re.compile(r"\s*\[(.+)\]\s*(?:#.*)?")
_KEY = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'[^']*'|[\w-]+)\s*=""")


class LexiconFile:
    """The words of a file, as it was when it last was whole."""

    def __init__(self, path: Path) -> None:
        """Read the file; raises `BadToml`."""
        self.path = path
        self._stamp = file_stamp(path)
        self.lexicon = read_lexicon(path)

    def tables(self, language: str) -> tuple[WordTable, ...]:
        """See `stages.text.lexicon.Lexicon.tables`."""
        return self.lexicon.tables(language)

    async def watch(self) -> None:
        """Read the file whenever it has changed, until cancelled."""
        while True:
            await trio.sleep(WATCH_EVERY_S)
            await trio.to_thread.run_sync(self.refresh)

    def refresh(self) -> None:
        """Read the file if it has changed, on any thread. Where it is broken the log says so,
        once, and the words stay as they are."""
        stamp = file_stamp(self.path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.lexicon = read_lexicon(self.path)
        except BadToml as error:
            log.warning("%s: %s; its words stay as they were", self.path, error)
        else:
            log.info("read %s again: %d words", self.path, len(self.lexicon))


def read_lexicon(path: Path) -> Lexicon:
    """The words of a file. Raises `BadToml`."""
    text = read_text(path, MAX_FILE_BYTES)
    tables = parse(text)
    for name, table in tables.items():
        if not isinstance(table, dict):
            where = f'below ["{EVERY_LANGUAGE}"], or below a language: [en]'
            raise BadToml(f"{_line(text, '', name)}{name} stands in no table; put it {where}")
    try:
        checked = _FILE.validate_python(tables)
    except ValidationError as error:
        _tell(text, error)
    entries: dict[str, WordEntries] = {}
    for language, words in checked.items():
        entries.setdefault(language.lower(), {}).update(words)
    return Lexicon({language: word_table(words) for language, words in entries.items()})


def _tell(text: str, error: ValidationError) -> NoReturn:
    """Raises `BadToml` with the line of each complaint that is told."""

    def place(each: Mapping[str, Any]) -> str:
        table, *inside = map(str, each["loc"])
        keys = [key for key in inside if key != "[key]"]
        return _line(text, table, keys[0] if keys else None) + ".".join([table, *keys])

    raise BadToml(complaints(error.errors(), place)) from error


def _line(text: str, table: str, word: str | None) -> str:
    """``line 7: `` for a word of a table, or for its heading; empty where it is not found, since
    TOML has many ways to write a table."""
    here = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.fullmatch(line):
            here = _unquoted(header[1])
            if word is None and here == table:
                return f"line {number}: "
        elif here == table and (key := _KEY.match(line)) and _unquoted(key[1]) == word:
            return f"line {number}: "
    return ""


def _unquoted(key: str) -> str:
    try:
        return next(iter(parse(f"{key.strip()} = 0")))
    except BadToml:
        return key
