"""A writer of the tables in docs/configuration.md, from the settings themselves:

python -m docs.configuration
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.regions import replaced
from pipeline.cli.option_sources import CommonSettings
from pipeline.cli.settings import (
    CheckSettings,
    FetchSettings,
    ServeSettings,
    SpeakSettings,
    SpeechSettings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PATH = Path(__file__).with_name("configuration.md")

SECTIONS: tuple[tuple[str, str, type[CommonSettings]], ...] = (
    ("All commands", "", CommonSettings),
    ("How to speak", "For `serve`, `speak` and `check`.", SpeechSettings),
    ("Serving", "For `serve`, the command where none is named.", ServeSettings),
    ("Speaking to a file or a pipe", "For `speak`.", SpeakSettings),
    ("Getting models", "For `fetch`.", FetchSettings),
    ("Saying what there is", "For `check`.", CheckSettings),
)


def render(page: str) -> str:
    """The page with its tables written anew."""
    tables = "\n".join(filter(None, (_section(*section) for section in SECTIONS)))
    return replaced(page, "options", tables)


def _section(title: str, remark: str, settings: type[CommonSettings]) -> str:
    """A table of the options that this class adds to those of its base."""
    inherited = {name for base in settings.__bases__ for name in getattr(base, "model_fields", ())}
    fields = settings.model_json_schema()["properties"]
    rows = [_row(name, field) for name, field in fields.items() if name not in inherited]
    if not rows:
        return ""
    head = ["| option | values | default | what |", "|---|---|---|---|"]
    return "\n".join([f"## {title}", "", *([remark, ""] if remark else []), *head, *rows, ""])


def _row(name: str, field: Mapping[str, Any]) -> str:
    flag = name.upper() if name in {"text", "names"} else f"--{name.replace('_', '-')}"
    default = field.get("default")
    if isinstance(default, list):
        default = ",".join(default)
    if isinstance(default, bool):
        default = "on" if default else "off"
    shown = f"`{default}`" if default not in {None, ""} else "none"
    told = field["description"].replace("<", "&lt;")
    return f"| `{flag}` | {values(field)} | {shown} | {told} |"


def values(field: Mapping[str, Any]) -> str:
    """A field's possible values in a few words, from its JSON schema."""
    for choice in field.get("anyOf", ()):
        if choice.get("type") != "null":
            return values(choice)
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    match field.get("type"):
        case "boolean":
            return "on or off"
        case "array":
            return "words"
        case "string":
            return "a path" if field.get("format") == "path" else "a word"
        case "integer":
            return " ".join(["a whole number", *_bounds(field)])
        case _:
            return " ".join(["a number", *_bounds(field)])


def _bounds(field: Mapping[str, Any]) -> Iterator[str]:
    least, most = field.get("minimum"), field.get("maximum")
    above = field.get("exclusiveMinimum")
    if above is not None:
        yield f"above {above:g}" + ("" if most is None else f", to {most:g}")
    elif least is not None:
        yield f"from {least:g}" + ("" if most is None else f" to {most:g}")
    if "multipleOf" in field:
        yield f"in steps of {field['multipleOf']:g}"


if __name__ == "__main__":
    PATH.write_text(render(PATH.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"wrote {PATH}\n")
