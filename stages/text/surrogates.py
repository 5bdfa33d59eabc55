"""Halves of surrogate pairs: JSON can cut an emoji in two, between one token and the next."""

from __future__ import annotations

import re

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_HALF = re.compile("[\ud800-\udfff]")
_FIRST_HALF = re.compile("[\ud800-\udbff]\\Z")


class SurrogateJoiner:
    """Joins halves that follow each other, and drops those that stay alone."""

    def __init__(self) -> None:
        self._half = ""

    def join(self, text: str) -> str:
        """A token's text without lone halves. A first half at its end is kept back for the next
        token; what must not wait for one calls `drop`."""
        if not self._half and text.isascii():
            return text
        text = self._half + text
        half = _FIRST_HALF.search(text)
        self._half = half.group() if half else ""
        text = _PAIR.sub(lambda pair: _character(pair.group()), text)
        return _HALF.sub("", text)

    def drop(self) -> None:
        """No second half will come."""
        self._half = ""


def _character(pair: str) -> str:
    return pair.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
