"""Blocks that are not spoken: a model's thoughts, fenced code, comments, scripts.

A block that is never closed lasts until the reply ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import regex

from stages.text.markup.context import Mode
from stages.text.markup.pieces import Kind, line_end, silent, whole
from stages.text.markup.rules import EOL, Rule, at_line_start, compiled, take_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from regex import Match

    from stages.text.markup.context import Context
    from stages.text.markup.pieces import Piece
    from stages.text.markup.rules import Act


def _silence(closing: str, stops: str) -> Mode:
    """Nothing is spoken up to what matches `closing`, nor that."""
    return Mode(regex.compile(stops), compiled(f"(?i:{closing})"), _close, Kind.SILENT)


def _close(context: Context, match: Match[str]) -> Sequence[Piece]:
    context.begin_line()
    return (silent(match.group()),)


def _open(mode: Mode) -> Act:
    def act(context: Context, match: Match[str]) -> Sequence[Piece]:
        context.mode = mode
        return (line_end(match.group()),)

    return act


# Thoughts.

_NAMES = r"""(?:
    (?:seed:|ant)?think(?:ing)? | (?:inner_?|internal_?)?thoughts? | reason(?:ing)? | reflect(?:ion)?
  | scratch_?pad | (?:inner_?|internal_?)?monologue | analysis | cot | chain_of_thought
  | deliberation | rationale | brainstorm(?:ing)?
)"""


class _Thought(NamedTuple):
    opening: str
    closing: str
    anywhere: bool = False
    """The opening tag is a token of its own, which no text holds by chance; others count only
    where a line begins."""

    def rule(self) -> Rule:
        first = f"[{regex.escape(self.opening.strip().lstrip(chr(92))[0])}]"
        mode = _silence(self.closing, first)
        opening = compiled(f"(?i:{self.opening})")
        if self.anywhere:
            return Rule(first, opening, _open(mode))
        return Rule(first, opening, _open(mode), when=at_line_start)


_THOUGHTS = (
    _Thought(rf"<{_NAMES}(?:\s[^<>]{{0,100}})?>", rf"<\s?/\s?{_NAMES}\s{{0,3}}>"),
    _Thought(rf"\[{_NAMES}\]", rf"\[/{_NAMES}\]"),
    _Thought(rf"◁{_NAMES}▷", rf"◁/{_NAMES}▷", anywhere=True),
    _Thought(
        r"<\|(?:begin_of_thought|start_thinking|think|thinking|reasoning)\|>",
        r"<\|(?:end_of_thought|end_thinking|/?(?:think|thinking|reasoning))\|>",
        anywhere=True,
    ),
    # gpt-oss: all channels but the final one
    _Thought(
        r"<\|channel\|>\s?(?:analysis|commentary)[^<]{0,80}(?:<\|constrain\|>[^<]{0,20})?<\|message\|>",
        r"<\|(?:end|call|return)\|>",
        anywhere=True,
    ),
    # MedGemma
    _Thought(r"<unused94>", r"<unused95>", anywhere=True),
)
_TAGS = compiled(rf"(?i:<\s?/?\s?{_NAMES}\s{{0,3}}> | \[/?{_NAMES}\] | ◁/?{_NAMES}▷)")

THOUGHT_RULES = (
    *(thought.rule() for thought in _THOUGHTS),
    # A tag that opens or closes nothing: its partner was in the prompt.
    Rule(r"[<\[◁]", _TAGS, lambda _, match: whole(match.group(), " ")),
)


# Code.

_FENCE = compiled(rf"\n(?P<indent>[ \t>]{{0,80}})(?P<run>`{{3,}}|~{{3,}})[ \t]*{EOL}")
_TICKS = compiled(r"`{1,40}+(?=[^`]) | `{41}")
_TICKS_OR_LINE = compiled(r"`{1,40}+(?=[^`]) | `{41} | (?=\n)")
_INFO = r"(?: [^`\n\x03]{0,200}+(?=[\n\x03]) | [^`\n\x03]{201})"
MAX_TICKS = 32
"""Of a fence or of code in a line. A longer run is a rule."""
_EXTRA_INDENT = 3
"""How much further in than the opening fence the closing one may stand (CommonMark, 4.5)."""


def _open_fence(context: Context, match: Match[str]) -> Sequence[Piece]:
    """A fence that begins its line is closed by one that does. One behind other text is, to
    CommonMark, code in a line: the next run of the same length ends it."""
    run, line = match["run"], context.line
    indent = line.n_chars + _EXTRA_INDENT

    def close(context: Context, match: Match[str]) -> Sequence[Piece] | None:
        closing = match["run"]
        closes = closing[0] == run[0] and len(closing) >= len(run)
        if not closes or len(match["indent"]) > indent:
            return None
        return _close(context, match)

    def close_in_line(context: Context, match: Match[str]) -> Sequence[Piece] | None:
        return _close(context, match) if match.group() == run else None

    if line.begins:
        context.mode = Mode(regex.compile(r"\n"), _FENCE, close, Kind.SILENT)
    else:
        context.mode = Mode(regex.compile("`"), _TICKS, close_in_line, Kind.SILENT)
    return (line_end(match.group()),)


def _open_code(context: Context, match: Match[str]) -> Sequence[Piece]:
    """`code` is spoken as it stands, up to its closing ticks or the line's end."""
    run = match.group()
    if len(run) > MAX_TICKS:
        return (silent(run),)
    behind = match.string[match.end()]
    if len(run) == 1 and _LATIN.match(context.last) and _LATIN.match(behind):
        return (silent(run),)  # don`t

    def close(_: Context, match: Match[str]) -> Sequence[Piece] | None:
        if not match.group():
            return ()
        return (silent(run),) if match.group() == run else None

    context.mode = Mode(regex.compile(r"[`\n]"), _TICKS_OR_LINE, close, Kind.PLAIN)
    return (silent(run),)


_LATIN = regex.compile(r"\p{Latin}")

RULES = (
    Rule(r"[`]", compiled(rf"(?P<run>`{{3,32}}+){_INFO}"), _open_fence),
    Rule(
        r"[~]",
        compiled(r"(?P<run>~{3,32}+)(?: [^\n\x03]{0,200}+(?=[\n\x03]) | [^\n\x03]{201})"),
        _open_fence,
        when=at_line_start,
    ),
    Rule(r"[`]", _TICKS, _open_code),
    Rule(r"[<]", compiled(r"<!--"), _open(_silence("-->", "-"))),
    *(
        Rule(
            r"[<]",
            compiled(rf"(?i:<{name}(?:\s[^<>]{{0,200}})?>)"),
            _open(_silence(rf"</{name}\s{{0,3}}>", "<")),
        )
        for name in (
            *("script", "style", "pre", "svg", "math", "template"),
            *("tool_calls?", "tool_code", "tool_response", "function_calls?"),
        )
    ),
    Rule(
        r"[<]",
        compiled(r"<[|｜]tool[▁_]calls?[▁_](?:section[▁_])?begin[|｜]>"),
        _open(_silence(r"<[|｜]tool[▁_]calls?[▁_](?:section[▁_])?end[|｜]>", "<")),
    ),
)
"""Blocks of markup."""
