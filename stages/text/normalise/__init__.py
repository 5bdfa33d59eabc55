"""Written to spoken: numbers, dates, money, addresses and signs as a newsreader says them.

A segment is rewritten by one rule after the other, in a buffer that knows where each character
came from:

    fold.py        characters that no engine can read
    english/       rules of ours for English; german.py for German
    languages.py   languages that have no more than a table
    library.py     normt2s: German, and what is left of English

What the rules know of a language is in ``data/``.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from stages.text.normalise import english, german, languages, library
from stages.text.normalise.fold import FOLDED_SIGNS, fold
from stages.text.normalise.letters import LetterStyle
from stages.text.normalise.rules import Target, apply
from stages.text.normalise.spoken import Buffer, Spoken, edited, joined

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stages.text.normalise.rules import TextRule
    from stages.text.normalise.spoken import Edit

__all__ = [
    "FOLDED_SIGNS",
    "Buffer",
    "LetterStyle",
    "Spoken",
    "is_prepared",
    "normalise",
    "prepare",
]

log = structlog.stdlib.get_logger(__name__)

LONGEST_PIECE = 512
"""Characters that are rewritten at once. A longer text is taken in pieces, so that no rule, however
it backtracks, costs more than in a piece of this length."""


def normalise(
    text: str, language: str, *, letters: LetterStyle, fixed: Sequence[Edit] = ()
) -> Spoken:
    """What is said for a text, and where each word of it was written.

    `language` is a tag as voices have it, ``en-us``. `fixed` are edits that hold whatever the rules
    say, in order. Never raises: where a rule fails, the text is said as it came, but for these and
    for characters that cannot be read.
    """
    spoken = [
        _normalised(piece, language, letters, inside) for piece, inside in _pieces(text, fixed)
    ]
    return spoken[0] if len(spoken) == 1 else joined(spoken)


def prepare(language: str) -> None:
    """Read and compile a language's rules: 50 ms that the first text would wait for. Any thread may
    call this."""
    normalise("≈ 1", language, letters=LetterStyle.HYPHENED)
    _prepared.add(_base(language))


def is_prepared(language: str) -> bool:
    """Whether `normalise` would not have to do that first: a language without a table has one rule,
    which takes 0.2 ms to compile."""
    base = _base(language)
    return base in _prepared or not languages.has_table(base)


_prepared: set[str] = set()


def _base(language: str) -> str:
    return language.lower().partition("-")[0]


def _normalised(text: str, language: str, letters: LetterStyle, fixed: Sequence[Edit]) -> Spoken:
    base, region = _base(language), language.lower().partition("-")[2]
    buffer = Buffer(text, fixed)
    said = buffer.spoken()
    try:
        fold(buffer)
        said = buffer.spoken()
        apply(_rules(base), buffer, Target(letters, month_first=region in {"", "us"}))
        buffer.pass_through(partial(library.normalise, language=base))
    except Exception as error:  # noqa: BLE001 - a rule may fail; the text is spoken all the same
        log.warning("text was not normalised", text=text, language=language, error=repr(error))
    else:
        said = buffer.spoken()
    return edited(said, fixed) if fixed else said


def _rules(language: str) -> tuple[TextRule, ...]:
    match language:
        case "en":
            return english.rules()
        case "de":
            return german.rules()
        case _:
            return languages.rules(language)


def _pieces(text: str, fixed: Sequence[Edit]) -> Iterator[tuple[str, list[Edit]]]:
    """The text cut at spaces, into pieces of bounded length, each with the edits in it."""
    start = 0
    while start < len(text):
        cut = len(text)
        if cut - start > LONGEST_PIECE:
            longest = start + LONGEST_PIECE
            cut = text.rfind(" ", start + 1, longest) + 1 or longest
            for begin, end, _ in fixed:
                if begin < cut < end:
                    cut = begin if begin > start else end
        inside = [
            (begin - start, end - start, said)
            for begin, end, said in fixed
            if start <= begin and end <= cut
        ]
        yield text[start:cut], inside
        start = cut
