"""Voices by the names that other programs have for them."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from pipeline.voices import list_voices

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.tenants import Tenant
    from stages.voices import Voice


class VoiceNames:
    """The voice for any name: a voice's own name, an alias, and for all others the default voice.

    Programs that were made for another service can often send nothing but its names."""

    def __init__(
        self,
        voices: Mapping[str, Voice],
        default: str,
        aliases: Mapping[str, str],
        tenant: Tenant | None = None,
    ) -> None:
        """`aliases`: names, in any case, and the voices that they stand for. A `tenant` has those
        of the voices that its key may speak with."""
        self.voices = voices
        self._default = default
        self._aliases = aliases
        self._by_alias = {alias.casefold(): voice for alias, voice in aliases.items()}
        self._tenant = tenant

    def of(self, tenant: Tenant | None) -> VoiceNames:
        """The same for a tenant; None: for everybody."""
        return (
            self
            if tenant is None
            else VoiceNames(self.voices, self._default, self._aliases, tenant)
        )

    @property
    def default(self) -> str:
        """Who speaks where nobody else is chosen."""
        if self._tenant is None:
            return self._default
        return self._tenant.default_voice(self._default, self.voices)

    @property
    def aliases(self) -> Mapping[str, str]:
        """The aliases, of voices that may be had."""
        return {alias: name for alias, name in self._aliases.items() if self.allows(name)}

    def allows(self, name: str) -> bool:
        """Whether a voice of this name may be had, if it is there."""
        return self._tenant is None or self._tenant.allows(name)

    def listed(self, voices: Iterable[Voice]) -> list[Voice]:
        """Those of some voices that may be had."""
        return [voice for voice in voices if self.allows(voice.name)]

    async def list_voices(self) -> list[Voice]:
        """The voices that are listed; see `pipeline.voices.list_voices`."""
        return self.listed(await list_voices(self.voices))

    def find(self, name: str | None) -> str:
        """The name of the voice that this name stands for."""
        name = unicodedata.normalize("NFC", name or "")  # as `VoiceName` is
        if self._can_be_had(name):
            return name
        voice = self._by_alias.get(name.casefold(), self.default)
        return voice if self._can_be_had(voice) else self.default  # its files may have gone

    def _can_be_had(self, name: str) -> bool:
        return name in self.voices and self.allows(name)


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
