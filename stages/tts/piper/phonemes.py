"""A segment's text as the phonemes that Piper's voices were trained on.

Phonemes are single code points, as in piper1-gpl's ``phonemize_espeak.py``: IPA from libespeak-ng,
taken apart (NFD), with stress marks, a space between words, and the mark that ends each clause.
Voices of `phoneme_type` ``text`` have letters for phonemes.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

import regex
import structlog

from stages.errors import SynthesisError
from stages.text.lexicon import INLINE
from stages.text.normalise import Buffer
from stages.text.word_breaks import word_breaks
from stages.tts.espeak.languages import Languages
from stages.tts.espeak.library import borrow, give_back
from stages.tts.espeak.phonemes import read_phoneme_data
from stages.tts.espeak.scripts import own_scripts
from stages.tts.espeak.writing import (
    is_speakable,
    leave_out_unspeakable,
    soften_stops,
    write_sounds,
)
from stages.tts.piper.clause_marks import mark_of
from stages.tts.piper.word_places import NO_WORD, words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stages.items import Segment
    from stages.text.normalise import Spoken
    from stages.tts.espeak.languages import LanguageFile
    from stages.tts.espeak.library import Clause, EspeakLibrary
    from stages.tts.piper.config import PiperConfig

log = structlog.stdlib.get_logger(__name__)

NO_PLACE = -1

_FLAG = re.compile(r"\([^)]+\)")
"""Round words that are said in another language: ``(en)kˈuːl(de)``. Training leaves it out."""
_STRETCH = re.compile(r"\S+")
_SAID = regex.compile(r"[\p{L}\p{M}\p{N}\p{S}%&@#§]")
_MARKS_BEHIND = regex.compile(r"[^\p{L}\p{M}\p{N}\p{S}%&@#§\]\N{SOFT HYPHEN}]+\Z")
_COMPANION = " [['papapapa]]"
"""Behind a word that is translated alone: a letter by itself would be named ("à" as "a grave"), and
capitals be read as a word where there are no others."""
_SPACE = re.compile(r"\s+")
_MANY_MARKS = regex.compile(r"(?<=\p{M}{4})\p{M}+")
"""More marks than any letter has."""
_STRESS_AND_LENGTH = frozenset("ˈˌː")
BEGINNING, END, PAD = "^", "$", "_"
MAX_LACKING = 1000
"""Phonemes that a voice lacks are remembered up to so many, so that they are told once: where every
character is a phoneme text could have any."""


class PhonemeText(NamedTuple):
    """Phonemes, and the words that they belong to."""

    text: str
    """Each code point is a phoneme."""
    places: Sequence[int]
    """For each of them where in the segment's `spoken` the word begins that it belongs to, by its
    first letter (a pronunciation by its bracket); `NO_PLACE` for spaces and the marks behind
    clauses, which belong to none. The places never fall."""


class PhonemeIds(NamedTuple):
    """Phonemes as a voice's network takes them."""

    ids: Sequence[int]
    """Ids, with the pad behind each phoneme, between the beginning's and the end's."""
    indices: Sequence[int]
    """For each of them the phoneme it came from, which also has the pad behind it; -1 for the
    beginning, the pad behind that, and the end."""


class Phonemizer:
    """Phonemes from libespeak-ng, which is shared with the engine that speaks with it. Everything
    but `load` is called on the model thread."""

    def __init__(self) -> None:
        self._languages = Languages()
        self._library: EspeakLibrary | None = None

    def load(self) -> None:
        """Have espeak-ng's process started, and read what is needed here, on any thread."""
        self._library = borrow()
        read_phoneme_data()
        own_scripts("en")  # reads its table

    def phonemes(self, segment: Segment, espeak_voice: str, config: PiperConfig) -> PhonemeText:
        """The phonemes of a segment; none where nothing of it can be said. Raises `SynthesisError`
        where espeak-ng has no such voice."""
        if config.phoneme_type == "text":
            return _letters(segment, config)
        if self._library is None:
            raise SynthesisError("espeak-ng is not loaded")
        name = espeak_voice.lower()
        language = self._languages.declared(name)
        if language is None:
            raise SynthesisError(
                f"this voice takes its phonemes from {espeak_voice!r}, which espeak-ng has not; "
                'in its .onnx.json, "espeak": {"voice": ...} can name another'
            )
        written, has_sounds = _written(segment, language)
        if not has_sounds and not is_speakable(written.text):
            return PhonemeText("", ())
        return _said(written, partial(self._library.translate, name=name, language=language))

    def close(self) -> None:
        """Give back the library."""
        if self._library is not None:
            give_back(self._library)
            self._library = None


