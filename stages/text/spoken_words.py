"""The words of a text that is spoken, and where each was written in the text as it came."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import regex

from stages.text.lexicon import INLINE
from stages.text.normalise import FOLDED_SIGNS
from stages.text.word_breaks import word_breaks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stages.text.normalise import Spoken

_AUDIBLE = r"\p{L}\p{M}\p{N}\p{Sc}\p{Sm}&@%#§°©®™" + regex.escape("".join(FOLDED_SIGNS))
_IS_AUDIBLE = regex.compile(f"[{_AUDIBLE}]")
_LOOSE_MARKS = regex.compile(rf"\A[^{_AUDIBLE}]*\s|\A[*_~`]+|\s[^{_AUDIBLE}]*\Z|[*_~`]+\Z")
_WORD = re.compile(r"\S+")
_SOUND = regex.compile(r"[\p{L}\p{N}]")
_SYLLABLE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")
SYLLABLE_LETTERS = 3
"""The time that a character takes which is a syllable, in letters."""


class SpokenWord(NamedTuple):
    """A word: what stands between spaces, or what ICU takes for one in scripts without them; with
    the marks at it. Words that were written as one (``$5``) are one."""

    spoken: tuple[int, int]
    """Where it begins and ends in what is spoken."""
    source: tuple[int, int]
    """The same in the text as it came."""
    n_letters: int
    """About how long it takes to say."""


def spoken_words(spoken: str, source: str, written: Spoken | None) -> list[SpokenWord]:
    """The words of `spoken`, in order and apart in both texts. `written` has where in `source` each
    of its characters was; None: the texts are the same."""
    words: list[SpokenWord] = []
    for stretch in _stretches(spoken):
        first, last = stretch if written is None else written.source_span(*stretch)
        first, last = _trimmed(source, first, min(last, len(source)))
        if words and first >= last:
            first = last = words[-1].source[1]
        word = SpokenWord(stretch, (first, last), _n_letters(spoken[slice(*stretch)]))
        if words and (first < words[-1].source[1] or first >= last):  # said of the same, or of none
            words.append(_joined(words.pop(), word))
        elif word.n_letters and first < last:
            words.append(word)
    return words


def _joined(word: SpokenWord, more: SpokenWord) -> SpokenWord:
    return SpokenWord(
        (word.spoken[0], more.spoken[1]),
        (word.source[0], max(word.source[1], more.source[1])),
        word.n_letters + more.n_letters,
    )


def _stretches(spoken: str) -> Iterator[tuple[int, int]]:
    """The words and the loose marks between spaces."""
    starts = word_breaks(spoken)
    forms = [found.span() for found in INLINE.finditer(spoken)]
    at = 0
    for found in _WORD.finditer(spoken):
        begin, end = found.span()
        if begin < at:
            continue  # within a pronunciation
        for form_begin, form_end in forms:
            if begin <= form_begin < end < form_end:
                rest = _WORD.match(spoken, form_end)
                end = rest.end() if rest else form_end
        cuts = [start for start in starts if begin < start < end and not _is_in(start, forms)]
        for cut in (*cuts, end):
            yield begin, cut
            begin = cut
        at = end


def _is_in(place: int, forms: list[tuple[int, int]]) -> bool:
    return any(begin < place < end for begin, end in forms)


def _trimmed(source: str, begin: int, end: int) -> tuple[int, int]:
    """The stretch without white space at its ends, nor what is not said beyond that; of
    pronunciations their words alone."""
    text = source[begin:end]
    forms = list(INLINE.finditer(text))
    if forms:
        return begin + forms[0].start("word"), begin + forms[-1].end("word")
    for found in reversed(list(_LOOSE_MARKS.finditer(text))):
        if found.start():
            end = begin + found.start()
        else:
            begin += found.end()
    return (
        (begin, end) if begin < end and _IS_AUDIBLE.search(source, begin, end) else (begin, begin)
    )


def _n_letters(text: str) -> int:
    text = INLINE.sub(lambda form: form["ipa"], text)
    n_syllables = len(_SYLLABLE.findall(text))
    n_letters = len(_SOUND.findall(text)) + (SYLLABLE_LETTERS - 1) * n_syllables
    return n_letters or int(_IS_AUDIBLE.search(text) is not None)
