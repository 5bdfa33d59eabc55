"""Blocks that are never spoken: a model's thoughts and fenced code.

Their tags may be torn over many tokens, so a tag is looked for with a partial match: text that
can still become one is kept back, and only for as long as it can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import regex


@dataclass(frozen=True)
class UnspokenBlock:
    """A kind of block, by its tags."""

    opening: regex.Pattern[str]
    closing: regex.Pattern[str]
    opens_with: str
    """The character that the opening tag begins with."""
    closes_with: str
    opens_a_line: bool
    """An opening tag counts only where a line begins."""


THOUGHT = UnspokenBlock(
    opening=regex.compile(r"<think(?:ing)?>", regex.IGNORECASE),
    closing=regex.compile(r"</think(?:ing)?>", regex.IGNORECASE),
    opens_with="<",
    closes_with="<",
    opens_a_line=False,
)
CODE = UnspokenBlock(
    # The line breaks tell it from ```code``` in a line.
    opening=regex.compile(r"`{3,8}[^`\n]{0,40}(?=\n)"),
    closing=regex.compile(r"\n[ \t>]{0,8}`{3,8}"),
    opens_with="`",
    closes_with="\n",
    opens_a_line=True,
)
LONGEST_TAG_CHARS = 64
"""A bound: each is shorter."""


class Tag(NamedTuple):
    """An opening or closing tag that was found, or its beginning."""

    end: int
    """The place behind it."""
    is_whole: bool
    """False: the text ends before the tag does, and may still go on as something else."""
    opens: UnspokenBlock | None
    """The block that begins behind it."""


_LINE_BEGINS = regex.compile(r"(?r)(?:\A|\n)[ \t>]*\Z")


def begins_line(left: str) -> bool:
    """Whether what follows `left` is the first of its line."""
    return _LINE_BEGINS.search(left) is not None


def tag_at(text: str, start: int, left: str, blocks: tuple[UnspokenBlock, ...]) -> Tag | None:
    """The tag that `text` has at `start`, behind `left`, outside of any block.

    A closing tag there closes nothing, since the opening one was in the prompt; it is not
    spoken either."""
    for block in blocks:
        if text[start] != block.opens_with or (block.opens_a_line and not begins_line(left)):
            continue
        opening = _match(block.opening, text, start)
        if opening is not None:
            return opening._replace(opens=block)
        closing = _match(block.closing, text, start)
        if closing is not None:
            return closing
    return None


def closing_tag_at(block: UnspokenBlock, text: str, start: int) -> Tag | None:
    """The tag at `start` that ends `block`."""
    return _match(block.closing, text, start)


def _match(pattern: regex.Pattern[str], text: str, start: int) -> Tag | None:
    found = pattern.match(text, start, partial=True)
    return None if found is None else Tag(found.end(), not found.partial, None)


def blanked(text: str) -> str:
    """White space of the same length; line breaks stay."""
    return "".join("\n" if char == "\n" else " " for char in text)
