"""Tags: HTML, SSML, the tokens of chat templates, entities. They are silent; some end a line."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import regex

from stages.text.markup.context import LineKind, Mode
from stages.text.markup.pieces import Kind, line_end, paragraph_end, plain, silent, whole
from stages.text.markup.rules import MarkupRule, compiled, names, take_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from regex import Match

    from stages.text.markup.context import Context
    from stages.text.markup.pieces import TextPiece

MAX_PAUSE_S = 10.0
"""That a text can ask for: as long as SSML engines allow."""

PAUSES_S = {
    "none": 0.0,
    "x-weak": 0.1,
    "weak": 0.2,
    "short": 0.2,
    "medium": 0.4,
    "strong": 0.7,
    "long": 1.0,
    "x-strong": 1.0,
}
"""A pause by its name in SSML, and in brackets."""

_LINES = names("""
    article aside blockquote body br caption center dd details div dl dt fieldset figcaption figure
    footer form h1 h2 h3 h4 h5 h6 head header hr html li main nav ol option p paragraph section
    sentence speak summary table tbody tfoot thead title tr ul
    """)
"""Where these begin or end a line does."""

_PARAGRAPHS = names("p h1 h2 h3 h4 h5 h6 title paragraph section article blockquote")

_CELLS = frozenset({"td", "th"})
_PAUSES = frozenset({"break", "pause", "silence"})

_KNOWN = (
    _LINES
    | _CELLS
    | _PAUSES
    | names("""
    a abbr address audio b bdi bdo big button canvas cite code data del dfn dir em embed emphasis
    font i iframe img input ins kbd label lang legend link map mark menu meta meter noscript object
    output param phoneme picture progress prosody q rp rt ruby s samp say-as select small source
    span strike strong sub sup textarea time track tt u var video voice w wbr
    answer final output response
    chuckle cough gasp giggle groan laugh laughs laughter sigh sniff sniffle whisper yawn
    bos eos pad sep cls mask unk end_of_turn start_of_turn sop eop
    """)
)
"""Tags that may stand right behind a letter, where others are code (`List<int>`)."""

_FLAGS = names("""
    allowfullscreen async autofocus autoplay checked controls default defer disabled hidden loop
    multiple muted novalidate open readonly required reversed selected
    """)
"""The attributes of HTML that have no value. Others are words: `a <b and c> d`."""

_TAG = compiled(
    r"""<(?P<slash>/?)(?P<name>[A-Za-z][\w:-]{0,30}+)
    (?P<attributes>(?:\s++[A-Za-z_:@][\w:.-]{0,40}+
        (?:\s{0,3}=\s{0,3}(?:"[^"\x03]{0,200}"|'[^'\x03]{0,200}'|(?:[^\s"'<>`/]|/(?=[^>])){1,200}+))?+){0,12}+)
    \s{0,3}/?>"""
)
_ATTRIBUTE = compiled(
    r"""(?P<name>[A-Za-z_:@][\w:.-]*)(?:\s*=\s*(?:"(?P<a>[^"]*)"|'(?P<b>[^']*)'|(?P<c>[^\s"']+)))?"""
)
_DURATION = regex.compile(r"(?P<number>\d{1,6}(?:\.\d{1,6})?)\s?(?P<unit>ms|s)?")


def _tag(context: Context, match: Match[str]) -> Sequence[TextPiece] | None:
    name, source = match["name"].lower(), match.group()
    given = {
        found["name"].lower(): found["a"] or found["b"] or found["c"]
        for found in _ATTRIBUTE.finditer(match["attributes"])
    }
    is_known = name in _KNOWN
    if not is_known and not match["slash"] and context.last.isalnum():
        return None
    if not is_known and not given and not match["slash"] and name != match["name"]:
        return None  # <NAME>
    if any(value is None and key not in _FLAGS for key, value in given.items()):
        return None
    if name in _PAUSES:
        return (line_end(source, pause_s(given.get("time") or "", given.get("strength") or "")),)
    if name in _LINES:
        context.begin_line(LineKind.ITEM if name == "li" else LineKind.PARAGRAPH)
        return (paragraph_end(source) if name in _PARAGRAPHS else line_end(source),)
    if name == "s" and match["slash"] and context.last in ".!?…":  # SSML's, nothing struck out
        return (line_end(source),)
    if name in _CELLS and match["slash"]:
        return whole(source, "\n")
    if name == "img" and given.get("alt"):
        return whole(source, html.unescape(given["alt"] or ""))
    return (silent(source),)


def pause_s(duration: str, strength: str) -> float:
    """Seconds, of an SSML break's ``time`` or else its ``strength``."""
    found = _DURATION.match(duration)
    if not found:
        return PAUSES_S.get(strength.lower(), PAUSES_S["medium"])
    seconds = float(found["number"]) / (1000 if found["unit"] == "ms" else 1)
    return min(seconds, MAX_PAUSE_S)


def _long_tag(context: Context, match: Match[str]) -> Sequence[TextPiece] | None:
    """One that is too long to be seen whole: `<img src="data:...`"""
    if match["name"].lower() not in _KNOWN:
        return None

    def close(_: Context, match: Match[str]) -> Sequence[TextPiece]:
        return (silent(match.group()),)

    context.mode = Mode(_TAG_END, _TAG_END, close, Kind.SILENT)
    return (silent(match.group()),)


_TAG_END = regex.compile(r"[>\n]")


def _placeholder(context: Context, match: Match[str]) -> Sequence[TextPiece] | None:
    """<your name>: the words."""
    if context.last.isalnum():
        return None
    return (silent("<"), plain(match["words"]), silent(">"))


def _entity(_: Context, match: Match[str]) -> Sequence[TextPiece] | None:
    source = match.group()
    char = html.unescape(source)
    return None if char == source else whole(source, char)


def _bracketed_pause(_: Context, match: Match[str]) -> Sequence[TextPiece]:
    return (line_end(match.group(), pause_s(match["time"] or "", match["length"] or "")),)


def _numbered_pause(_: Context, match: Match[str]) -> Sequence[TextPiece]:
    return (line_end(match.group(), pause_s(match["time"], "")),)


_BB_CODES = "(?:b|i|u|s|url|img|quote|code|list|color|size|center|spoiler)"
_ROLES = frozenset({"", "assistant", "user", "system", "tool", "developer", "model", "final"})


def _role(_: Context, match: Match[str]) -> Sequence[TextPiece]:
    """A token of a chat template, and whose turn it says it is."""
    is_role = match["role"].lower() in _ROLES
    role = silent(match["role"]) if is_role else plain(match["role"])
    return (silent(match["token"]), role)


RULES = (
    MarkupRule(
        r"[<]",
        compiled(
            r"""(?P<token><\|(?:im_start|start|start_header_id|channel)\|>|<start_of_turn>)
            (?P<role>[A-Za-z]{0,16})(?=[^A-Za-z])"""
        ),
        _role,
    ),
    MarkupRule(r"[<]", compiled(r"<[|｜][^<>|｜\n]{1,60}[|｜]>"), take_out),
    MarkupRule(r"[<]", compiled(r"</?<?/?SYS>>"), take_out),
    MarkupRule(r"[<]", compiled(r"<!\[CDATA\[ | <[!?][A-Za-z][^<>]{0,200}>"), take_out),
    MarkupRule(r"[\]]", compiled(r"\]\]>"), take_out),
    MarkupRule(r"[<]", compiled(r"<\#(?P<time>\d{1,3}(?:\.\d{1,3})?)\#>"), _numbered_pause),
    # Discord's and Slack's: <@123>, <#123|name>, <:smile:123>, <t:123:R>
    MarkupRule(
        r"[<]",
        compiled(
            r"<(?:(?:@[!&]?|\#)\w{2,32}(?:\|[^<>\n]{0,40})? | (?:a|t)?:\w{1,32}(?::\w{1,25})?)>"
        ),
        take_out,
    ),
    MarkupRule(r"[<]", _TAG, _tag),
    MarkupRule(r"[<]", compiled(r"</?(?P<name>[A-Za-z][\w:-]{0,30}+)\s[^<>]{220}"), _long_tag),
    MarkupRule(r"[<]", compiled(r"<(?P<words>\p{L}[\p{L}\p{N}_ ,'’/-]{0,60}+)>"), _placeholder),
    MarkupRule(
        r"[&]",
        compiled(r"&(?:\#\d{1,7}|\#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"),
        _entity,
    ),
    MarkupRule(
        r"[\[]",
        compiled(r"\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_RESULTS|gMASK|BOS|EOS|PAD)\]"),
        take_out,
    ),
    MarkupRule(
        r"[\[]",
        compiled(
            r"""(?i:\[(?:(?P<length>short|medium|long)[ ])?(?:pause|break|silence|beat)
            (?:[ :=]{1,2}(?P<time>\d{1,5}(?:\.\d{1,3})?[ ]?(?:ms|s)?)(?:ec(?:onds?)?)?)?\])"""
        ),
        _bracketed_pause,
    ),
    # [b]...[/b], [url=https://...]...[/url]
    MarkupRule(
        r"[\[]",
        compiled(rf"(?i:\[{_BB_CODES}(?:=[^\]\n]{{0,160}})?\])(?=[^(])"),
        take_out,
        not_after=r"[\p{L}\p{N}_]",
    ),
    MarkupRule(r"[\[]", compiled(rf"(?i:\[/{_BB_CODES}\])"), take_out),
)
