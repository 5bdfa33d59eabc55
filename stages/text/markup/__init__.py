"""Markup to what is spoken of it, and the structure of lines. Pure and incremental."""

from stages.text.markup.context import Actions, MarkupOptions, Urls
from stages.text.markup.pieces import Kind, Piece
from stages.text.markup.reader import Markup

__all__ = ["Actions", "Kind", "Markup", "MarkupOptions", "Piece", "Urls"]
