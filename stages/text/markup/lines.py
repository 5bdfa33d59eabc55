"""Lines: what one is by its beginning, and what its end means.

A heading, a list item, a table row, and a line that ends in a colon are over where they end, and
so is any line before a blank one, or before one of those. In a paragraph a line break is a space,
since the text was wrapped. But short lines that do not go on in small letters are verses, or
names one below the other: text is not wrapped there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import regex

from stages.text.markup.context import LineKind
from stages.text.markup.pieces import Kind, Piece, line_end, paragraph_end, silent, whole
from stages.text.markup.rules import END, EOL, Rule, at_line_start, compiled, take_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from regex import Match

    from stages.text.markup.context import Context
    from stages.text.markup.rules import Act

WRAPPED_CHARS = 50
"""Text is wrapped at 60 to 80 characters; a shorter line was meant to end."""

_CLOSED = r"[\p{Pe}\p{Pf}\"'*_]*\s*\Z"
_ENDS_IN_COLON = regex.compile(rf"[:：]{_CLOSED}")
_ENDS_IN_MARK = regex.compile(rf"[\p{{Terminal_Punctuation}}…]{_CLOSED}")
_KEY_AND_VALUE = regex.compile(
    r"[\p{L}\p{N}][^\s:：.,;!?]*(?P<more>(?: [^\s:：.,;!?]+){0,4})(?::\s+|：\s*)\S"
)


# What a line's end means.


def _end_line(context: Context, match: Match[str]) -> Sequence[Piece] | None:
    """The end of a line that is clear by the line itself."""
    line, source = context.line, match["line_end"]
    if not line.text:
        context.begin_paragraph()
        return (line_end(source),)
    if _is_over(context):
        is_heading = line.kind is LineKind.HEADING or (line.is_bold and context.last == "*")
        context.begin_line()
        return (paragraph_end(source) if is_heading else line_end(source),)
    if _ENDS_IN_MARK.search(line.end):
        context.begin_line()
        return (_white_space(match, "\n"),)
    return None


def _is_over(context: Context) -> bool:
    line = context.line
    if line.kind is not LineKind.PARAGRAPH or line.end.endswith("  "):
        return True
    if _ENDS_IN_COLON.search(line.end):
        return True
    pair = _KEY_AND_VALUE.match(line.text)
    if line.is_bold:
        return pair is not None or context.last == "*"
    return pair is not None and not pair["more"]


def _end_before_another(context: Context, match: Match[str]) -> Sequence[Piece]:
    context.begin_paragraph()
    source = match["line_end"]
    return (paragraph_end(source) if match["blank"] else line_end(source),)


def _end_before_text(context: Context, match: Match[str]) -> Sequence[Piece]:
    letter, text = match["letter"], context.line.text.rstrip()
    goes_on = letter.islower() or letter in _GOES_ON
    is_wrapped = len(text) >= WRAPPED_CHARS and not _KEY_AND_VALUE.match(text)
    is_space = goes_on or is_wrapped
    context.begin_line(goes_on=is_space)
    return (_white_space(match, " ") if is_space else line_end(match["line_end"]),)


def _join(context: Context, match: Match[str]) -> Sequence[Piece]:
    context.begin_line(goes_on=True)
    return (_white_space(match, " "),)


def _white_space(match: Match[str], char: str) -> Piece:
    source = match["line_end"]
    return Piece(source, char.rjust(len(source)), Kind.PLAIN)


_LINE_END = r"(?P<line_end>\r?\n)"
_GOES_ON = END + ".,;:!?)]}…%/&"
_OPENERS = r"*_~`\"'“‘«(\[¿¡\#+=$<-"
_NUMBER_END = r"(?:\.\)|[.)、．])"

_LINE_ENDS = (
    Rule(r"[\r\n]", compiled(_LINE_END), _end_line),
    Rule(
        r"[\r\n]",
        compiled(
            rf"""{_LINE_END}[ \t\r]*+
            (?: (?P<blank>\n) | [>|•◦▪‣⁃●○■►▶・◆◇□] | [-+*–—](?=[ \t]) | \#{{1,6}}(?=[ \t])
              | \(?\d{{1,3}}{_NUMBER_END}(?=[\s*_]|\p{{L}})
              | `{{3}} | ~{{3}} | [-_=*+]{{3}} | \$\$ | :{{3}}
              | <[/!]?[A-Za-z|] | \[\^?[\w-]{{1,20}}\]: )"""
        ),
        _end_before_another,
    ),
    Rule(
        r"[\r\n]",
        compiled(rf"{_LINE_END}[ \t\r]*+[{_OPENERS}]{{0,6}}+(?P<letter>[^\s{_OPENERS}])"),
        _end_before_text,
    ),
    Rule(r"[\r\n]", compiled(_LINE_END), _join),
)


# What a line is.


def _begin(kind: LineKind) -> Act:
    def act(context: Context, match: Match[str]) -> Sequence[Piece]:
        context.line.kind = kind
        return (silent(match.group()),)

    return act


def _number(context: Context, match: Match[str]) -> Sequence[Piece]:
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


def _number_in_line(context: Context, match: Match[str]) -> Sequence[Piece] | None:
    if match.group() == context.line.next_number:
        return (line_end(""), *_number(context, match))
    if match["number"] in {"1", "a"} and _ENDS_IN_COLON.search(context.line.end):
        return _number(context, match)
    return None


def _may_go_on_with_list(context: Context) -> bool:
    return bool(context.line.next_number or _ENDS_IN_COLON.search(context.line.end))


def _bullet_in_line(context: Context, match: Match[str]) -> Sequence[Piece]:
    context.begin_line(LineKind.ITEM)
    return (line_end(match.group()),)


def _row(context: Context, match: Match[str]) -> Sequence[Piece]:
    """Between two cells: a comma's pause."""
    context.line.kind = LineKind.ROW
    return (Piece(match.group(), "\n", Kind.WHOLE),)


def _note(context: Context, match: Match[str]) -> Sequence[Piece]:
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
    (?P<close>{_NUMBER_END})(?=[ \t*_]|(?<=\d{_NUMBER_END})\p{{L}})"""
)
_GLANCE = rf"(?=\(?(?:\Z|(?:\d{{1,3}}|[A-Za-z]|[ivx]{{2,4}}|[IVX]{{2,4}})(?:\Z|{_NUMBER_END})))"
_RULER = r"[-|:*_=+─━═│┌┬┐├┼┤└┴┘║╔╦╗╠╬╣╚╩╝╭╮╰╯]"

RULES = (
    *_LINE_ENDS,
    Rule(
        r"[(\dA-Za-z]",
        _NUMBER,
        _number,
        when=at_line_start,
        not_after=r"[\p{L}\p{N}]",
        glance=_GLANCE,
        keeps_beginning=True,
    ),
    Rule(
        r"[(\da-z]",
        _NUMBER,
        _number_in_line,
        when=_may_go_on_with_list,
        not_after=r"\S",
        glance=_GLANCE,
    ),
    # Format characters, and the escape sequences of a terminal.
    Rule(r"[\x1b]", compiled(r"\x1b\[[0-9;]{0,16}[A-Za-z]"), take_out),
    Rule(
        r"[\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]",
        compiled(r"."),
        take_out,
    ),
)
"""Structure, which is there with and without markup."""

MARKDOWN_RULES = (
    Rule(r"[>]", compiled(r">"), take_out, when=at_line_start),
    # ---, ***, the line under a heading, and the one under the head of a table
    Rule(
        _RULER,
        compiled(rf"{_RULER}(?:[ \t]*+{_RULER}){{2,}}+[ \t]*+{EOL}"),
        take_out,
        when=at_line_start,
    ),
    Rule(r"[:]", compiled(rf":{{3,}}[^\n\x03]{{0,80}}{EOL}"), take_out, when=at_line_start),
    Rule(r"[#]", compiled(r"\#{1,6}(?=[ \t\n\x03])"), _begin(LineKind.HEADING), when=at_line_start),
    Rule(r"[#]", compiled(rf"\#{{1,6}}[ \t]*{EOL}"), take_out, when=_is_heading),
    Rule(
        r"[-+*–—·•◦▪‣⁃●○■►▶・◆◇□]",
        compiled(r"[-+*–—·](?=[ \t])|[•◦▪‣⁃●○■►▶・◆◇□]"),
        _begin(LineKind.ITEM),
        when=at_line_start,
    ),
    Rule(r"[\[]", compiled(r"\[[ xX✓✔]\](?=[ \t])"), take_out, when=_is_item),
    Rule(r"[•◦▪‣⁃]", compiled(r"."), _bullet_in_line, not_after=r"\S"),
    # [ref]: https://..., [!NOTE]
    Rule(
        r"[\[]",
        compiled(
            rf"""\[[^\[\]^\n][^\[\]\n]{{0,60}}\]:[ \t]+
            <?(?:[a-z]{{3,6}}:|www\.|[/.\#])[^\n\x03]{{0,160}}{EOL}"""
        ),
        take_out,
        when=at_line_start,
    ),
    Rule(r"[\[]", compiled(r"\[!(?P<name>[A-Za-z]{3,12})\]"), _note, when=at_line_start),
    # | cell | cell |
    Rule(r"[|│┃║]", compiled(r"."), _begin(LineKind.ROW), when=at_line_start),
    Rule(r"[|│┃║]", compiled(rf".[ \t]*{EOL}"), take_out),
    Rule(r"[|│┃║]", compiled(r".(?=[^|])"), _row, when=_is_in_row),
    Rule(r"[|]", compiled(r"\|(?=\s)"), _row, not_after=r"\S"),
    # :smile:
    Rule(
        r"[:]",
        compiled(r":[a-z][a-z0-9_+-]{1,30}:(?=[\s\x03.,!?)])"),
        take_out,
        not_after=r"\S",
        glance=r"(?=:(?:\Z|[a-z]))",
    ),
)
