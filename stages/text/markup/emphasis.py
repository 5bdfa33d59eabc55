"""The signs of emphasis, and escapes. What opens stands before a word and what closes behind
one, as in CommonMark (6.2); `2 * 3`, `2*3*4`, `snake_case` and `a == b` are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import regex

from stages.text.markup.pieces import line_end, plain, silent
from stages.text.markup.rules import END, MarkupRule, compiled, take_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from regex import Match

    from stages.text.markup.context import Context
    from stages.text.markup.pieces import TextPiece

ACTION_PAUSE_S = 0.4
"""What an action is where it is to be a pause: as long as one between sentences."""

MAX_ACTION_WORDS = 10

_OPENS_BEHIND = regex.compile(r"[\s(\[{\"'“‘«„>|:—–/\p{Lo}\p{So}*_~=`!?…。！？、，：；-]")
_CLOSES_BEFORE = regex.compile(
    r"[\s\x03)\]}\"'”’»<|.,;:!?…—–/\\。，！？、：；」』）\p{Lo}\p{So}*_~-]"
)
_LETTER = regex.compile(r"\p{L}")
_SENTENCE_OVER = regex.compile(r"[\p{Sentence_Terminal}…][\p{Pe}\p{Pf}\"']*\s+\Z")
_VERBS = regex.compile(
    r"""(?:[a-z]+ly\ )?
    (?: laugh | chuckle | giggle | smile | grin | nod | wink | cough | gasp | whisper | pause
      | shrug | sigh | blush | smirk | yawn | snif+ | groan | gulp | clear | sob | snort )
    (?:e?s|ing)?(?:\ .*)?""",
    regex.VERBOSE,
)
"""What voices do in the middle of a sentence."""
_THIRD_PERSON = regex.compile(
    r"(?:\p{L}+ly |[Hh]e |[Ss]he |[Tt]hey )?(?!Thank|Yes|This|Always)\p{L}{2,}(?:s|ing)\b"
)


def _emphasize(context: Context, match: Match[str]) -> Sequence[TextPiece]:
    run = match.group()
    if len(run) > MAX_RUN:
        return (plain(run),)
    behind = match.string[match.end()]
    before, n_open = context.last, context.emphasis.get(run, 0)
    is_beside_letter = run[0] in "_=" and behind.isalnum()
    if n_open and not before.isspace() and not is_beside_letter:
        context.emphasis[run] = n_open - 1
        return (silent(run),)
    if not behind.isspace() and behind != END and _may_open(run, before, behind):
        context.emphasis[run] = n_open + 1
        _note_opening(context, run)
        return (silent(run),)
    closes = run[0] != "=" and not before.isspace() and _CLOSES_BEFORE.match(behind)
    return (silent(run),) if closes else (plain(run),)


MAX_RUN = 3
"""Of signs that are emphasis: ``***both***``. More are a rule, or a word that was struck out."""


def _may_open(run: str, before: str, behind: str) -> bool:
    if run[0] in "_=":
        return not before.isalnum() and before != "\\" and (run[0] == "_" or behind.isalnum())
    if _OPENS_BEHIND.match(before):
        return True
    return run == "**" and bool(_LETTER.match(before) and _LETTER.match(behind))


def _note_opening(context: Context, run: str) -> None:
    line = context.line
    line.is_bold |= run == "**" and line.begins
    is_action = run == "*" and _begins_sentence(context)
    line.action = len(line.text) if is_action else None


# Actions.


def _begins_sentence(context: Context) -> bool:
    line = context.line
    return not (line.text or line.goes_on) or bool(_SENTENCE_OVER.search(line.end))


def _is_spoken_action(context: Context) -> bool:
    return context.line.action is not None and context.emphasis.get("*", 0) > 0


def _end_action(context: Context, match: Match[str]) -> Sequence[TextPiece] | None:
    """An action that is spoken ends like a line."""
    begin, context.line.action = context.line.action, None
    if not _is_action(context.line.text[begin:], match["behind"] or "", begins_sentence=True):
        return None
    context.emphasis["*"] -= 1
    return (line_end("*"),)


def _is_unspoken(context: Context) -> bool:
    return context.options.actions != "spoken" and bool(_OPENS_BEHIND.match(context.last))


def _pass_over_action(context: Context, match: Match[str]) -> Sequence[TextPiece] | None:
    begins_sentence = _begins_sentence(context)
    if not _is_action(match["inner"], match["behind"] or "", begins_sentence=begins_sentence):
        return None
    source = match["action"]
    if context.options.actions == "pause":
        return (line_end(source, ACTION_PAUSE_S),)
    return (silent(source),)


def _is_action(inner: str, behind: str, *, begins_sentence: bool) -> bool:
    """Emphasis stands for an action (``*laughs*``) where a sentence begins, if it is in small
    letters or says what somebody does, and no sentence goes on behind it; and anywhere if it is
    one of `_VERBS`."""
    if _VERBS.fullmatch(inner.lower()):
        return True
    is_phrase = inner[:1].isalpha() and len(inner.split()) <= MAX_ACTION_WORDS
    if not begins_sentence or behind.islower() or not is_phrase:
        return False
    return inner[0].islower() or bool(_THIRD_PERSON.match(inner))


_BEHIND = r"""(?: [ \t]{0,3}(?:\r?\n|\x03) | [ \t]{1,3}["'“‘«(*_]{0,3}+(?P<behind>[^\s"'“‘«(*_\x03])
    | (?P<behind>[^\s*\x03]) )"""

RULES = (
    MarkupRule(
        r"[*]",
        compiled(rf"(?P<action>\*(?P<inner>[^\s*\x03][^*\n\x03]{{0,100}}+)\*)(?={_BEHIND})"),
        _pass_over_action,
        when=_is_unspoken,
    ),
    MarkupRule(r"[*]", compiled(rf"\*(?={_BEHIND})"), _end_action, when=_is_spoken_action),
    MarkupRule(r"[*]", compiled(r"\*{1,40}+(?=[^*]) | \*{41}"), _emphasize),
    MarkupRule(r"[_]", compiled(r"_{1,40}+(?=[^_]) | _{41}"), _emphasize),
    MarkupRule(r"[=]", compiled(r"==(?=[^=])"), _emphasize),
    MarkupRule(r"[~]", compiled(r"~{2,40}+(?=[^~])"), take_out),
    MarkupRule(
        r"[\\]",
        compiled(r"\\[\\`*_{}\[\]()\#+\-.!|<>~$&%\"']"),
        lambda _, match: (silent("\\"), plain(match.group()[1])),
    ),
)
