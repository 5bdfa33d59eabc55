"""The decision whether a mark is a boundary, a pure function of the text around it.

`judge` sees what stands before a mark and as much of what follows as is known. It answers CUT
or GO_ON as soon as the known text settles it, and more text never changes a settled answer:
that is why segments do not depend on how the text was cut into tokens. Until then it answers
WAIT or HOLD, which say how long a silence may last before the mark counts as a boundary.

The plan:

    the mark         ── marks.py ──────▶  does it act at once?
    what is before   ── words.py ──────▶  Before, the kind of word that carries the mark
    what follows     ── _FOLLOWING ────▶  Following: the same word, or a gap and the next one
                     ── RULES[Before] ─▶  the verdict
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

import regex

from stages.segmenter import abbreviations
from stages.segmenter.marks import MARKS
from stages.segmenter.words import Before, may_calculate, word_before_stop
from stages.text.markup import LINE_END, PARAGRAPH_END

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stages.items import Segmentation


class Verdict(Enum):
    """The decision about a mark, or how long a silence decides instead."""

    CUT = auto()
    """A boundary: the segment ends behind the mark."""
    GO_ON = auto()
    """No boundary."""
    WAIT = auto()
    """More text decides, or a short silence: then it is a boundary."""
    HOLD = auto()
    """The same with a long silence, since the text rather seems to go on."""


_STOPS_AND_COMMAS = frozenset(",．")
"""At once, but not behind a digit."""


class Following(NamedTuple):
    """The text behind a mark, as far as it is known."""

    closers: str
    """Quotes, brackets and markdown that close."""
    gap: str
    """White space."""
    openers: str
    word: str
    after: str
    """The character behind the word, which shows that it is whole; or nothing yet."""

    @property
    def ends_line(self) -> bool:
        """Whether the mark is the last of its line."""
        return LINE_END in self.gap or PARAGRAPH_END in self.gap

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing yet that could be read."""
        return not (self.openers or self.word or self.after)


def judge(
    text: str,
    mark: str,
    ahead: str,
    *,
    before: str = "",
    ended: bool = False,
    segmentation: Segmentation = "eager",
) -> Verdict:
    """Decide on a mark between `text`, the open segment so far, and `ahead`.

    `before` is the end of the text before the segment; `ended`: nothing follows `ahead`, so the
    answer is CUT or GO_ON."""
    traits = MARKS[mark]
    if not traits.ends_sentence and segmentation == "sentence":
        return Verdict.GO_ON
    if not traits.acts_at_once:
        kind = word_before_stop(text, mark, before)
        if kind is Before.ELLIPSIS and segmentation == "sentence":
            kind = Before.TRAILING_OFF
    elif mark in _STOPS_AND_COMMAS and (before + text)[-1:].isnumeric():
        kind = Before.NUMBER_COMMA
    elif mark == "!" and may_calculate(before + text):
        kind = Before.OPERAND
    else:
        return Verdict.CUT

    following = _following(ahead)
    if ended and not following.is_blank:
        following = _following(ahead + "\n")  # shows that the last word is whole
    rule = RULES[kind]
    settled = _settle(rule, before + text, following)
    if settled is not None:
        return settled
    if ended:
        return Verdict.GO_ON  # the segment ends here anyway, with what closes it
    return Verdict.HOLD if following.word else rule.patience


def _settle(rule: Rule, left: str, following: Following) -> Verdict | None:
    """What the text that is known makes of it; None: too little is."""
    if following.gap and (left[-1:].isspace() or left.endswith("[")):  # . . .
        if following.is_blank:
            return None
        if not (following.openers or following.word) and following.after == ".":
            return Verdict.GO_ON
    if following.closers.startswith("]") and _OPEN_OMISSION.search(left):
        return Verdict.GO_ON  # [...]
    is_closed = _CLOSED.search(following.closers) is not None
    if (
        rule is not RULES[Before.NUMBER_COMMA]
        and following.closers
        and (is_closed or following.gap)
        and not following.ends_line
    ):
        if following.is_blank:
            return None
        if following.word[:1].islower() and not following.openers:
            return Verdict.GO_ON  # "This is great." she said
    if following.gap or (rule.a_quote_will_do and is_closed):
        return rule.after_gap(following)
    return None if following.is_blank else rule.within_word(left, following)


