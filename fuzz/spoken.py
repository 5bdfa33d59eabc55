"""Pronunciations and the normaliser: what is said for a text, and where it was written. An input is
a byte for the language and how it is said, and a text."""

from __future__ import annotations

from itertools import pairwise

import structlog

from stages.text.lexicon import Pronunciation, WordTable, pronunciations
from stages.text.normalise import LetterStyle, normalise
from stages.text.spoken_words import spoken_words

LANGUAGES = ("en-us", "en-gb", "de", "fr-fr", "es", "pl", "ja", "tlh")
"""Those with rules of their own, some with a table only, and one with neither."""

_WORDS = WordTable(
    {
        "GIF": Pronunciation("jif", None),
        "C++": Pronunciation("see plus plus", "siː"),
        "St. Ives": Pronunciation(None, "snt ˈaɪvz"),
        "3,5": Pronunciation("drei fünf", None),
    }
)


class _Failures:
    """The log, which has a line where a rule has failed."""

    def msg(self, message: str) -> None:
        raise AssertionError(message)

    warning = error = exception = msg

    def debug(self, message: str) -> None:
        pass


structlog.configure(
    processors=[structlog.processors.KeyValueRenderer()],
    wrapper_class=structlog.BoundLogger,
    logger_factory=lambda *_: _Failures(),
    cache_logger_on_first_use=False,
)


def run(data: bytes) -> None:
    """No rule fails, and places are in order and leave no gap."""
    head, text = data[:1] or b"\0", data[1:].decode(errors="ignore")
    language = LANGUAGES[head[0] % len(LANGUAGES)]
    style = list(LetterStyle)[head[0] // 8 % len(LetterStyle)]
    tables = (_WORDS,) if head[0] & 0x20 else ()
    fixed = pronunciations(text, language, tables, takes_sounds=bool(head[0] & 0x40))
    for (_, end, _), (begin, _, _) in pairwise(fixed):
        assert end <= begin
    spoken = normalise(text, language, letters=style, fixed=fixed)
    assert spoken.source_length == len(text)
    assert len(spoken.begins) == len(spoken.ends) == len(spoken.text)
    if spoken.text:
        assert spoken.begins[0] == 0
        assert spoken.ends[-1] == len(text)
    for (begin, end), (next_begin, next_end) in pairwise(
        zip(spoken.begins, spoken.ends, strict=True)
    ):
        assert begin <= next_begin <= end <= next_end
    if language.startswith("en") and not fixed:
        assert not any(char.isdecimal() for char in spoken.text)
    words = spoken_words(spoken.text, text, spoken)
    for word, after in pairwise(words):
        assert word.spoken[0] < word.spoken[1] <= after.spoken[0]
        assert word.source[0] < word.source[1] <= after.source[0]
