"""The reader's memory: what was read, as far as it decides what comes next."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from regex import Match, Pattern

    from stages.text.choices import Actions, Urls
    from stages.text.markup.pieces import Kind, TextPiece


@dataclass(frozen=True, slots=True)
class MarkupOptions:
    """The options of the reader."""

    skip_markdown: bool = True
    """Markdown, HTML, LaTeX and their like are taken out."""
    skip_thinking: bool = True
    """A model's thoughts are taken out."""
    urls: Urls = "host"
    """The spoken part of a web address: its host, all of it, or the word ``link``."""
    actions: Actions = "spoken"
    """What becomes of emphasis that stands for an action (``*laughs*``)."""


class LineKind(Enum):
    """The kind of a line, by its beginning."""

    PARAGRAPH = auto()
    HEADING = auto()
    ITEM = auto()
    """Of a list."""
    ROW = auto()
    """Of a table."""


LINE_CHARS = 96
"""Of a line's visible text that are kept, from its beginning and from its end: enough to tell
`key: value` and a short line, and to look back over a host."""


@dataclass(slots=True)
class Line:
    """The line so far."""

    kind: LineKind = LineKind.PARAGRAPH
    begins: bool = True
    """Nothing visible in it yet but list markers."""
    goes_on: bool = False
    """It is a line of a paragraph, and not its first."""
    text: str = ""
    """Its visible text, the first `LINE_CHARS`."""
    end: str = ""
    """The last `LINE_CHARS`."""
    n_chars: int = 0
    """Its length, markup and all."""
    is_bold: bool = False
    """It began with bold text."""
    next_number: str = ""
    """The number that would go on with the list that this line began."""
    action: int | None = None
    """Where in `text` an emphasis began that may stand for an action."""


class Mode(NamedTuple):
    """A stretch that the rules do not read: all text up to its end is treated alike."""

    stops: Pattern[str]
    """Finds where it may end."""
    closing: Pattern[str]
    """Is matched there."""
    close: Callable[[Context, Match[str]], Sequence[TextPiece] | None]
    """What becomes of that match; None: it does not end the mode."""
    content: Kind
    """What the text up to there is."""


@dataclass(slots=True)
class Context:
    """The reader's memory, which its rules read and change."""

    options: MarkupOptions
    language: str = "en"
    """The tag of the language that words are said in which stand in no text: of formulas, links."""
    line: Line = field(default_factory=Line)
    mode: Mode | None = None
    last: str = "\n"
    """The character before."""
    emphasis: dict[str, int] = field(default_factory=dict)
    """How many of each marker are open."""
    brackets: list[bool] = field(default_factory=list)
    """Those that are open; True: it is not spoken."""
    has_target: bool = False
    """The bracket that closed last was not spoken: a target may follow it."""
    in_angle: bool = False
    """An address in angle brackets is open."""

    def begin_line(self, kind: LineKind = LineKind.PARAGRAPH, *, goes_on: bool = False) -> None:
        """What follows is the first of a line."""
        self.line = Line(kind, goes_on=goes_on)

    def begin_paragraph(self) -> None:
        """The same, and markup that was left open is over."""
        self.begin_line()
        self.emphasis.clear()
        self.brackets.clear()

    def note(self, piece: TextPiece, *, keeps_beginning: bool = False) -> None:
        """This piece was read."""
        line = self.line
        if piece.source:
            self.last = piece.source[-1]
            line.n_chars += len(piece.source)
        if piece.spoken:
            line.text = (line.text + piece.spoken).lstrip()[:LINE_CHARS]
            line.end = (line.end + piece.spoken)[-LINE_CHARS:]
            if not piece.spoken.isspace():
                line.begins = line.begins and keeps_beginning
