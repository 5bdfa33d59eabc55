"""Addresses, files and hashtags, read out mark by mark. The same in every language but for the
marks' names."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from stages.text.normalise.rules import DATA, any_of, rule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stages.text.normalise.letters import LetterStyle
    from stages.text.normalise.rules import Say, Target, TextRule

_PARTS = re.compile(r"[^\W\d_]+|\d+|[\W_]")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_VOWELS = frozenset("aeiouyAEIOUY")
_LONGEST_SPELLED = 4
"""Letters of a word without a vowel that is still named letter by letter."""

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_REST = r"(?:[^\s<>\"]{0,2000}[^\s<>\".,;:!?)\]}'*，。！？；：）」』])?"
"""What follows a host; the marks of the sentence are not part of it."""
_NAME = r"[\w.@+-]{1,99}"


class _AddressTables(NamedTuple):
    top_level: frozenset[str]
    extensions: frozenset[str]
    spelled: frozenset[str]


@cache
def _tables() -> _AddressTables:
    entries = tomllib.loads((DATA / "addresses.toml").read_text(encoding="utf-8"))
    return _AddressTables(**{name: frozenset(words.split()) for name, words in entries.items()})


class AddressReader(NamedTuple):
    """How one language reads addresses."""

    marks: Mapping[str, str]
    digits: Callable[[str], str]
    """Says a run of digits."""

    def rules(self) -> list[TextRule]:
        top_level, extensions = any_of(_tables().top_level), any_of(_tables().extensions)
        whole, path = self._say(0), self._say(1)
        return [
            rule(":", rf"(?<!\w)(?:https?|ftp|wss?)://(?=\w)({_REST})", path),
            rule("@ ‥", r"(?<![\w.+@-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}", whole),
            rule("w ‥", rf"(?<![\w@.])www\.(?=\w){_REST}", whole),
            # a host, perhaps with a port and a path
            rule(
                "‥",
                rf"(?<![\w@./-])(?:{_LABEL}\.){{1,4}}(?:{top_level})(?![A-Za-z\d@-]|\.\w)"
                rf"(?::\d{{1,5}}\b)?(?:/{_REST})?",
                whole,
            ),
            rule(":", r"(?<!\w)localhost:\d{2,5}\b(?:/\S{0,200}\w)?", whole),
            # 192.168.1.1:80, 10.0.0.0/8
            rule(
                "0 ‥",
                r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5}|/\d{1,2})?(?!\w|\.\w)",
                whole,
            ),
            # /usr/local/bin, ~/notes, ./run, C:\Users
            rule(
                "/",
                rf"(?<![\w/.<])(?:~|\.{{1,2}})?/(?=[\w.]){_NAME}(?:/{_NAME}){{0,30}}/?(?<![.,])",
                whole,
            ),
            rule("\\", r"(?<!\w)[A-Z]:\\[\w\\.-]{0,200}(?<![.,])", whole),
            # report_2024.pdf, archive.tar.gz, .env
            rule(
                "‥",
                r"(?<![\w.@/])[\w-]{1,64}(?:\.[\w-]{1,32}){0,3}"
                rf"\.(?:{extensions})(?![A-Za-z\d-]|\.\w)",
                whole,
            ),
            rule("‥", r"(?<![\w.)\]\"'])\.[A-Za-z]{2,20}\b", whole),
            # snake_case_name, @name, #FF5733, #AI
            rule(
                "_",
                r"(?<![\w@#])(?=[A-Za-z\d]*_)[A-Za-z\d]{1,40}(?:_[A-Za-z\d]{1,40}){1,10}\b",
                whole,
            ),
            rule("@", r"(?<![\w@])@(?=[A-Za-z_])\w{1,64}", whole),
            rule("#", r"(?<![\w&#])#[0-9A-F]{6}(?!\w)", self._colour),
            rule("#", r"(?<![\w&#])#(?=\d{0,40}[^\W\d_])(\w{1,64})", self._hashtag),
        ]

    def read_out(self, address: str, letters: LetterStyle) -> str:
        """Each word of an address, and each of its marks."""
        parts = _PARTS.findall(address.rstrip("/"))
        return letters.phrase(self.marks.get(part) or self._word(part, letters) for part in parts)

    def _say(self, group: int) -> Say:
        return lambda found, target: self.read_out(found[group], target.letters)

    def _word(self, part: str, letters: LetterStyle) -> str:
        if part.isdecimal():
            return self.digits(part)
        is_unreadable = len(part) <= _LONGEST_SPELLED and _VOWELS.isdisjoint(part)
        if (
            part.isascii()
            and part.isalpha()
            and (is_unreadable or part.lower() in _tables().spelled)
        ):
            return letters.spell(part)
        return part

    def _hashtag(self, found: re.Match[str], target: Target) -> str:
        words = [word for part in found[1].split("_") for word in _CAMEL.findall(part)]
        said = (
            self.digits(word)
            if word.isdecimal()
            else target.letters.spell(word)
            if word.isascii() and word.isupper()
            else word
            for word in words
        )
        return f"hashtag {target.letters.phrase(said)}"

    def _colour(self, found: re.Match[str], target: Target) -> str:
        said = (self.digits(c) if c.isdecimal() else target.letters.spell(c) for c in found[0][1:])
        return target.letters.phrase([self.marks.get("#", "#"), *said])