class Alphabet:
    """The phonemes that a voice knows. What it does not know is left out, as in training, and told
    in the log once for each."""

    def __init__(self, voice: str, config: PiperConfig) -> None:
        """`voice` is its name, for the log."""
        self._voice = voice
        self._config = config
        self._ids = dict(config.phoneme_id_map)
        self._pad = self._ids.get(PAD, [])
        self._known: dict[str, list[int]] = {}
        self._n_lacking = 0

    def ids(self, text: str) -> PhonemeIds | None:
        """The ids of phonemes; None where nothing is left to be heard, so that the segment gets the
        remark ``skipped``."""
        first = [*self._ids.get(BEGINNING, []), *self._pad]
        ids, indices, is_heard = first, [-1] * len(first), False
        for index, phoneme in enumerate(text):
            own = self._ids_of(phoneme)
            if own:
                ids += own
                ids += self._pad
                indices += [index] * (len(own) + len(self._pad))
                is_heard = is_heard or (phoneme.isalnum() and phoneme not in _STRESS_AND_LENGTH)
        last = self._ids.get(END, [])
        return PhonemeIds([*ids, *last], [*indices, *[-1] * len(last)]) if is_heard else None

    def _ids_of(self, phoneme: str) -> list[int]:
        known = self._known.get(phoneme)
        if known is None:
            others = self._config.phoneme_map.get(phoneme, [phoneme])
            known = [number for other in others for number in self._ids.get(other, ())]
            if not known:
                if self._n_lacking == MAX_LACKING:
                    return known
                self._n_lacking += 1
                log.info("a voice lacks a phoneme", voice=self._voice, phoneme=phoneme)
            self._known[phoneme] = known
        return known


def _written(segment: Segment, language: LanguageFile) -> tuple[Spoken, bool]:
    """The text as espeak-ng reads it, and whether there are pronunciations in it."""
    buffer = Buffer(segment.spoken)
    has_sounds = write_sounds(buffer, language)
    buffer.substitute(_unread(own_scripts(language.tag)), lambda _: " ")
    buffer.substitute(_MANY_MARKS, lambda _: "")
    leave_out_unspeakable(buffer)
    buffer.substitute(_SPACE, lambda _: " ")  # an empty line would end a clause
    soften_stops(buffer, segment.source)
    return buffer.spoken(with_gaps=True), has_sounds


@cache
def _unread(scripts: frozenset[str]) -> regex.Pattern[str]:
    """What a voice of a language in these scripts was not trained to say: other scripts' letters,
    symbols, and what is no character. Of letters of several scripts in one text libespeak-ng
    (1.52.0) overruns its buffers, and ends the process."""
    named = "".join(rf"\p{{{script}}}" for script in sorted(scripts | {"Inherited"}))
    marks = r"\p{P}\p{Sc}\s\N{SOFT HYPHEN}+<=>|~^`°²³µ±×÷"
    digits = "0-9٠-٩۰-۹"
    return regex.compile(f"[^{named}{marks}{digits}ー]+")


def _said(written: Spoken, translate: Callable[[Sequence[str]], list[list[Clause]]]) -> PhonemeText:
    """The phonemes of a text, with the places of its words."""
    text = written.text
    breaks = word_breaks(text)
    (clauses,) = translate([text])
    begins = [0, *(clause.end for clause in clauses)]
    words = [
        _words(text, begin, clause.end, breaks)
        for begin, clause in zip(begins, clauses, strict=False)
    ]
    spans = [text[slice(*word.span)] for of_clause in words for word in of_clause]
    alone = iter(translate([_MARKS_BEHIND.sub("", word) + _COMPANION for word in spans]))
    said: list[str] = []
    places: list[int] = []
    for begin, clause, of_clause in zip(begins, clauses, words, strict=False):
        phonemes = _plain(clause)
        mark = mark_of(text[begin : clause.end], is_last=_SAID.search(text, clause.end) is None)
        said += phonemes, mark
        own = [" ".join(map(_plain, next(alone))).split()[:-1] for _ in of_clause]
        places += (
            NO_PLACE if number == NO_WORD else written.begins[of_clause[number].letter]
            for number in words_of(phonemes, own)
        )
        places += [NO_PLACE] * len(mark)
    return PhonemeText("".join(said), places)


def _plain(clause: Clause) -> str:
    return unicodedata.normalize("NFD", _FLAG.sub("", clause.phonemes))


class _PlacedWord(NamedTuple):
    span: tuple[int, int]
    """With the marks at it."""
    letter: int
    """The place of its first letter."""


def _words(text: str, begin: int, end: int, breaks: Sequence[int]) -> list[_PlacedWord]:
    """The words of a clause that may be said."""
    words = []
    for stretch in _STRETCH.finditer(text, begin, end):
        cuts = [stretch.start(), *(cut for cut in breaks if stretch.start() < cut < stretch.end())]
        for span in zip(cuts, [*cuts[1:], stretch.end()], strict=True):
            said = _SAID.search(text, *span)
            if said is not None:
                words.append(_PlacedWord(span, said.start()))
    return words


def _letters(segment: Segment, config: PiperConfig) -> PhonemeText:
    """The phonemes of a voice that has letters for such; small where it lacks the capital."""
    buffer = Buffer(segment.spoken)
    buffer.substitute(INLINE, lambda found: str(found["word"]))
    leave_out_unspeakable(buffer)
    written = buffer.spoken(with_gaps=True)
    text = written.text
    if not is_speakable(text):
        return PhonemeText("", ())
    word_at = [NO_PLACE] * len(text)
    for (_, behind), first in _words(text, 0, len(text), word_breaks(text)):
        last = max(said.end() for said in _SAID.finditer(text, first, behind))
        word_at[first:last] = [written.begins[first]] * (last - first)
    said, places = [], []
    for cluster in regex.finditer(r"\P{M}\p{M}*|\p{M}+", text):
        apart = unicodedata.normalize("NFD", cluster[0])
        apart = "".join(
            char if char in config.phoneme_id_map else char.lower()[:1] for char in apart
        )
        said.append(apart)
        places += [word_at[cluster.start()]] * len(apart)
    return PhonemeText("".join(said), places)
