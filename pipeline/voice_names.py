"""Voices by the names that other programs have for them."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stages.voices import Voice


class VoiceNames:
    """The voice for any name: a voice's own name, an alias, and for all others the default voice.

    Programs that were made for another service can often send nothing but its names."""

    def __init__(
        self, voices: Mapping[str, Voice], default: str, aliases: Mapping[str, str]
    ) -> None:
        """`aliases`: names, in any case, and the voices that they stand for."""
        self.voices = voices
        self.default = default
        self.aliases = aliases
        self._by_alias = {alias.casefold(): voice for alias, voice in aliases.items()}

    def find(self, name: str | None) -> str:
        """The name of the voice that this name stands for."""
        name = unicodedata.normalize("NFC", name or "")  # as `VoiceName` is
        if name in self.voices:
            return name
        voice = self._by_alias.get(name.casefold(), self.default)
        return voice if voice in self.voices else self.default  # its files may have gone


def read_aliases(words: Iterable[str], voices: Mapping[str, Voice]) -> dict[str, str]:
    """The aliases in words like ``alloy=en-us+f3``. Raises `ValueError`, which names the word."""
    aliases = {}
    for word in words:
        alias, equals, voice = (part.strip() for part in word.partition("="))
        if not (alias and equals and voice):
            raise ValueError(f"{word!r} is no alias: write NAME=VOICE")
        if voice not in voices:
            raise ValueError(f"{word!r}: there is no voice {voice!r}")
        aliases[alias] = voice
    return aliases
