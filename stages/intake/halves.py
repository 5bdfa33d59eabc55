"""Characters beyond U+FFFF that come as two halves (surrogates), as JSON may write them."""

from __future__ import annotations

import regex

_HALF = regex.compile(r"[\ud800-\udfff]")
_FIRST_HALF_LAST = regex.compile(r"[\ud800-\udbff]\Z")


def whole_characters(text: str) -> str:
    """The text with its halves joined. A half without another is no character and is dropped."""
    if _HALF.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")


class HalfJoiner:
    """Joins halves over the borders of tokens: a first half at a token's end is held back."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """The whole characters that there are now."""
        text = self._held + text
        self._held = "".join(_FIRST_HALF_LAST.findall(text))
        return whole_characters(text.removesuffix(self._held))

    def drop(self) -> None:
        """No other half will come."""
        self._held = ""
