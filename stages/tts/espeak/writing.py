"""A segment's text as espeak-ng reads it, and where each character of it was in what is spoken."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import regex

from stages.text.lexicon import INLINE
from stages.text.normalise import Buffer
from stages.tts.espeak.phonemes import phonemes_of

if TYPE_CHECKING:
    from stages.items import Segment
    from stages.text.normalise import Spoken
    from stages.tts.espeak.languages import LanguageFile, Languages

_UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
"""Control characters, of which espeak takes some for commands (\\x01 and \\x05), and lone
surrogates, which have no UTF-8."""
_TIED_SYMBOL = regex.compile(r"(?<=[^\p{L}\p{M}\p{N}\s])[-\N{SOFT HYPHEN}]+(?=[\p{L}\p{M}_])")
"""A hyphen between a mark and a letter, ``"-a``, at which libespeak-ng (1.52.0) writes beyond a
word's end in Vietnamese, and ends the process."""
_MARKED_GRAVE = regex.compile(r"(?<=[^\p{L}\p{M}\s]\s*)`+")
"""A grave accent by itself behind a mark, ``a.` ``, which does the same."""
_OUTER_SPACE = re.compile(r"\A\s+|\s+\Z")
_CLOSING_MARKS = re.compile(r"[] \"'’”»)}*_]+\Z")
_CLOSING_MARKS_BUT_BRACKETS = re.compile(r"[ \"'’”»)}*_]+\Z")
"""Behind the last mark espeak would pause a second time for those."""
_FORM_OR_BRACKET = regex.compile(rf"{INLINE.pattern}|[\[\]]")
_STOP_WITHIN = re.compile(r"(?<=[\w\]])\.(?=\s)")
_SOFT_STOP = ".\u00ad"
"""A full stop that ends nothing. Behind a soft hyphen espeak does not pause, as it would before a
capital or a digit, and still knows by the stop what it knows (Danish ``Hr.``, ``5. maj``)."""
_IN_ONE_BREATH = re.compile(
    r" (?=(?:zum (?:Beispiel|Teil)|unter (?:anderem|Umständen)|und so weiter|oder ähnliches)\b)"
)
"""espeak breaks for 150 ms before most prepositions, but not behind a hyphen. What German writes
short (z. B., u. a., usw.) is said in one breath with what is before it."""
_SPEAKABLE_CATEGORIES = ("L", "N", "Sc", "Sm")
_SPEAKABLE_MARKS = frozenset("%&@#§°")
_LIST_NUMBER = re.compile(r"\W*\d{1,3}[.)]\W")


def written_for(segment: Segment, languages: Languages) -> tuple[Spoken, bool]:
    """The text for a segment and its voice, and whether there are phonemes in it."""
    buffer = Buffer(segment.spoken)
    closing_marks, has_phonemes = _CLOSING_MARKS, False
    language = languages.get(segment.style.voice.partition("+")[0])
    if language is not None and INLINE.search(buffer.text) is not None:
        has_phonemes = write_sounds(buffer, language)
        closing_marks = _CLOSING_MARKS_BUT_BRACKETS
    leave_out_unspeakable(buffer)
    buffer.substitute(closing_marks, lambda _: "")
    start = soften_stops(buffer, segment.source)
    buffer.substitute(_IN_ONE_BREATH, lambda found: "-" if found.start() >= start else None)
    return buffer.spoken(), has_phonemes


def write_sounds(buffer: Buffer, language: LanguageFile) -> bool:
    """Write pronunciations as phonemes of a language in double brackets. No other brackets are left
    that could be taken for such. Says whether there are any phonemes."""
    phonemes, has_phonemes = phonemes_of(language.phoneme_table), False

    def say(found: regex.Match[str]) -> str:
        nonlocal has_phonemes
        # Other brackets must not become phonemes. Round ones are not said, either.
        if found["ipa"] is None:
            return "(" if found[0] == "[" else ")"
        mnemonics = phonemes.written(found["ipa"])
        has_phonemes |= bool(mnemonics)
        # Espeak is silent on brackets that stand behind a mark.
        return f" {mnemonics}" if mnemonics else str(found["word"])

    buffer.substitute(_FORM_OR_BRACKET, say)
    return has_phonemes


def leave_out_unspeakable(buffer: Buffer) -> None:
    """Leave out what has no sound and would do harm, and space at the ends."""
    buffer.substitute(_UNSPEAKABLE, lambda _: " ")
    buffer.substitute(_TIED_SYMBOL, lambda _: " ")
    buffer.substitute(_MARKED_GRAVE, lambda _: " ")
    buffer.substitute(_OUTER_SPACE, lambda _: "")


def soften_stops(buffer: Buffer, source: str) -> int:
    """Full stops become some at which espeak does not pause. Within a segment they end nothing,
    else it would have been cut there (`least_chars` is 0); but behind a list's number a reader
    pauses. Says where the text begins that is said in one."""
    start = 0
    if _LIST_NUMBER.match(source) and (first := _STOP_WITHIN.search(buffer.text)):
        start = first.end()
    buffer.substitute(_STOP_WITHIN, lambda found: _SOFT_STOP if found.start() >= start else None)
    return start


def is_speakable(text: str) -> bool:
    """Whether there is anything but marks, space and emoji, which espeak would name."""
    return any(
        character in _SPEAKABLE_MARKS
        or unicodedata.category(character).startswith(_SPEAKABLE_CATEGORIES)
        for character in text
    )
