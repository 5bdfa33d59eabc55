"""The ends of lines: where one ends something, and where a paragraph goes on.

A heading, a list item, a table row, and a line that ends in a colon are over where they end, and
so is any line before a blank one, or before one of those. In a paragraph a line break is a space,
since the text was wrapped. But short lines that do not go on in small letters are verses, or
names one below the other: text is not wrapped there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import regex

from stages.text.markup.context import LineKind
from stages.text.markup.pieces import Kind, TextPiece, line_end, paragraph_end, silent
from stages.text.markup.rules import END, MarkupRule, compiled, names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from regex import Match

    from stages.text.markup.context import Context

WRAPPED_CHARS = 50
"""Text is wrapped at 60 to 80 characters; a shorter line was meant to end."""

_CLOSED = r"[\p{Pe}\p{Pf}\"'*_]*\s*\Z"
ENDS_IN_COLON = regex.compile(rf"[:：]{_CLOSED}")
_ENDS_IN_MARK = regex.compile(rf"[\p{{Terminal_Punctuation}}…]{_CLOSED}")
_KEY_AND_VALUE = regex.compile(
    r"[\p{L}\p{N}][^\s:：.,;!?]*(?P<more>(?: [^\s:：.,;!?]+){0,4})(?::\s+|：\s*)\S"
)


def _end_line(context: Context, match: Match[str]) -> Sequence[TextPiece] | None:
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
        return _white_space(match, "\n")
    return None


def _is_over(context: Context) -> bool:
    line = context.line
    if line.kind is not LineKind.PARAGRAPH or line.end.endswith("  "):
        return True
    if ENDS_IN_COLON.search(line.end):
        return True
    pair = _KEY_AND_VALUE.match(line.text)
    if line.is_bold:
        return pair is not None or context.last == "*"
    return pair is not None and not pair["more"]


def _end_before_another(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    context.begin_paragraph()
    source = match["line_end"]
    return (paragraph_end(source) if match["blank"] else line_end(source),)


def _end_before_text(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    word, text = match["word"], context.line.text.rstrip()
    goes_on = word[0].islower() or word[0] in _GOES_ON or word == "I"
    last = _LAST_WORD.search(text)
    is_torn = last is not None and last.group() in _NEVER_LAST
    is_wrapped = is_torn or len(text) >= WRAPPED_CHARS
    is_space = goes_on or (is_wrapped and not _KEY_AND_VALUE.match(text))
    context.begin_line(goes_on=is_space)
    return _white_space(match, " ") if is_space else (line_end(match["line_end"]),)


def _join(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    context.begin_line(goes_on=True)
    return _white_space(match, " ")


def _white_space(match: Match[str], char: str) -> Sequence[TextPiece]:
    source = match["line_end"]
    return (TextPiece(source[0], char, Kind.PLAIN), silent(source[1:]))


_LINE_END = r"(?P<line_end>\r?\n)"
_LAST_WORD = regex.compile(r"(?r)[\p{L}\p{M}'’]+\Z")
_NEVER_LAST = names("""
    a an the this that these my your his her its our their to of in on at by for with from and or
    but as is are was were be than into
    der die das den dem des ein eine einen einem einer und oder aber mit von zu zum zur im an auf
    für ist sind war dass
    le la les un une des du de à au aux et ou mais que qui dans sur avec pour par est
    el los las una del al y o pero en con por para se su es il lo gli di da e ma che nel per
    os um uma do em no na mas
""")
"""Words that no line ends with that is not wrapped."""
_GOES_ON = END + ".,;:!?)]}…%/&"
_OPENERS = r"*_~`\"'“‘«(\[¿¡\#+=$<-"
BULLETS = "•◦▪‣⁃●○■►▶▸▹・◆◇□➤➢✓✗✘❖★☆"
"""Signs that stand before an item and are not spoken."""
NUMBER_END = r"(?:\.\)|[.)、．])"
"""What stands behind a list number."""

RULES = (
    MarkupRule(r"[\r\n]", compiled(_LINE_END), _end_line),
    MarkupRule(
        r"[\r\n]",
        compiled(
            rf"""{_LINE_END}[ \t\r]*+
            (?: (?P<blank>\n) | [>|{BULLETS}] | [-+*–—→](?=[ \t]) | -(?=\p{{Lu}})
              | \#{{1,6}}(?=[ \t])
              | \(?\d{{1,3}}{NUMBER_END}(?=[\s*_]|\p{{L}})
              | `{{3}} | ~{{3}} | [-_=*+]{{3}} | \$\$ | :{{3}}
              | <[/!]?[A-Za-z|] | \[\^?[\w-]{{1,20}}\]: )"""
        ),
        _end_before_another,
    ),
    MarkupRule(
        r"[\r\n]",
        compiled(
            rf"""{_LINE_END}[ \t\r]*+[{_OPENERS}]{{0,6}}+
            (?P<word>I\p{{L}}|I(?=[^\p{{L}}])|[^\sI{_OPENERS}])"""
        ),
        _end_before_text,
    ),
    MarkupRule(r"[\r\n]", compiled(_LINE_END), _join),
)