_OPEN_OMISSION = regex.compile(r"\[\s?(?:\.\s?){0,2}\Z")
_NEVER_IN_A_WORD = r"\"”“»)\]}」』）】》〉—"
_NOTHING = Following("", "", "", "", "")
_CLOSED = regex.compile(f"[{_NEVER_IN_A_WORD}]")
_FOLLOWING = regex.compile(
    rf"""
    (?P<closers>[{_NEVER_IN_A_WORD}'’*_`~]*)
    (?P<gap>\s*)
    (?P<openers>["'“‘„«(\[{{¿¡*_`\#>•–—-]*)
    (?P<word>[\p{{L}}\p{{M}}\p{{N}}'’]*)
    (?P<after>.?)
    """,
    regex.VERBOSE | regex.DOTALL,
)
_GOES_ON = regex.compile(
    r"[\p{Lu}\p{Ll}\p{Lt}\p{Lm}\p{N}\p{M}\p{Cf}ºª_\-/\\@:,;!?.%&=+#$~^…⋯‥"
    r"\p{GCB=Extend}\p{GCB=SpacingMark}]"
)
"""Characters behind a mark that belong to its word or its grapheme, or are marks of their own.
Letters without case (CJK, Arabic) are not among them: they need no space before them."""
_WORD_AND_STOP = regex.compile(r"(?r)(?<![\p{L}\p{M}\p{N}.@_/\\])\p{L}[\p{L}\p{M}'’-]*\p{Ll}\Z")
_CAPITALISED = regex.compile(r"\p{Lu}[\p{Ll}'’]*")
_ROMAN_OR_LETTER = regex.compile(r"[IVXLCDM]+|[A-Z]")
_LONGEST_STARTER = max(map(len, abbreviations.STARTERS))


def _following(ahead: str) -> Following:
    found = _FOLLOWING.match(ahead)
    return Following(*found.groups("")) if found else _NOTHING


# The rules. Each looks at what follows and answers None while that does not settle it.


def _cut(_: Following) -> Verdict | None:
    return Verdict.CUT


def _go_on(_: Following) -> Verdict | None:
    return Verdict.GO_ON


def _stay_in_word(_left: str, _: Following) -> Verdict | None:
    return Verdict.GO_ON


def _cut_where_word_ends(_left: str, following: Following) -> Verdict | None:
    rest = following.openers + following.word + following.after
    return Verdict.GO_ON if _GOES_ON.match(rest) else Verdict.CUT


def _cut_where_space_is_missing(left: str, following: Following) -> Verdict | None:
    """``one.Sentence two``, but not ``Node.js``, ``README.Md`` or ``System.Out.print``."""
    word = following.word
    if following.closers or following.openers or not word or not _WORD_AND_STOP.search(left):
        return _cut_where_word_ends(left, following)
    if not _CAPITALISED.fullmatch(word):
        return _cut_where_word_ends(left, following)
    if not following.after:
        return None
    if word.lower() in abbreviations.ENDINGS_OF_NAMES:
        return Verdict.GO_ON
    stands_alone = len(word) > 1 and (following.after.isspace() or following.after in ',;:!?”)…—"')
    return Verdict.CUT if stands_alone or _is_starter(following) else Verdict.GO_ON


def _cut_before_sentence(following: Following) -> Verdict | None:
    if following.ends_line:
        return Verdict.CUT
    if "(" in following.openers or "[" in following.openers:
        return Verdict.GO_ON
    if not following.word:
        return Verdict.GO_ON if following.after else None
    if not following.word[0].isupper():
        return Verdict.GO_ON
    if not following.after and len(following.word) <= _LONGEST_STARTER:
        return None
    return Verdict.CUT if _is_starter(following) else Verdict.GO_ON


def _is_starter(following: Following) -> bool:
    word = following.word.replace("’", "'").rstrip("'")
    is_initial = len(word) == 1 and following.after == "."
    return word in abbreviations.STARTERS and not is_initial


def _cut_unless_number(following: Following) -> Verdict | None:
    if following.ends_line:
        return Verdict.CUT
    if any(opener in following.openers for opener in "([#"):
        return Verdict.GO_ON
    word = following.word
    if not word:
        return Verdict.CUT if following.after else None
    if word[0].isnumeric():
        return Verdict.GO_ON
    if not following.after and (_ROMAN_OR_LETTER.fullmatch(word) or word in _BEHIND_P):
        return None
    goes_on = _ROMAN_OR_LETTER.fullmatch(word) or (word in _BEHIND_P and following.after == ".")
    return Verdict.GO_ON if goes_on else Verdict.CUT


