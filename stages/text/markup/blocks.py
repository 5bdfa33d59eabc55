"""Blocks that are not spoken: a model's thoughts, fenced code, comments, scripts.

A block that is never closed lasts until the reply ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import regex

from stages.text.markup.context import LineKind, Mode
from stages.text.markup.pieces import Kind, line_end, silent, whole
from stages.text.markup.rules import EOL, MarkupRule, always, at_line_start, compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from regex import Match

    from stages.text.markup.context import Context
    from stages.text.markup.pieces import TextPiece


def _close(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    context.begin_line()
    return (silent(match.group()),)


def _block(
    first: str,
    opening: str,
    closing: str,
    when: Callable[[Context], bool] = always,
    close: Callable[[Context, Match[str]], Sequence[TextPiece] | None] = _close,
) -> MarkupRule:
    """Nothing is spoken from what matches `opening` to what matches `closing`. Both begin with
    the same character."""
    mode = Mode(regex.compile(first), compiled(f"(?i:{closing})"), close, Kind.SILENT)

    def act(context: Context, match: Match[str]) -> Sequence[TextPiece]:
        context.mode = mode
        return (line_end(match.group()),)

    return MarkupRule(first, compiled(f"(?i:{opening})"), act, when)


# Thoughts.

_NAMES = r"""(?:
    (?:seed:|ant)?think(?:ing)? | (?:inner_?|internal_?)?thoughts? | reason(?:ing)?
  | reflect(?:ion)? | scratch_?pad | (?:inner_?|internal_?)?monologue | analysis | cot
  | chain_of_thought | deliberation | rationale | brainstorm(?:ing)?
)"""
_WORDS = "(?-i:THINK|THINKING|THOUGHT|REASONING)"
_TOKENS = "(?:think|thinking|reasoning)"
_BEHIND = r"(?=(?P<behind>[\s\S]))"

_THOUGHTS = (
    # the first character; the opening tag; the closing one
    (r"[<]", rf"<{_NAMES}(?:\s[^<>]{{0,100}})?>", rf"<\s?/\s?{_NAMES}\s{{0,3}}>{_BEHIND}"),
    (r"[\[]", rf"\[{_WORDS}\]", rf"\[/{_WORDS}\]{_BEHIND}"),
)
"""Tags that a text may mention: they open a thought only where a line begins."""


def _close_thought(context: Context, match: Match[str]) -> Sequence[TextPiece] | None:
    """A thought may mention the tag that ends it, in quotes or in backticks."""
    is_quoted = match["behind"] == context.last and context.last in "`\"'"
    return None if is_quoted else _close(context, match)


def _at_bare_line_start(context: Context) -> bool:
    """No markup stands before either, as in `# <think>` or `**<think>**`, but a quote's sign."""
    line = context.line
    return line.begins and line.kind is LineKind.PARAGRAPH and not any(context.emphasis.values())


_CHANNELS = r"<\|channel\|>\s?(?:analysis|commentary)[^<]{0,80}(?:<\|constrain\|>[^<]{0,20})?"

_TOKEN_THOUGHTS = (
    (r"[◁]", rf"◁{_NAMES}▷", rf"◁/{_NAMES}▷"),
    (
        r"[<]",
        rf"<\|(?:begin_of_thought|start_thinking|{_TOKENS})\|>",
        rf"<\|(?:end_of_thought|end_thinking|/?{_TOKENS})\|>",
    ),
    # gpt-oss: all channels but the final one
    (
        r"[<]",
        rf"{_CHANNELS}<\|message\|>",
        r"<\|(?:end|call|return)\|> | <\|channel\|>final<\|message\|>",
    ),
    (r"[<]", r"<unused94>", r"<unused95>"),  # MedGemma
)
"""Tokens of their own, which no text holds by chance."""


THOUGHT_RULES = (
    *(_block(*thought, when=_at_bare_line_start, close=_close_thought) for thought in _THOUGHTS),
    *(_block(*thought) for thought in _TOKEN_THOUGHTS),
    # A tag that opens or closes nothing: its partner was in the prompt.
    MarkupRule(
        r"[<\[◁]",
        compiled(rf"(?i:<\s?/?\s?{_NAMES}\s{{0,3}}> | \[/?{_WORDS}\] | ◁/?{_NAMES}▷)"),
        lambda _, match: whole(match.group(), " "),
    ),
)


# Code and comments.

_FENCE = compiled(
    rf"""\n(?P<indent>[ \t>]{{0,80}})(?P<run>`{{3,32}}+|~{{3,32}}+)
    (?: [ \t]*{EOL} | (?=[ \t]{{0,8}}[*_(\[.,;:!?—–"'“-])
      | (?=[ \t]{{1,8}}(?:\p{{Lu}} | \p{{L}}{{1,30}}+[ ]\p{{L}})) )"""
)
"""Text may stand behind it, as models write, but no name of a language, which opens another."""
_TICKS = compiled(r"`{1,40}+(?=[^`]) | `{41}")
_TICKS_OR_LINE = compiled(r"`{1,40}+(?=[^`]) | `{41} | (?=\n)")
_INFO = r"(?P<info> [^`\n\x03]{0,200}+(?=[\n\x03]) | [^`\n\x03]{201})"
_PROSE = regex.compile(r"\s.*[.!?][\"'”’)]*\s*\Z|[.!?]\s+\p{Lu}")
"""What goes on behind a fence that a sentence mentions."""
MAX_TICKS = 32
"""Of a fence or of code in a line. A longer run is a rule."""
_EXTRA_INDENT = 3
"""How much further in than the opening fence the closing one may stand (CommonMark, 4.5)."""


