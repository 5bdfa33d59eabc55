"""The beginnings of lines: what a line is, format characters, tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.text.markup import line_ends
from stages.text.markup.context import LineKind
from stages.text.markup.line_ends import BULLETS, ENDS_IN_COLON, NUMBER_END
from stages.text.markup.pieces import Kind, TextPiece, line_end, silent, whole
from stages.text.markup.rules import EOL, MarkupRule, at_line_start, compiled, take_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from regex import Match

    from stages.text.markup.context import Context
    from stages.text.markup.rules import Act


def _begin(kind: LineKind) -> Act:
    def act(context: Context, match: Match[str]) -> Sequence[TextPiece]:
        context.line.kind = kind
        return (silent(match.group()),)

    return act


def _number(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    """A list number is said as one. It is remembered, for a list that goes on in its line."""
    line, number = context.line, match["number"]
    if line.begins:
        line.kind = LineKind.ITEM
    follower = ""
    if number.isascii() and number.isdigit():
        follower = str(int(number) + 1)
    elif number == "a" or match.group() == line.next_number:
        follower = chr(ord(number) + 1)
    line.next_number = follower and match["open"] + follower + match["close"]
    return whole(match.group(), f"{number}. ")


def _number_in_line(context: Context, match: Match[str]) -> Sequence[TextPiece] | None:
    if match.group() == context.line.next_number:
        return (line_end(""), *_number(context, match))
    if match["number"] in {"1", "a"} and ENDS_IN_COLON.search(context.line.end):
        return _number(context, match)
    return None


def _may_go_on_with_list(context: Context) -> bool:
    return bool(context.line.next_number or ENDS_IN_COLON.search(context.line.end))


def _bullet_in_line(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    context.begin_line(LineKind.ITEM)
    return (line_end(match.group()),)


def _row(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    """Between two cells: a comma's pause."""
    context.line.kind = LineKind.ROW
    return (TextPiece(match.group(), "\n", Kind.WHOLE),)


def _note(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    """[!NOTE]"""
    context.line.kind = LineKind.HEADING
    return whole(match.group(), match["name"].capitalize())


def _is_item(context: Context) -> bool:
    return context.line.begins and context.line.kind is LineKind.ITEM


def _is_in_row(context: Context) -> bool:
    return context.line.kind is LineKind.ROW


def _is_heading(context: Context) -> bool:
    return context.line.kind is LineKind.HEADING and context.last == " "


_NUMBER = compiled(
    rf"""(?P<open>\(?)(?P<number>\d{{1,3}}|[A-Za-z]|[ivx]{{2,4}}|[IVX]{{2,4}})
    (?P<close>{NUMBER_END})(?=[ \t*_]|(?<=\d{NUMBER_END})\p{{L}})"""
)
_GLANCE = rf"(?=\(?(?:\Z|(?:\d{{1,3}}|[A-Za-z]|[ivx]{{2,4}}|[IVX]{{2,4}})(?:\Z|{NUMBER_END})))"
_RULER = r"[-|:*_=+─━═│┌┬┐├┼┤└┴┘║╔╦╗╠╬╣╚╩╝╭╮╰╯]"

RULES = (
    *line_ends.RULES,
    MarkupRule(
        r"[(\dA-Za-z]",
        _NUMBER,
        _number,
        when=at_line_start,
        not_after=r"[\p{L}\p{N}]",
        glance=_GLANCE,
        keeps_beginning=True,
    ),
    MarkupRule(
        r"[(\da-z]",
        _NUMBER,
        _number_in_line,
        when=_may_go_on_with_list,
        not_after=r"\S",
        glance=_GLANCE,
    ),
    # Format characters, and the escape sequences of a terminal.
    MarkupRule(r"[\x1b]", compiled(r"\x1b\[[0-9;]{0,16}[A-Za-z]"), take_out),
    MarkupRule(
        r"[\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]",
        compiled(r"."),
        take_out,
    ),
)
"""Structure, which is there with and without markup."""

MARKDOWN_RULES = (
    MarkupRule(r"[>]", compiled(r">"), take_out, when=at_line_start),
    # ---, ***, the line under a heading, and the one under the head of a table
    MarkupRule(
        _RULER,
        compiled(rf"{_RULER}(?:[ \t]*+{_RULER}){{2,}}+[ \t]*+{EOL}"),
        take_out,
        when=at_line_start,
        not_after=_RULER,  # where a run of them begins, so that each is looked at once
    ),
    MarkupRule(r"[:]", compiled(rf":{{3,}}[^\n\x03]{{0,80}}{EOL}"), take_out, when=at_line_start),
    MarkupRule(
        r"[#]", compiled(r"\#{1,6}(?=[ \t\r\n\x03])"), _begin(LineKind.HEADING), when=at_line_start
    ),
    MarkupRule(r"[#]", compiled(rf"\#{{1,6}}[ \t]*{EOL}"), take_out, when=_is_heading),
    # == Title ==
    MarkupRule(
        r"[=]",
        compiled(rf"={{2,6}}+(?=[ \t][^=\n\x03]{{1,80}}+={{2,6}}+[ \t]*{EOL})"),
        _begin(LineKind.HEADING),
        when=at_line_start,
    ),
    MarkupRule(r"[=]", compiled(rf"={{2,6}}+[ \t]*{EOL}"), take_out, when=_is_heading),
    MarkupRule(
        rf"[-+*–—·→{BULLETS}]",
        compiled(rf"[-+*–—·→](?=[ \t])|-(?=\p{{Lu}}\p{{Ll}})|[{BULLETS}]"),
        _begin(LineKind.ITEM),
        when=at_line_start,
    ),
    MarkupRule(r"[\[]", compiled(r"\[[ xX✓✔]\](?=[ \t])"), take_out, when=_is_item),
    MarkupRule(r"[•◦▪‣⁃]", compiled(r"."), _bullet_in_line, not_after=r"\S"),
    # [ref]: https://..., [!NOTE]
    MarkupRule(
        r"[\[]",
        compiled(
            rf"""\[[^\[\]^\n][^\[\]\n]{{0,60}}\]:[ \t]+
            <?(?:[a-z]{{3,6}}:|www\.|[/.\#])[^\n\x03]{{0,160}}{EOL}"""
        ),
        take_out,
        when=at_line_start,
    ),
    MarkupRule(r"[\[]", compiled(r"\[!(?P<name>[A-Za-z]{3,12})\]"), _note, when=at_line_start),
    # | cell | cell |
    MarkupRule(r"[|│┃║]", compiled(r"."), _begin(LineKind.ROW), when=at_line_start),
    MarkupRule(r"[|│┃║]", compiled(rf"(?:\|{{1,8}}+|[│┃║])[ \t]*{EOL}"), take_out),
    MarkupRule(r"[|│┃║]", compiled(r"(?:\|{1,8}+|[│┃║])(?=[^|])"), _row, when=_is_in_row),
    MarkupRule(r"[|]", compiled(r"\|(?=\s)"), _row, not_after=r"\S"),
    # :smile:
    MarkupRule(
        r"[:]",
        compiled(r":[a-z][a-z0-9_+-]{1,30}:(?=[\s\x03.,!?)])"),
        take_out,
        not_after=r"\S",
        glance=r"(?=:(?:\Z|[a-z]))",
    ),
)
