"""Which scripts a voice reads, and who reads those that it does not.

espeak-ng says a word in a script that is not its language's own by the rules of a language that has
it, or names its letters one by one: "Japanese letter, Japanese letter". What is true of which
language is in ``scripts.toml``.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

import regex

from stages.text.letters import has_greek_word, has_letter, in_scripts

_LATIN = "Latin"
_LATIN_LANGUAGE = "en"
_GREEK = "Greek"
_KANA = ("Hiragana", "Katakana")
_EAST_ASIAN = frozenset({"Han", "Hangul", *_KANA})
_EAST_ASIAN_LETTERS = 3
"""A Chinese, Japanese or Korean character is taken for as much text as so many letters."""


class _Scripts(NamedTuple):
    own: dict[str, list[str]]
    """The languages that are written in each script."""
    spelled: dict[str, frozenset[str]]
    """Those that name its letters."""
    foreign: frozenset[str]
    """Scripts that the voices of other languages read, too."""


def legible(text: str, language: str) -> str:
    """The text without the letters that a voice of this language cannot read; empty where it can
    read none. Text without any letters is left as it is."""
    if text.isascii():
        return text
    return in_scripts(text, _read_by(language.partition("-")[0], has_greek_word(text)))


def own_scripts(language: str) -> frozenset[str]:
    """The scripts that a language is written in, and Latin, by their names in Unicode."""
    base = language.partition("-")[0]
    own = _table().own
    return frozenset({_LATIN, *(script for script, languages in own.items() if base in languages)})


def language_for(text: str, language: str) -> str | None:
    """The tag of the language whose script most of the text is in, where that is none of this
    language's; None: this language's voice is to speak it."""
    base = language.partition("-")[0]
    script = _main_script(text)
    table = _table()
    if script is None or base in table.own.get(script, ()):
        return None
    if script == _LATIN:
        return _LATIN_LANGUAGE if base in table.spelled[_LATIN] else None
    return table.own[script][0]


def _main_script(text: str) -> str | None:
    """The script with the most text; None: it has no letters of a script that anybody reads."""
    if text.isascii():
        return _LATIN if has_letter(text) else None
    amounts: Counter[str] = Counter()
    for run in _runs().finditer(text):
        script = str(run.lastgroup)
        weight = _EAST_ASIAN_LETTERS if script in _EAST_ASIAN else 1
        amounts[script] += weight * len(run.group())
    if not has_greek_word(text):
        del amounts[_GREEK]
    kana = sum(amounts[script] for script in _KANA)
    if kana:
        amounts["Hiragana"] = kana + amounts.pop("Han", 0)
        del amounts["Katakana"]
    return max(amounts, key=amounts.__getitem__, default=None)


@cache
def _read_by(base: str, has_greek_word: bool) -> frozenset[str]:
    """The scripts that voices of a language read; Greek without words is letters, which all voices
    have names for."""
    table = _table()
    read = {_LATIN, *table.foreign}
    read |= {script for script, languages in table.own.items() if base in languages}
    if has_greek_word and base in table.spelled[_GREEK]:
        read.discard(_GREEK)
    return frozenset(read)


@cache
def _runs() -> regex.Pattern[str]:
    scripts = [_LATIN, *_table().own]
    groups = "|".join(rf"(?P<{script}>\p{{{script}}}+)" for script in scripts)
    return regex.compile(groups)


@cache
def _table() -> _Scripts:
    path = Path(__file__).with_name("scripts.toml")
    content = tomllib.loads(path.read_text("utf-8"))
    return _Scripts(
        {script: names.split() for script, names in content["own"].items()},
        {script: frozenset(names.split()) for script, names in content["spelled"].items()},
        frozenset(content["others"]["read"].split()),
    )
