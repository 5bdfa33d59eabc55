"""Pieces of text: stretches as they came, each with what is spoken of it."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple


class Kind(Enum):
    """The kind of a piece: what the segmenter may do with it."""

    PLAIN = auto()
    """Spoken character for character; the marks in it count."""
    ADDRESS = auto()
    """The same, but its marks end nothing."""
    WHOLE = auto()
    """One character, which stands for other words."""
    SILENT = auto()
    """Not spoken; may be cut anywhere."""
    BREAK = auto()
    """The end of a line that ends something: a boundary lies before it."""


class TextPiece(NamedTuple):
    """A stretch of text. The sources of all pieces rejoin to the text that came."""

    source: str
    spoken: str
    kind: Kind
    pause_s: float = 0.0
    """Silence that a BREAK asks for, seconds."""


def plain(text: str) -> TextPiece:
    """Text that is spoken as it stands."""
    return TextPiece(text, text, Kind.PLAIN)


def silent(text: str) -> TextPiece:
    """Text that is not spoken."""
    return TextPiece(text, "", Kind.SILENT)


def whole(source: str, spoken: str) -> tuple[TextPiece, ...]:
    """Text that is spoken in other words: its last character stands for them, and the others
    are silent. Of no words at all every character is."""
    if not spoken:
        return (silent(source),)
    return (silent(source[:-1]), TextPiece(source[-1:], spoken, Kind.WHOLE))


LINE_END = "\n"
PARAGRAPH_END = "\u2029"
"""What a BREAK speaks: a comma's pause, or a full stop's."""


def line_end(source: str, pause_s: float = 0.0) -> TextPiece:
    """Text that ends a line, or asks for a pause."""
    return TextPiece(source, LINE_END, Kind.BREAK, pause_s)


def paragraph_end(source: str) -> TextPiece:
    """Text that ends a paragraph or a heading."""
    return TextPiece(source, PARAGRAPH_END, Kind.BREAK)
