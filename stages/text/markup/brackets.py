"""Links, pictures, citations, footnotes: their text is spoken, their targets are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import regex

from stages.text.lexicon.inline import INLINE
from stages.text.markup.context import Mode
from stages.text.markup.pieces import Kind, plain, silent, whole
from stages.text.markup.rules import MarkupRule, compiled, take_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from regex import Match

    from stages.text.markup.context import Context
    from stages.text.markup.pieces import TextPiece

_CITATION = compiled(
    r"""\[{1,2}
    (?: [1-9]\d{0,2}(?:[ ]?[,;–-][ ]?[1-9]\d{0,2}){0,8}
      | (?:citation|ref|source)s?:[ ]?[\w, -]{1,40} )
    \]{1,2}(?=[^\]])"""
)
_TARGET = compiled(
    r"""\(\s{0,3}+
    (?: <[^<>\n]{0,200}>
      | [^\s()<]{0,200}+(?:\([^\s()]{0,100}+\)[^\s()]{0,100}+){0,3} )
    (?:\s{1,3}(?: "[^"\n]{0,100}" | '[^'\n]{0,100}' ))?\s{0,3}\)"""
)
_IN_CODE = regex.compile(r"[\p{Latin}\p{N}_\])]")
_IS_INDEX = regex.compile(r"(?<![\p{L}\p{N}])\p{L}(?:\[\d*\])*\Z")
"""``x[1]`` is no citation."""


def _pronounce(_: Context, match: Match[str]) -> Sequence[TextPiece]:
    return whole(match.group(), match.group())


def _cite(context: Context, match: Match[str]) -> Sequence[TextPiece] | None:
    if _IS_INDEX.search(context.line.end):
        return None
    context.brackets.append(True)
    return _close_bracket(context, match)


def _open_bracket(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    """What stands before text is not spoken; ``x[i]`` and ``[...]`` stay as they are."""
    behind = match["behind"]
    is_index = _IN_CODE.match(context.last) is not None
    is_silent = not is_index and behind not in ".…]"
    context.brackets.append(is_silent)
    return (silent("["),) if is_silent else (plain("["),)


def _close_bracket(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    context.has_target = context.brackets.pop() if context.brackets else False
    source = match.group()
    return (silent(source),) if context.has_target else (plain(source),)


def _no_text(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    """[](target)"""
    context.has_target = True
    return (silent(match.group()),)


def _is_behind_bracket(context: Context) -> bool:
    return context.last == "]"


def _has_target(context: Context) -> bool:
    return context.last == "]" and context.has_target


def _long_target(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    """One that is too long to be seen whole: ``![](data:...``"""
    context.mode = Mode(_TARGET_END, _TARGET_END, _close_target, Kind.SILENT)
    return (silent(match.group()),)


def _close_target(_: Context, match: Match[str]) -> Sequence[TextPiece]:
    return (silent(match.group()),)


_TARGET_END = regex.compile(r"[)\n]")

PRONUNCIATIONS = (MarkupRule(r"[\[]", INLINE, _pronounce),)
"""``[Worcester](/ˈwʊstɚ/)``: what reads it is the engine, so it is spoken as it stands, and its
marks end nothing."""

RULES = (
    # ![picture](...)
    MarkupRule(r"[!]", compiled(r"!(?=\[)"), take_out, not_after=r"[^\s(\[|>*_]"),
    # [^1], 【4†source】, and what ChatGPT puts between private characters
    MarkupRule(r"[\[]", compiled(r"\[\^[^\[\]\s]{1,32}\](?::|(?=[^:]))"), take_out),
    MarkupRule(r"[【]", compiled(r"【\d[^【】\n]{0,100}†[^【】\n]{0,100}】"), take_out),
    MarkupRule(r"[\ue200]", compiled(r"\ue200[^\ue201\n]{0,200}\ue201"), take_out),
    MarkupRule(r"[\[]", _CITATION, _cite),
    MarkupRule(r"[\[]", compiled(r"\[[^\[\]\n]{0,60}\]"), take_out, when=_has_target),
    MarkupRule(r"[\[]", compiled(r"\[\](?=\()"), _no_text),
    # a link as wikis have it, to a page under another name
    MarkupRule(
        r"[\[]",
        compiled(r"(?P<page>\[\[[^\[\]|\n]{1,80}\|)(?P<text>[^\[\]|\n]{1,80})\]\]"),
        lambda _, match: (silent(match["page"]), plain(match["text"]), silent("]]")),
    ),
    MarkupRule(r"[\[]", compiled(r"\[(?=(?P<behind>[\s\S]))"), _open_bracket),
    MarkupRule(r"[\]]", compiled(r"\]"), _close_bracket),
    MarkupRule(r"[(]", _TARGET, take_out, when=_has_target),
    MarkupRule(
        r"[(]",
        compiled(r"\((?:https?:|www\.|mailto:|\.{0,2}/|\#)[^\s()]{0,200}\)"),
        take_out,
        when=_is_behind_bracket,
    ),
    MarkupRule(r"[(]", compiled(r"\([^\s()]{220}"), _long_target, when=_has_target),
)
