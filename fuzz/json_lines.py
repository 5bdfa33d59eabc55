"""Changes of inputs that are lines of JSON: in one of them a value becomes another, or a line comes
twice, goes, or changes places. What libFuzzer does by itself, byte by byte, is done as often."""

from __future__ import annotations

import json
import random
from typing import Any

import atheris

_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 0.5, 2**63, -(2**63) - 1, 1e308, "", " ", "a", "Hello, you. ",
    "\0", "\ud83d", "😀", "x" * 300, [], {}, [[]], [None] * 70, {"id": "other"}, {"type": "x"},
)  # fmt: skip


def changed(data: bytes, max_size: int, seed: int) -> bytes:
    """An input made of this one."""
    draws = random.Random(seed)
    if draws.random() < 0.5:
        return bytes(atheris.Mutate(data, max_size))
    lines = data.split(b"\n")
    at = draws.randrange(len(lines))
    match draws.randrange(8):
        case 0:
            lines.insert(at, draws.choice(lines))
        case 1:
            lines.insert(at, draws.choice([b"", b"~", b"!"]))
        case 2 if len(lines) > 1:
            del lines[at]
        case _:
            lines[at] = _changed_line(lines, at, draws)
    return b"\n".join(lines)[:max_size]


def _changed_line(lines: list[bytes], at: int, draws: random.Random) -> bytes:
    try:
        values = [json.loads(line) for line in (lines[at], draws.choice(lines))]
    except (ValueError, RecursionError):
        return bytes(atheris.Mutate(lines[at], len(lines[at]) + 8))
    places = list(_places(values[0], 0))
    if not places:
        return lines[at]
    where, key = draws.choice(places)
    others = [holder[each] for holder, each in _places(values[1], 0)]
    new = draws.choice([*_VALUES, *others])
    match draws.randrange(4):
        case 0:
            del where[key]
        case 1 if isinstance(where, dict):
            where[draws.choice([*where, "context_id", "type", "text"])] = new
        case _:
            where[key] = new
    return json.dumps(values[0]).encode()


def _places(value: Any, depth: int) -> Any:  # noqa: ANN401 - JSON is anything
    """Each dict or list in a value, with each of its keys."""
    if isinstance(value, dict | list) and depth < 8:
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key], depth + 1)
