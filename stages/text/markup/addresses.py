"""Web and mail addresses: the marks in them end nothing, and a web address is said by its host,
whole, or as "link"."""

from __future__ import annotations

from typing import TYPE_CHECKING

import regex

from stages.text.markup.context import Mode
from stages.text.markup.pieces import Kind, TextPiece, silent, whole
from stages.text.markup.rules import MarkupRule, compiled, take_out
from stages.text.markup.words import markup_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from regex import Match

    from stages.text.markup.context import Context

_LABEL = r"[\p{Lu}\p{Ll}\p{M}\p{N}_-]"
_HOST = rf"{_LABEL}{{1,63}}+(?:\.{_LABEL}{{1,63}}+){{0,8}}"
_HOST_ENDS = r"(?=[^\p{Lu}\p{Ll}\p{M}\p{N}_.-]|\.[^\p{Lu}\p{Ll}\p{M}\p{N}_-])"
_WEB = compiled(
    rf"""(?P<scheme>(?i:https?|ftps?|wss?|file)://)(?P<www>(?:(?i:www)\.)?+)(?P<host>{_HOST}){_HOST_ENDS}"""
)
_WWW = compiled(rf"(?P<host>(?i:www)\.{_HOST}){_HOST_ENDS}")
_TOP_LEVELS = r"""(?:
    com | org | net | edu | gov | io | ai | dev | app | info | co | me | tv | xyz | eu | de | fr
  | es | it | nl | pl | ru | uk | us | ca | au | ch | at | be | br | in | jp | cn | kr | se
)"""
_BARE_HOST = compiled(rf"(?:\A|[^\p{{L}}\p{{N}}@./-])(?:[\p{{L}}\p{{N}}-]+\.)+{_TOP_LEVELS}\Z")
_DOTTED = regex.compile(r"\p{L}\.\p{L}{2,}\Z")

_CASELESS = regex.compile(r"\p{Lo}")
_NEVER_IN_ONE = r"""\s\x03<>"“”«»`|，。；！？、（）「」『』【】《》"""
_MARKS_BEHIND_ONE = r""".,;:!?)\]}'‘’*_~…"""
_STOPS = regex.compile(rf"[{_NEVER_IN_ONE}{_MARKS_BEHIND_ONE}\p{{Lo}}]")
_CLOSING = compiled(
    rf"""(?=[{_NEVER_IN_ONE}]) | (?=[{_MARKS_BEHIND_ONE}]{{1,8}}[{_NEVER_IN_ONE}])
    | (?=\][(\[]) | (?=[*_~]{{2,3}}[^\p{{L}}\p{{N}}]) | (?=\p{{Lo}})"""
)


def _close(context: Context, match: Match[str]) -> Sequence[TextPiece] | None:
    """Where an address ends: at what cannot be part of one, and before marks that end more
    than the address. Letters without case end it unless they are a path's own."""
    behind = match.string[0]
    if _CASELESS.match(behind) and not (context.last.isascii() and context.last.isalnum()):
        return None
    return ()


_SILENT = Mode(_STOPS, _CLOSING, _close, Kind.SILENT)
_SPOKEN = Mode(_STOPS, _CLOSING, _close, Kind.ADDRESS)


def _web(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    scheme, host = match["scheme"], match["host"]
    match context.options.urls:
        case "all":
            context.mode = _SPOKEN
            return (*_as_it_stands(scheme + match["www"] + host),)
        case "link":
            context.mode = _SILENT
            return whole(match.group(), markup_words(context.language).link)
        case "host":
            context.mode = _SILENT
            return (silent(scheme + match["www"]), *_as_it_stands(host))


def _www(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    if context.options.urls == "link":
        context.mode = _SILENT
        return whole(match["host"], markup_words(context.language).link)
    context.mode = _SPOKEN if context.options.urls == "all" else _SILENT
    return _as_it_stands(match["host"])


def _as_it_stands(text: str) -> tuple[TextPiece, ...]:
    return (TextPiece(text, text, Kind.ADDRESS),)


def _path(context: Context, match: Match[str]) -> Sequence[TextPiece] | None:
    """``example.com/path``; ``Node.js/Express`` is spoken."""
    is_host = _BARE_HOST.search(context.line.end)
    if not is_host and not _DOTTED.search(context.line.end):
        return None
    context.mode = _SILENT if is_host and context.options.urls != "all" else _SPOKEN
    return ()


def _mail(context: Context, _: Match[str]) -> Sequence[TextPiece] | None:
    context.mode = _SPOKEN
    return _as_it_stands("@")


def _open_angle(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    context.in_angle = True
    return (silent(match.group()),)


def _close_angle(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    context.in_angle = False
    return (silent(match.group()),)


def _is_in_angle(context: Context) -> bool:
    return context.in_angle


def _is_behind_word(context: Context) -> bool:
    return context.last.isalnum() or context.last in "+_-"


_LATIN = r"[\p{Latin}\p{N}_]"

RULES = (
    MarkupRule(
        r"[hHwWfF]",
        _WEB,
        _web,
        not_after=_LATIN,
        glance=r"(?=(?i:h(?:t(?:t(?:ps?)?)?)?|f(?:i(?:le?)?|t(?:ps?)?)?|ws{0,2})(?:\Z|:))",
    ),
    MarkupRule(
        r"[wW]",
        _WWW,
        _www,
        not_after=_LATIN,
        glance=r"(?=(?i:w{1,3}(?:\Z|(?<=www)\.)))",
    ),
    MarkupRule(
        r"[mMtT]",
        compiled(r"(?i:mailto|tel):(?=[\p{L}\p{N}+])"),
        take_out,
        not_after=_LATIN,
        glance=r"(?=(?i:m(?:a(?:i(?:l(?:to?)?)?)?)?|t(?:el?)?)(?:\Z|:))",
    ),
    MarkupRule(r"[/]", compiled(r"/(?=[^\s\x03])"), _path, when=_is_behind_word),
    MarkupRule(r"[@]", compiled(r"@(?=[\p{L}\p{N}])"), _mail, when=_is_behind_word),
)

ANGLE_RULES = (
    # <https://...>, <me@example.org>
    MarkupRule(
        r"[<]",
        compiled(r"<(?=(?i:https?://|ftp://|www\.|mailto:|[\w.+-]{1,64}@[\w.-]{1,64}>))"),
        _open_angle,
    ),
    MarkupRule(r"[>]", compiled(r">"), _close_angle, when=_is_in_angle),
)
"""Before the rules for tags and quotes."""