_BEHIND_P = frozenset({"m", "e", "ex", "ej"})
"""5 p. m.; p. ex., p. ej.: no page."""


def _cut_unless_operator(following: Following) -> Verdict | None:
    if following.ends_line or following.openers or following.word:
        return Verdict.CUT
    if not following.after:
        return None
    return Verdict.GO_ON if following.after in "=+" else Verdict.CUT


def _cut_unless_ordinal(following: Following) -> Verdict | None:
    """``am 3. Mai``, ``Ludwig XIV. war``, ``3. mai``: no sentence begins with a small letter."""
    if following.ends_line or following.openers:
        return Verdict.CUT
    word = following.word
    if not word:
        return Verdict.CUT if following.after else None
    if not following.after and word in _BEGINS_MONTH:
        return None
    return Verdict.GO_ON if word[0].islower() or word in abbreviations.MONTHS else Verdict.CUT


def _cut_unless_digit(following: Following) -> Verdict | None:
    if not following.word:
        return Verdict.CUT if following.after else None
    return Verdict.GO_ON if following.word[0].isnumeric() else Verdict.CUT


def _cut_unless_small_letter(following: Following) -> Verdict | None:
    word = following.word
    if not word:
        return Verdict.CUT if following.after else None
    if not following.after and word in _I:
        return None
    return Verdict.GO_ON if word[0].islower() or word in _I else Verdict.CUT


_I = frozenset(
    ("I", *(f"I{mark}{verb}" for mark in "'’" for verb in ("", "m", "d", "l", "ll", "v", "ve")))
)
"""Has a capital in the middle of a sentence, too."""


def _cut_before_sentence_or_title(following: Following) -> Verdict | None:
    """``at 6 p.m. Mr. Smith went``, but not ``at 6 p.m. Eastern time``."""
    if not following.after and following.word in _BEGINS_TITLE:
        return None
    if following.word in abbreviations.TITLES:
        return Verdict.CUT
    return _cut_before_sentence(following)


def _beginnings(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word[:n] for word in words for n in range(1, len(word) + 1))


_BEGINS_TITLE = _beginnings(abbreviations.TITLES)
_BEGINS_MONTH = _beginnings(abbreviations.MONTHS)


class Rule(NamedTuple):
    """The decision for one kind of word before the mark."""

    patience: Verdict
    """The verdict while nothing is known of what follows."""
    a_quote_will_do: bool
    """A closing quote or bracket is as good as white space."""
    within_word: Callable[[str, Following], Verdict | None]
    after_gap: Callable[[Following], Verdict | None]


_WAIT, _HOLD = Verdict.WAIT, Verdict.HOLD

RULES: dict[Before, Rule] = {
    Before.PLAIN: Rule(_WAIT, True, _cut_where_space_is_missing, _cut),
    Before.NUMBER: Rule(_HOLD, True, _cut_where_word_ends, _cut_unless_ordinal),
    Before.NUMBER_COMMA: Rule(_WAIT, True, _cut_where_word_ends, _cut),
    Before.OPERAND: Rule(_WAIT, True, _cut_where_word_ends, _cut_unless_operator),
    Before.ELLIPSIS: Rule(_WAIT, True, _cut_where_word_ends, _cut),
    Before.TRAILING_OFF: Rule(_WAIT, False, _stay_in_word, _cut_unless_small_letter),
    Before.LEADS_ON: Rule(_HOLD, False, _stay_in_word, _go_on),
    Before.COUNTS: Rule(_HOLD, False, _stay_in_word, _cut_unless_number),
    Before.COUNTS_OR_WORD: Rule(_HOLD, False, _stay_in_word, _cut_unless_digit),
    Before.LIST_NUMBER: Rule(_HOLD, False, _stay_in_word, _go_on),
    Before.MAY_END: Rule(_HOLD, False, _stay_in_word, _cut_before_sentence),
    Before.TIME: Rule(_HOLD, False, _stay_in_word, _cut_before_sentence_or_title),
}
