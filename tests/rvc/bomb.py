"""A pickle that does something."""

from __future__ import annotations

from pathlib import Path


class Bomb:
    """Unpickled without care, it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[Path, str]]:
        return Path.write_text, (self.mark, "went off")
