"""The voices that can be asked for: the synthesizers', and RVC's, whose files may come and go while
the server runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import structlog
import trio

from stages import rvc
from stages.errors import UnusableModel
from stages.rvc.voices.library import describe, find_voices
from stages.rvc.voices.unpacking import Archives
from stages.voices import UNKNOWN_TERMS, Voice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from stages.rvc.voices.library import Catalogue, VoiceEntry


log = structlog.stdlib.get_logger(__name__)


def _none(_: str) -> None:
    """There are no further voices."""


async def list_voices(voices: Mapping[str, Voice]) -> list[Voice]:
    """The voices that are listed. Folders are searched anew, so that a voice which was put there
    can be asked for from now on."""
    if isinstance(voices, Voices):
        # One search at a time: what one has unpacked or found no other undoes, and while an
        # archive is unpacked those who wait take no thread.
        await trio.to_thread.run_sync(voices.refresh, limiter=voices.search_limit)
    return list(voices.values())


class Voices(Mapping[str, Voice]):
    """The voices by name. Some can be asked for that are not listed: they are in it, and nothing
    goes through them. A voice whose files have gone is no longer in it, but can still be looked
    up, since text that was to be spoken with it may be under way."""

    def __init__(
        self, own: Sequence[Voice], unlisted: Callable[[str], Voice | None] = _none
    ) -> None:
        """`own`: the synthesizers' voices that are listed; `unlisted` knows the others."""
        self._own = {voice.name: voice for voice in own}
        self._unlisted = unlisted
        self._offered = self._own
        self._known = dict(self._own)
        self.entries: dict[str, VoiceEntry] = {}
        """The files and settings of the RVC voices."""
        self.problems: tuple[str, ...] = ()
        """Faults of files in the folders, a line each."""
        self.left_out: tuple[Voice, ...] = ()
        """Voices in the folders that are not free, where only free ones are offered."""
        self.converts = False
        """Whether RVC voices can be spoken with."""
        self.lacks = "this server has no RVC"
        """Why not, for clients."""
        self.search_limit = trio.CapacityLimiter(1)
        self._find: Callable[[], Catalogue] | None = None
        self._speaks_with = ""
        self._free_only = False

    def offer_rvc(
        self, folder: Path, webui: Path | None, speaks_with: str, *, free_only: bool = False
    ) -> None:
        """Offer the RVC voices of these folders, too, or only those whose terms are free.
        `speaks_with` is the voice that is converted where they name none."""
        self._find = partial(find_voices, [folder], webui, Archives())
        self.converts = True
        self._speaks_with = speaks_with
        self._free_only = free_only
        self.refresh(is_first=True)

    def refresh(self, *, is_first: bool = False) -> None:
        """Search the folders again, on any thread: other threads see the old voices meanwhile. The
        log has each new problem, but for those of the first search, which others tell."""
        if self._find is None:
            return
        found = self._find()
        problems = list(found.problems)
        converted: dict[str, Voice] = {}
        left_out: list[Voice] = []
        for entry in found.voices.values():
            try:
                voice = self._voice(entry)
            except UnusableModel as error:
                problems.append(str(error))
                continue
            if self._free_only and not voice.is_free:
                left_out.append(voice)
            else:
                converted[entry.name] = voice
        # The engine keeps the entries of voices that have gone, and says that they cannot be read.
        self.entries |= {name: found.voices[name] for name in converted}
        self._known |= converted
        self._offered = self._own | converted
        for problem in problems:
            if problem not in self.problems and not is_first:
                log.warning("a file of voices: %s", problem)
        self.problems = tuple(problems)
        self.left_out = tuple(left_out)

    def _voice(self, entry: VoiceEntry) -> Voice:
        if self._find_own(entry.name) is not None:
            raise UnusableModel(f"{entry.path} has the name of a built-in voice, {entry.name}")
        settings = entry.settings
        speaks_with = settings.speaks_with or self._speaks_with
        base = self._find_own(speaks_with)
        if base is None:
            raise UnusableModel(f"{entry.toml}: speaks_with: there is no voice {speaks_with!r}")
        config = describe(entry.path)
        licence = settings.licence or UNKNOWN_TERMS.licence
        if not base.is_free:
            licence += f"; it speaks with {base.name}: {base.licence}"
        return Voice(
            name=entry.name,
            engine=rvc.ENGINE,
            language=settings.language or base.language,
            gender=settings.gender,
            description=settings.description or f"RVC voice, speaking with {base.name}",
            sample_rate=config.sample_rate,
            type="rvc",
            speaks_with=base.name,
            version=config.version,
            has_index=entry.index is not None,
            licence=licence,
            is_free=settings.free and base.is_free,
            removable=entry.is_uploaded,
        )

    def _find_own(self, name: str) -> Voice | None:
        return self._own.get(name) or self._unlisted(name)

    def __getitem__(self, name: str) -> Voice:
        voice = self._known.get(name) or self._unlisted(name)
        if voice is None:
            raise KeyError(name)
        return voice

    def __contains__(self, name: object) -> bool:
        return name in self._offered or (isinstance(name, str) and self._unlisted(name) is not None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._offered)

    def __len__(self) -> int:
        return len(self._offered)
