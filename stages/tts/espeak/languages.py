"""The languages that espeak-ng speaks, by its own names and by the BCP 47 tags of people.

What there is is read from its voice files. Each is named for its language, and declares tags
with priorities (5 where none is given, and a lower one counts)::

    name Chinese (Mandarin, latin as English)
    language zh-cmn
    language zh 8
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import espeakng_loader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_PRIORITY = 5
_LINES = re.compile(
    r"^(name|language|dictionary|phonemes)[ \t]+(.*?)[ \t]*(?://.*)?$", re.MULTILINE
)

_OTHER_TAGS = {
    "in": "id",
    "iw": "he",
    "nn": "nb",
    "zh-hk": "yue",
    "zh-mo": "yue",
}
"""Tags that espeak-ng does not declare: old ones of the IANA registry, the other Norwegian, and
where the Chinese that is spoken is Cantonese."""

_WITH_SCRIPT = re.compile(r"\A([a-z]{2,3})-[a-z]{4}(?![^-])")


@dataclass(frozen=True, slots=True)
class LanguageFile:
    """A language that espeak-ng speaks, by its voice file."""

    tag: str
    """A BCP 47 tag in lower case, with the region that the voice file declares: ``fr-fr``."""
    title: str
    """Its name in English."""
    path: Path
    """Its voice file."""
    phoneme_table: str
    """Where its phonemes are: a table that its voice file names, or that of its first language."""


class Languages:
    """All languages that espeak-ng speaks, and those that were chosen for this server."""

    def __init__(self, chosen: Sequence[str] = ()) -> None:
        """Raises `ValueError`, with suggestions, for a chosen language that is unknown."""
        self._by_name, self._by_tag = _read(Path(espeakng_loader.get_data_path()))
        self.chosen: Mapping[str, LanguageFile] = {}
        self.chosen = {name: self._chosen(name) for name in chosen}
        """By the names they were chosen by."""

    @property
    def all(self) -> Iterable[LanguageFile]:
        """Each once, in the order of their names."""
        return sorted(set(self._by_name.values()), key=attrgetter("title"))

    def get(self, name: str) -> LanguageFile | None:
        """The language of one of espeak-ng's own names: ``fr``, ``fr-fr``, ``en-gb-x-rp``."""
        return self._by_name.get(name)

    def declared(self, name: str) -> LanguageFile | None:
        """The language of one of espeak-ng's own names, or of a tag that it declares, and of
        nothing like it."""
        return self._by_name.get(name) or self._by_tag.get(name)

    def find(self, tag: str) -> LanguageFile | None:
        """The language for a tag as people write it, with fallbacks: ``de-AT`` is ``de``, ``zh``
        is ``cmn``, and ``en`` the English that was chosen for this server."""
        tag = tag.lower().replace("_", "-")
        while tag:
            # Few of espeak-ng's languages are told apart by their script.
            found = self._find(tag) or self._find(_WITH_SCRIPT.sub(r"\1", tag))
            if found is not None:
                return found
            tag = tag.rpartition("-")[0]
        return None

    def called(self, name: str) -> LanguageFile | None:
        """The language that somebody means who does not name it as we do: ``German``, ``de_DE`` or
        a longer name that begins with a tag. Of several with that name it is the one that the bare
        tag means."""
        title = name.casefold()
        titled = [
            own
            for own in set(self._by_name.values())
            if title in {own.title.casefold(), own.title.partition(" (")[0].casefold()}
        ]
        if not titled:
            return self.find(name)
        first = min(titled, key=lambda own: (len(own.tag), own.tag))
        bare = self.find(first.tag.partition("-")[0])
        return bare if bare in titled else first

    def __contains__(self, tag: object) -> bool:
        """Whether `find` finds it."""
        return isinstance(tag, str) and self.find(tag) is not None

    def _find(self, tag: str) -> LanguageFile | None:
        """The language for just this tag, a chosen one if it can be."""
        tag = _OTHER_TAGS.get(tag, tag)
        for language in self.chosen.values():
            if f"{language.tag}-".startswith(f"{tag}-"):
                return language
        return self._by_name.get(tag) or self._by_tag.get(tag)

    def _chosen(self, name: str) -> LanguageFile:
        language = self._by_name.get(name)
        if language is None:
            near = difflib.get_close_matches(name, self._by_name, n=4)
            said = f"like it are {', '.join(near)}" if near else ""
            if (meant := self.called(name)) is not None:
                said = "; ".join(filter(None, [said, f"{meant.title} is {meant.tag}"]))
            said = said or f"it has {', '.join(sorted(self._by_name))}"
            raise ValueError(f"espeak-ng has no language {name!r}; {said}")
        return language


@cache
def _read(data: Path) -> tuple[Mapping[str, LanguageFile], Mapping[str, LanguageFile]]:
    """The languages by their own names, and by the tags that they declare."""
    by_name: dict[str, LanguageFile] = {}
    regional: dict[str, LanguageFile] = {}
    declared: dict[str, tuple[int, LanguageFile]] = {}
    names_in_data = {path.name for path in data.iterdir()}
    for path in sorted((data / "lang").rglob("*")):
        if path.is_dir():
            continue
        name, lines = path.name.lower(), _LINES.findall(path.read_text("utf-8", "replace"))
        settings = dict(lines)
        tags = [words.split() for key, words in lines if key == "language"]
        # With its region, where the first tag adds no more than that: fr-fr, but not what
        # Cherokee has, chr-us-qaaa-x-west.
        first = tags[0][0].lower() if tags else name
        tag = first if first.startswith(f"{name}-") and first.count("-") == 1 else name
        if f"{settings.get('dictionary', name.partition('-')[0])}_dict" not in names_in_data:
            continue  # not in this edition of the data: it would speak nothing
        base = tags[0][0].partition("-")[0] if tags else ""
        table = settings.get("phonemes", base)
        language = LanguageFile(tag, settings.get("name", name), path, table)
        by_name[name] = regional[tag] = language
        for other, *priority in tags:
            rank = int(priority[0]) if priority else _PRIORITY
            if rank < declared.get(other.lower(), (rank + 1,))[0]:
                declared[other.lower()] = rank, language
    return regional | by_name, {tag: language for tag, (_, language) in declared.items()}
