"""JSON for clients."""

from __future__ import annotations

import json


def json_text(value: object, *, separators: tuple[str, str] = (",", ":")) -> str:
    """A value as JSON that always is UTF-8: characters stand as they are, and halves of some, which
    names of files and options may hold, as the escapes that JSON has for them."""
    text = json.dumps(value, ensure_ascii=False, separators=separators)
    # Python writes half a character as JSON does, \ud800, and JSON has them in strings alone.
    return text.encode(errors="backslashreplace").decode()
