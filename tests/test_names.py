"""One name, one thing: a reader who meets a class need not ask which."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_no_class_name_stands_for_two_things() -> None:
    """Eleven did, among them a stream of bytes and one of converted speech."""
    names = Counter(
        node.name.lstrip("_")
        for room in ("pipeline", "stages")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )
    assert {name for name, count in names.items() if count > 1} == set()
