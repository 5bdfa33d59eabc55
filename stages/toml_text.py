"""TOML that may come from a stranger: read within a bound of bytes, and of time."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from stages.error_text import reason

if TYPE_CHECKING:
    from pathlib import Path

MAX_KEY_PARTS = 16
"""Of a key such as ``a.b.c``. No file here needs more than two. What tomllib takes for a key grows
with the square of its parts: half a second of a core for 16 kB of ``a.a.a``, two hours for 2 MB."""

# Each goes on to the end of its line or of the text where it is not closed, even if a backslash is
# the last of it, so that no character is looked at twice.
_STRINGS_AND_COMMENTS = re.compile(
    r'"""(?:[^\\]|\\.)*?(?:"""|\\?\Z)'
    r"|'''.*?(?:'''|\Z)"
    r'|"(?:[^"\\\n]|\\[^\n])*+"?'
    r"|'[^'\n]*+'?"
    r"|\#[^\n]*+",
    re.DOTALL,
)
_NO_KEY = re.compile(r"[^\w\-. \t]+")


class BadToml(Exception):
    """The file cannot be taken as it is; says why in one line, without its name."""


def read_text(path: Path, max_bytes: int) -> str:
    """The text of a file of so many bytes at most. Raises `BadToml`."""
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise BadToml(f"has more than {max_bytes} bytes")
        return data.decode()
    except OSError as error:
        raise BadToml(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadToml(f"is not TOML: {reason(error)}") from error


def parse(text: str) -> dict[str, Any]:
    """What a text of TOML holds; takes time in proportion to it. Raises `BadToml`."""
    bare = _STRINGS_AND_COMMENTS.sub("s", text)
    if any(part.count(".") >= MAX_KEY_PARTS for part in _NO_KEY.split(bare)):
        raise BadToml(f"has a key of more than {MAX_KEY_PARTS} parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise BadToml("is not TOML: it is nested too deeply") from None
    except ValueError as error:
        raise BadToml(f"is not TOML: {reason(error)}") from error
