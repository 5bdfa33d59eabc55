"""The reader of markup: text in, pieces out as soon as they are clear.

It is a table. At each character that may begin something the rules for it are asked in
their order, and the first whose pattern matches says what becomes of the match; where none
does, the character is plain text. A pattern that the text so far neither matches nor rules out
(a partial match) is waited for, and so each must end in something definite: a character that
must follow, or one of those that may. Then more text never changes an answer, and the pieces do
not depend on how the text was cut into tokens.

What reaches beyond some characters (a thought, fenced code, an address) is a mode: its end is
looked for, and everything up to there is treated alike.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import regex

from stages.text.markup import addresses, blocks, brackets, emphasis, formulas, lines, tags
from stages.text.markup.context import Context, MarkupOptions
from stages.text.markup.pieces import Kind, TextPiece, line_end, plain
from stages.text.markup.rules import END, MAX_HELD_CHARS, MarkupRule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stages.text.markup.context import Mode

MAX_PREFIXES = 4096
"""The first two characters of markup for which the rules are remembered; some hundred are
common."""

_DEFAULTS = MarkupOptions()
_LINE_BREAK = regex.compile(r"\r?\n")


class Markup:
    """A stream of text, read into pieces. Text that may still become markup is held back, less than
    `MAX_HELD_CHARS` of it."""

    def __init__(self, options: MarkupOptions = _DEFAULTS) -> None:
        self._options = options
        self._table = _table(options)
        self._context = Context(options)
        self._held = ""

    @property
    def held(self) -> str:
        """The text that was taken in and is in no piece yet."""
        return self._held

    @property
    def language(self) -> str:
        """The language of the words that are said for formulas and links. It may be set before any
        text."""
        return self._context.language

    @language.setter
    def language(self, tag: str) -> None:
        self._context.language = tag

    @property
    def settles_soon(self) -> bool:
        """Whether the next word tells what is held back: a mark or a line's end, outside of
        addresses and the like."""
        is_mark = len(self._held) == 1 or _LINE_BREAK.match(self._held) is not None
        return is_mark and self._context.mode is None

    def feed(self, text: str) -> list[TextPiece]:
        """Take text in."""
        self._held += text
        return self._read([])

    def settle(self) -> list[TextPiece]:
        """Read all that is held back, as if nothing followed. Open blocks stay open."""
        return self._read([], ended=True)

    def end(self) -> list[TextPiece]:
        """The same at the end of a reply, which is the end of open blocks, too."""
        pieces = self.settle()
        self._context = Context(self._options, self.language)
        return pieces

    def give_up(self) -> list[TextPiece]:
        """Read what is held back first, as if nothing followed: the writer has paused. A line
        break is a boundary then."""
        pieces: list[TextPiece] = []
        line_break = _LINE_BREAK.match(self._held)
        if line_break is not None and self._context.mode is None:
            self._context.begin_line()
            n_read = self._take((line_end(line_break.group()),), pieces)
        else:
            n_read = self._step(self._held, 0, pieces, ended=True) or 0
        self._held = self._held[n_read:]
        return self._read(pieces)

    def _read(self, pieces: list[TextPiece], *, ended: bool = False) -> list[TextPiece]:
        text, at = self._held, 0
        while at < len(text):
            n_read = self._step(text, at, pieces, ended=ended)
            if n_read is None:
                break
            at += n_read
        self._held = text[at:]
        return pieces

    def _step(self, text: str, at: int, pieces: list[TextPiece], *, ended: bool) -> int | None:
        """Read on at this place; how far, or None: what stands there is not clear yet."""
        mode = self._context.mode
        starts = self._table.starts if mode is None else mode.stops
        found = starts.search(text, at)
        start = found.start() if found else len(text)
        content = Kind.PLAIN if mode is None else mode.content
        if start > at:
            return self._take((_of_kind(content, text[at:start]),), pieces)

        ahead = text[at : at + MAX_HELD_CHARS]
        if ended:
            ahead = (ahead + END)[:MAX_HELD_CHARS]
        may_become = not ended and len(ahead) < MAX_HELD_CHARS
        if mode is not None:
            return self._close(mode, ahead, pieces, may_become=may_become)
        return self._open(ahead, pieces, may_become=may_become)

    def _open(self, ahead: str, pieces: list[TextPiece], *, may_become: bool) -> int | None:
        context = self._context
        for rule in self._table.at(ahead[:2]):
            if not rule.may_follow(context):
                continue
            match = rule.pattern.match(ahead, partial=True)
            if match is None:
                continue
            if match.partial:
                if may_become:
                    return None
                continue
            read = rule.act(context, match)
            if read is not None:
                return self._take(read, pieces, keeps_beginning=rule.keeps_beginning)
        return self._take((plain(ahead[0]),), pieces)

    def _close(
        self, mode: Mode, ahead: str, pieces: list[TextPiece], *, may_become: bool
    ) -> int | None:
        context = self._context
        match = mode.closing.match(ahead, partial=True)
        if match is not None and match.partial and may_become:
            return None
        if match is not None and not match.partial:
            context.mode = None
            read = mode.close(context, match)
            if read is not None:
                return self._take(read, pieces)
            context.mode = mode
        return self._take((_of_kind(mode.content, ahead[0]),), pieces)

    def _take(
        self, read: Iterable[TextPiece], pieces: list[TextPiece], *, keeps_beginning: bool = False
    ) -> int:
        n_chars = 0
        for piece in read:
            self._context.note(piece, keeps_beginning=keeps_beginning)
            n_chars += len(piece.source)
            if piece.source or piece.spoken:
                pieces.append(piece)
        return n_chars


class _Table:
    """The rules, and where they may begin."""

    def __init__(self, rules: tuple[MarkupRule, ...]) -> None:
        self._rules = tuple((regex.compile(rule.first), rule) for rule in rules)
        self._by_prefix: dict[str, tuple[MarkupRule, ...]] = {}
        anywhere = "".join(rule.first for rule in rules if not rule.is_guarded)
        guarded = [rule.start for rule in rules if rule.is_guarded]
        self.starts = regex.compile("|".join([f"[{anywhere}]", *guarded]), regex.V1)

    def at(self, prefix: str) -> tuple[MarkupRule, ...]:
        """The rules for text that begins with these one or two characters: those whose pattern
        they do not rule out."""
        rules = self._by_prefix.get(prefix)
        if rules is None:
            if len(self._by_prefix) >= MAX_PREFIXES:
                self._by_prefix.clear()
            known = (
                self.at(prefix[0])
                if len(prefix) > 1
                else tuple(rule for first, rule in self._rules if first.match(prefix))
            )
            rules = tuple(rule for rule in known if rule.pattern.match(prefix, partial=True))
            self._by_prefix[prefix] = rules
        return rules


@cache
def _table(options: MarkupOptions) -> _Table:
    """One for all connections, since nothing in it changes."""
    rules: tuple[MarkupRule, ...] = lines.RULES
    if options.skip_thinking:
        rules += blocks.THOUGHT_RULES
    if options.skip_markdown:
        rules += addresses.ANGLE_RULES + blocks.RULES + lines.MARKDOWN_RULES + tags.RULES
        rules += formulas.RULES
    rules += brackets.PRONUNCIATIONS
    if options.skip_markdown:
        rules += brackets.RULES + emphasis.RULES
    return _Table(rules + addresses.RULES)


def _of_kind(kind: Kind, text: str) -> TextPiece:
    return TextPiece(text, "" if kind is Kind.SILENT else text, kind)
