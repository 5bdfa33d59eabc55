"""The keys that open the port, each with its name and its limits: from an environment variable, and
from a file, which is plain or TOML.

    [keys.alice]
    key = "..."                     # or sha256 = "...", its digest: who sees it has no key
    listeners = 4
    characters_a_day = 200_000
    audio_seconds_a_day = 7_200
    voices = ["en-*", "anna"]

    [keys.balancer]
    sha256 = "..."
    operator = true                 # it may drain the server

No message holds a key. A name that cannot be one is not repeated either: it may be a key.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from pipeline.tenants import NO_LIMITS, Limits, Tenant
from stages.error_text import complaints
from stages.errors import CannotStart
from stages.voices import VoiceName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

KEYS_VARIABLE = "VOICE_API_KEYS"
"""Not a flag: every process of the machine can read command lines."""

MIN_KEY_CHARS = 16
"""The shortest key: 96 bits if it is random, which nobody guesses over a network."""

MAX_FILE_BYTES = 2**20
"""Some thousands of keys."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
"""A key's name: shorter than a key that anybody makes by our advice, of 43 characters."""
_MADE_UP_NAME = re.compile(r"(env|line)-\d+")
_PLACE_IN_TOML = re.compile(r"at line \d+, column \d+|at end of document")

OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""What the group of a file and everybody else may do with it."""


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A key, by its digest, and whose it is."""

    name: str
    digest: bytes
    limits: Limits = NO_LIMITS
    is_operator: bool = False


