"""How letters are written, so that an engine names them and does not read them as words."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


_LONE_A = re.compile(r"\b[Aa] (?=\w)")


class LetterStyle(Enum):
    SPACED = " "
    """``a m``: what Soprano was trained on."""
    HYPHENED = "-"
    """``A-M``: espeak-ng reads a single ``a`` as the article, with a space behind it."""

    def spell(self, letters: str) -> str:
        """Letters to be named one by one."""
        cased = letters.lower() if self is LetterStyle.SPACED else letters.upper()
        return self.value.join(cased)

    def phrase(self, words: Iterable[str]) -> str:
        """Words with letters among them, as in a seat's or a product's name."""
        text = " ".join(words)
        if self is LetterStyle.SPACED:
            return text
        return _LONE_A.sub("A-", text)