def _open_fence(context: Context, match: Match[str]) -> Sequence[TextPiece] | None:
    """A fence that begins its line is closed by one that does. One behind other text is, to
    CommonMark, code in a line: the next run of the same length ends it."""
    run, line = match["run"], context.line
    is_ruler = run[0] == "~" and "~" in match["info"]  # ~~~ Title ~~~
    if is_ruler or (not line.begins and _PROSE.search(match["info"])):
        return None
    indent = line.n_chars + _EXTRA_INDENT

    def close(context: Context, match: Match[str]) -> Sequence[TextPiece] | None:
        closing = match["run"]
        closes = closing[0] == run[0] and len(closing) >= len(run)
        if not closes or len(match["indent"]) > indent:
            return None
        return _close(context, match)

    def close_in_line(context: Context, match: Match[str]) -> Sequence[TextPiece] | None:
        return _close(context, match) if match.group() == run else None

    if line.begins:
        context.mode = Mode(regex.compile(r"\n"), _FENCE, close, Kind.SILENT)
    else:
        context.mode = Mode(regex.compile("`"), _TICKS, close_in_line, Kind.SILENT)
    return (line_end(match.group()),)


def _open_code(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    """`code` is spoken as it stands, up to its closing ticks or the line's end."""
    run = match.group()
    if len(run) > MAX_TICKS:
        return (silent(run),)
    behind = match.string[match.end()]
    if len(run) == 1 and _LATIN.match(context.last) and _LATIN.match(behind):
        return (silent(run),)  # don`t

    def close(_: Context, match: Match[str]) -> Sequence[TextPiece] | None:
        if not match.group():
            return ()
        return (silent(run),) if match.group() == run else None

    context.mode = Mode(regex.compile(r"[`\n]"), _TICKS_OR_LINE, close, Kind.PLAIN)
    return (silent(run),)


def _open_comment(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    context.mode = Mode(regex.compile("-"), compiled("-->"), _close, Kind.SILENT)
    return (silent(match.group()),)


def _open_reading(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    context.mode = Mode(
        regex.compile("<"),
        compiled(f"(?i:</{match['name']}>|(?=</ruby>))"),
        lambda _, match: (silent(match.group()),),
        Kind.SILENT,
    )
    return (silent(match.group()),)


_LATIN = regex.compile(r"\p{Latin}")
_CALLS = ("tool_calls?", "tool_code", "tool_response", "function_calls?")

RULES = (
    MarkupRule(r"[`]", compiled(rf"(?P<run>`{{3,32}}+){_INFO}"), _open_fence),
    MarkupRule(
        r"[~]",
        compiled(r"(?P<run>~{3,32}+)(?P<info> [^\n\x03]{0,200}+(?=[\n\x03]) | [^\n\x03]{201})"),
        _open_fence,
        when=at_line_start,
    ),
    MarkupRule(r"[`]", _TICKS, _open_code),
    MarkupRule(r"[<]", compiled("<!--"), _open_comment),
    *(
        _block(r"[<]", rf"<{name}(?:\s[^<>]{{0,200}})?>", rf"</{name}\s{{0,3}}>")
        for name in (
            *("script", "style", "pre", "svg", "math", "template"),
            *(rf"(?:\w{{1,20}}:)?{call}" for call in _CALLS),
        )
    ),
    # How characters are read, which a voice knows.
    MarkupRule(r"[<]", compiled(r"(?i:<(?P<name>rt|rp)>)"), _open_reading),
    # Open WebUI's
    _block(r"[<]", r"<details\s[^<>]{0,40}type=\"\w{1,30}\"[^<>]{0,200}>", r"</details>"),
    # Anthropic's, Llama's, Mistral's
    _block(r"[<]", r"<invoke\s+name=[^<>]{1,80}>", r"</invoke>"),
    _block(r"[<]", r"<function=[\w.-]{1,64}>", r"</function>"),
    _block(r"[<]", r"<\|python_tag\|>", r"<\|(?:eom|eot)_id\|>"),
    _block(r"[\[]", r"\[TOOL_CALLS\]", r"\[/TOOL_CALLS\]"),
    _block(
        r"[<]",
        r"<[|｜]tool[▁_]calls?[▁_](?:section[▁_])?begin[|｜]>",
        r"<[|｜]tool[▁_]calls?[▁_](?:section[▁_])?end[|｜]>",
    ),
)
"""Blocks of markup."""
