"""normt2s: German, and in English what our own rules leave of formulas and signs."""

from __future__ import annotations

import re
from functools import cache

from normt2s import Normalizer

_PLAIN = re.compile(r"[A-Za-zÀ-ÖØ-öø-ɏ\s.,;:!?'\"“”‘’()…-]*")
"""Words and marks: in English nothing is left for it."""


def normalise(text: str, language: str) -> str:
    """The text as normt2s says it; as it is, in a language that it does not know."""
    if language == "de" or (language == "en" and not _PLAIN.fullmatch(text)):
        normalizer = _normalizer(language)
        # Its reader of LaTeX fails on some text; ours has read the formulas, long before.
        return "\\".join(str(normalizer.normalize(part)) for part in text.split("\\"))
    return text


@cache
def _normalizer(language: str) -> Normalizer:
    """One for all segments; it keeps its compiled patterns."""
    return Normalizer(language, latex="keep")