class KeyRing:
    """The keys that are in force, and their tenants. Others may take their place at any time: a
    tenant is known by its name, whatever its key, and its account goes on."""

    def __init__(self, keys: Iterable[NamedKey] = ()) -> None:
        self._tenants: dict[str, Tenant] = {}
        self.replace(keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def replace(self, keys: Iterable[NamedKey]) -> None:
        """Put these keys in place of those that there were."""
        self._keys: dict[bytes, Tenant] = {}  # by digest
        for key in keys:
            tenant = self.tenant(key.name)
            tenant.limits, tenant.is_operator = key.limits, key.is_operator
            self._keys.setdefault(key.digest, tenant)

    def tenant(self, name: str) -> Tenant:
        """The tenant of this name, also of one that has no key now."""
        return self._tenants.setdefault(name, Tenant(name))

    def find(self, presented: Iterable[bytes]) -> Tenant | None:
        """The tenant of the first key that is one of ours; None: none is."""
        # Looked up by a digest, so that the time it takes tells nothing of any key of ours, and
        # does not grow with their number.
        tenants = (self._keys.get(_digest(key)) for key in presented)
        return next((tenant for tenant in tenants if tenant is not None), None)


def read_keys(file: Path | None, variable: str) -> list[NamedKey]:
    """The keys of a file and those of an environment variable, with commas between them.

    Raises `CannotStart`, whose message never holds a key, and `OSError`."""
    of_file = [] if file is None else _read_file(file)
    words = [word for word in map(str.strip, variable.split(",")) if word]
    of_variable = [
        _plain_key(f"env-{number}", word, f"key {number} of {len(words)} in {KEYS_VARIABLE}")
        for number, word in enumerate(words, 1)
    ]
    # Where both have a key, it has the limits of the file.
    return [*of_file, *of_variable]


def private_fault(mode: int, *, is_read_only: bool) -> str | None:
    """Why a file of this mode is no place for keys; None: it is one. What lies in a read-only mount
    is as others made it, and cannot be changed here: Docker and Kubernetes mount secrets so."""
    if is_read_only or not mode & OTHERS:
        return None
    return f"its mode is {stat.S_IMODE(mode):03o}, so that others may read or change it"


def _read_file(file: Path) -> list[NamedKey]:
    with file.open("rb") as opened:
        mode = os.fstat(opened.fileno()).st_mode
        is_read_only = bool(os.fstatvfs(opened.fileno()).f_flag & os.ST_RDONLY)
        fault = private_fault(mode, is_read_only=is_read_only)
        if fault is not None:
            raise CannotStart(f"{file}: {fault}: keep it to yourself by chmod 600 {file}")
        data = opened.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise CannotStart(f"{file} has more than {MAX_FILE_BYTES} bytes")
    text = data.decode(errors="replace")
    keys = list(_toml_keys(file, text) if file.suffix == ".toml" else _plain_keys(file, text))
    if not keys:
        raise CannotStart(f"{file} has no key in it")
    return keys


# Plain files: a key a line. Empty lines and those that begin with # do not count.


def _plain_keys(file: Path, text: str) -> Iterator[NamedKey]:
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if line and not line.startswith("#"):
            yield _plain_key(f"line-{number}", line, f"{file}: the key in line {number}")


def _plain_key(name: str, key: str, place: str) -> NamedKey:
    fault = _key_fault(key)
    if fault is not None:
        raise CannotStart(f"{place} {fault}")
    return NamedKey(name, _digest(key.encode()))


def _key_fault(key: str) -> str | None:
    if len(key) >= MIN_KEY_CHARS and key.isascii() and key.isprintable() and " " not in key:
        return None
    return (
        "is too easy to guess or does not go into a header: it needs"
        f" {MIN_KEY_CHARS} characters of ASCII or more, and no space"
    )


# TOML files: a table a key.


class _KeyTable(BaseModel):
    """A key's table."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    key: str | None = None
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-fA-F]{64}$")] | None = None
    listeners: Annotated[int, Field(ge=1)] | None = None
    characters_a_day: Annotated[int, Field(ge=1)] | None = None
    audio_seconds_a_day: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    voices: Annotated[list[VoiceName], Field(min_length=1)] | None = None
    operator: bool = False

    @property
    def limits(self) -> Limits:
        voices = None if self.voices is None else tuple(self.voices)
        return Limits(self.listeners, self.characters_a_day, self.audio_seconds_a_day, voices)


class _KeysTable(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    keys: dict[str, _KeyTable]


def _toml_keys(file: Path, text: str) -> Iterator[NamedKey]:
    names: dict[bytes, str] = {}
    for name, table in _checked(file, text).items():
        place = f"{file}: keys.{name}"
        if (table.key is None) == (table.sha256 is None):
            raise CannotStart(f"{place}: has either a key or its sha256")
        if table.key is not None:
            if (fault := _key_fault(table.key)) is not None:
                raise CannotStart(f"{place}.key {fault}")
            digest = _digest(table.key.encode())
        else:
            digest = bytes.fromhex(table.sha256 or "")
        if digest in names:
            raise CannotStart(f"{place} has the same key as keys.{names[digest]}")
        names[digest] = name
        yield NamedKey(name, digest, table.limits, table.operator)


def _checked(file: Path, text: str) -> dict[str, _KeyTable]:
    """The tables of a file by their names."""
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Of its message only the place: it may repeat what stands there.
        where = _PLACE_IN_TOML.search(str(error))
        told = f", {where[0]}" if where else ""
        raise CannotStart(f"{file}: is not TOML{told}") from None
    if tables.keys() - {"keys"}:
        raise CannotStart(f"{file}: a table other than [keys.NAME] stands in it")
    named = tables.get("keys", {})
    for number, name in enumerate(named if isinstance(named, dict) else (), 1):
        if _NAME.fullmatch(name) is None or _MADE_UP_NAME.fullmatch(name) is not None:
            raise CannotStart(
                f"{file}: the name of key {number} is none: take 1 to 32 letters of ASCII, digits,"
                " dots, - and _, and not env-1 or line-1, which are for keys without a name"
            )
    try:
        return _KeysTable.model_validate({"keys": named}).keys
    except ValidationError as error:
        raise CannotStart(f"{file}: {complaints(error.errors())}") from None


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
