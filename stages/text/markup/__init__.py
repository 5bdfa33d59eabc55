"""Markup to what is spoken of it, and the structure of lines. Pure and incremental."""

from stages.text.markup.context import MarkupOptions
from stages.text.markup.pieces import LINE_END, PARAGRAPH_END, Kind, TextPiece
from stages.text.markup.reader import Markup

__all__ = [
    "LINE_END",
    "PARAGRAPH_END",
    "Kind",
    "Markup",
    "MarkupOptions",
    "TextPiece",
]
