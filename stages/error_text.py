"""Text for errors and logs, of what strangers sent or wrote: short, and in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

TO_GET_IT = "; to get it: "
"""Between what is missing and the command that gets it."""

MAX_TOLD = 3
"""Names in a list, and complaints about one message or file."""
MAX_NAME_CHARS = 80
MAX_KEY_CHARS = 200
MAX_REASON_CHARS = 300


def one_line(text: str, max_chars: int) -> str:
    """A text in one line, cut to so many characters, all of them printable."""
    words = " ".join(text[: 2 * max_chars].split())[:max_chars]
    return "".join(character if character.isprintable() else "?" for character in words)


def name_list(names: Iterable[object]) -> str:
    """The first few of some names, in order, and how many more there are."""
    ordered = sorted(map(str, names))
    more = len(ordered) - MAX_TOLD
    shown = ", ".join(one_line(name, MAX_NAME_CHARS) for name in ordered[:MAX_TOLD])
    return shown + (f" and {more} more" if more > 0 else "")


def reason(error: Exception) -> str:
    """An error's own message, its first paragraph: some libraries add a page of advice."""
    paragraph = str(error).strip().partition("\n\n")[0]
    return one_line(paragraph, MAX_REASON_CHARS) or type(error).__name__


def without_folders(text: str, files: Iterable[Path]) -> str:
    """A text about some files as clients are told it: by their names. Where they lie, and how one
    gets what is missing, is for whoever runs the server."""
    told = text.partition(TO_GET_IT)[0]
    for folder in sorted({str(file.parent) for file in files}, key=len, reverse=True):
        told = told.replace(f"{folder}/", "")
    return told


def _key(error: Mapping[str, Any]) -> str:
    return ".".join(map(str, error["loc"])) or "message"


def complaints(
    errors: Sequence[Mapping[str, Any]], place: Callable[[Mapping[str, Any]], str] = _key
) -> str:
    """pydantic's ``ValidationError.errors()``, without the input, which may be long or private.
    `place` names where one of them was."""
    told = [
        f"{one_line(place(error), MAX_KEY_CHARS)}: {_complaint(error)}"
        for error in errors[:MAX_TOLD]
    ]
    more = len(errors) - MAX_TOLD
    return "; ".join(told) + (f"; and {more} more" if more > 0 else "")


def _complaint(error: Mapping[str, Any]) -> str:
    """pydantic's message, but for those that speak of inputs and fields."""
    match error["type"]:
        case "extra_forbidden":
            return "unknown key"
        case "missing":
            return "is missing"
        case "value_error":
            return str(error["ctx"]["error"])
    return str(error["msg"])
