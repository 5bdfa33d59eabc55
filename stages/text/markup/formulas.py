"""Formulas in LaTeX, and its commands in a text. A formula is said in words, or as "a formula".

A dollar sign is mostly money. It opens a formula only before what can be one, and that is clear
within some characters: in `$5 is a lot` at the word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import regex

from stages.text.markup.context import LineKind, Mode
from stages.text.markup.latex import COMMANDS, words_of
from stages.text.markup.pieces import Kind, line_end, plain, silent, whole
from stages.text.markup.rules import MarkupRule, compiled, take_out
from stages.text.markup.words import markup_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from regex import Match

    from stages.text.markup.context import Context
    from stages.text.markup.pieces import TextPiece
    from stages.text.markup.rules import Act

_ATOM = r"""(?:
    \\(?:text\w*|mathrm|mbox|operatorname|begin|end)\{[^{}$]{0,60}\}
  | \\[A-Za-z]+(?=[^A-Za-z]) | \\[^A-Za-z\s]
  | (?:sin|cos|tan|log|ln|exp|max|min|lim|mod|det)(?=[^A-Za-z])
  | [A-Za-z]{1,3}(?=[^A-Za-z\s]|\s[-+=*/<>\\|]) | [A-Za-z](?=\s) | \p{Greek}
  | \d | [.!?](?=\S) | [,;:] | [ ] | _ | [^\s\w$\\.!?,;:"“”\x03]
)"""
"""What a formula in a line is made of: no words, no end of a sentence."""

_SIGN = r"(?:[^$\n\x03\\]|\n(?=\r?[^\r\n])|\\[^()\[\]])"
_BODY = rf"(?P<body>{_SIGN}{{1,240}}+)"
_LONG_BODY = rf"(?P<body>{_SIGN}{{120}})"
"""What a formula that stands for itself is made of, which no blank line is."""
_WORD = regex.compile(r"\p{L}{3}")
_SIGNS = regex.compile(r"[\\^_=+]")


def _said(context: Context, formula: str) -> str:
    words = markup_words(context.language)
    return words_of(formula, words) or words.formula


def _too_large(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    """What is said for a formula that nobody could follow."""
    return whole(match.group(), markup_words(context.language).formula)


def _formula(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    return whole(match.group(), _said(context, match["body"]))


def _formula_in_line(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    """It may stand in a word: H$_2$O."""
    before = " " if context.last.isalnum() else ""
    behind = " " if match.string[match.end()].isalnum() else ""
    words = _said(context, match["body"])
    return whole(match.group(), words and before + words + behind)


def _formula_or_text(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    """A formula, or text in brackets that were escaped, as Markdown has it."""
    body, source = match["body"], match.group()
    if _SIGNS.search(body) or not _WORD.search(body):
        return _formula(context, match)
    return (silent(source[:2]), plain(body), silent(source[-2:]))


def _large(closing: str) -> Act:
    """One that is too long to be seen whole. A blank line ends it, too."""
    mode = Mode(
        regex.compile(r"[$\\\n]"),
        compiled(rf"{closing} | (?=\n[ \t\r]*\n)"),
        lambda _, match: (silent(match.group()),),
        Kind.SILENT,
    )

    def act(context: Context, match: Match[str]) -> Sequence[TextPiece] | None:
        if not _SIGNS.search(match["body"]):
            return None
        context.mode = mode
        return _too_large(context, match)

    return act


def _environment(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    name = regex.escape(match["name"])
    context.mode = Mode(
        regex.compile(r"\\"),
        compiled(rf"\\end\{{{name}\}}"),
        lambda _, match: (silent(match.group()),),
        Kind.SILENT,
    )
    return _too_large(context, match)


def _wrapped(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    """A command around text: the text."""
    if match["heading"]:
        context.line.kind = LineKind.HEADING
    return (silent(match["opening"]), plain(match["text"]), silent("}"))


def _command(context: Context, match: Match[str]) -> Sequence[TextPiece] | None:
    if match["name"] not in COMMANDS:
        return None
    words = markup_words(context.language)
    said = words_of(match.group(), words)
    return whole(match.group(), words.formula if said is None else said)


def _item(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    context.begin_line(LineKind.ITEM)
    return (line_end(match.group()),)


_MATH = r"""(?:equation|align|alignat|gather|multline|eqnarray|split|math|displaymath
    |[a-zA-Z]{0,8}matrix|cases|array)"""

RULES = (
    MarkupRule(r"[$]", compiled(rf"\$\${_BODY}\$\$"), _formula_or_text),
    MarkupRule(r"[$]", compiled(rf"\$\${_LONG_BODY}"), _large(r"\$\$")),
    MarkupRule(
        r"[$]",
        compiled(rf"\$(?=[^\s$])(?P<body>{_ATOM}{{1,120}}+)(?<=\S)\$(?=[^\d$])"),
        _formula_in_line,
    ),
    MarkupRule(r"[\\]", compiled(rf"\\\({_BODY}\\\)"), _formula_or_text),
    MarkupRule(r"[\\]", compiled(rf"\\\[{_BODY}\\\]"), _formula_or_text),
    MarkupRule(r"[\\]", compiled(rf"\\\[{_LONG_BODY}"), _large(r"\\\]")),
    MarkupRule(r"[\\]", compiled(rf"\\begin\{{(?P<name>{_MATH}\*?)\}}"), _environment),
    MarkupRule(r"[\\]", compiled(r"\\(?:begin|end)\{[a-zA-Z*]{1,30}\}"), take_out),
    MarkupRule(r"[\\]", compiled(r"\\item(?=[\s\[])"), _item),
    MarkupRule(
        r"[\\]",
        compiled(
            r"""(?P<opening>\\(?:(?P<heading>(?:sub){0,2}section|chapter|title)
            | text\w{0,8}|emph|underline|caption|author|ce|mbox|mathrm)\*?\{)
            (?P<text>[^{}\n\x03]{0,200})\}"""
        ),
        _wrapped,
    ),
    MarkupRule(
        r"[\\]",
        compiled(
            r"""\\(?:label|ref|eqref|cite[a-z]?|includegraphics|usepackage|documentclass|maketitle
            |noindent|newpage|centering|hline|vspace|hspace|bigskip|medskip)
            (?:\[[^\]\n]{0,60}\])?+(?:\{[^{}\n]{0,80}\})?+(?=[^\[{a-zA-Z])"""
        ),
        take_out,
    ),
    MarkupRule(
        r"[\\]",
        compiled(
            r"""\\(?P<name>[A-Za-z]{2,20}+)
            (?:[_^]?(?:\{(?:[^{}\n]|\{[^{}\n]{0,40}\}){0,80}+\}|\[[^\]\n]{0,20}\])|[_^]\w){0,4}+
            (?=[^A-Za-z{\[_^])"""
        ),
        _command,
        not_after=r"[\p{L}:\\/]",
    ),
    MarkupRule(r"[\\]", compiled(r"\\(?=\r?\n)"), lambda _, match: (line_end(match.group()),)),
)
