"""The RVC voices in folders, found by name alone: no voice is opened, and no torch needed.

    VOICES/anna.pth                     the voice `anna`
    VOICES/anna.index                   its index; or VOICES/added_..._anna_....index
    VOICES/anna.toml                    its settings (stages/rvc/voices/settings.py)

    VOICES/bert/whatever.pth            the voice `bert`, in a folder as archives on the web unpack
    VOICES/bert/added_....index         its index: there may also be only this one in the folder
    VOICES/bert/voice.toml              its settings; also whatever.toml
    VOICES/bert/any/where/...           the same, for archives with folders in them

    WEBUI/assets/weights/carl.pth       RVC-WebUI's folders, `weights` in older ones
    WEBUI/logs/carl/added_....index

A folder with several voices in it names them by their files. Names are compared in Unicode's form
NFC: what was packed on macOS has them in NFD, which looks the same. `trained_....index` is what
training leaves beside the index, and empty. Of several indexes that fit, one named just as the
voice file counts, else the newest.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from stages.errors import UnusableModel
from stages.rvc.voices.header import read_header
from stages.rvc.voices.settings import BadSettings, VoiceSettings, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stages.rvc.network.config import VoiceConfig

Stamp: TypeAlias = "tuple[tuple[int, int] | None, ...]"
"""The time of each file's last change, in nanoseconds, and its size; None where it is missing."""

CHECKPOINT = re.compile(r"_e\d+(_s\d+)?$")
"""RVC-WebUI's suffix for a voice saved in mid-training, with epochs and steps."""

ARCHIVES = frozenset({".zip", ".7z", ".rar"})
MAX_DEPTH = 4
"""Folders below one another: an archive has one or two."""
MAX_ENTRIES = 10_000
"""Files in a folder of `VOICES` and the folders in it: a link could lead anywhere."""

MAX_HEADERS = 10_000
"""Headers in the cache, some hundred bytes each."""

ADDED = re.compile(r"added_(IVF\d+_Flat_nprobe_\d+_)?(?P<name>.*?)(_v[12])?")
"""The name that RVC's training gives an index."""


@dataclass(frozen=True, slots=True)
class VoiceEntry:
    """A voice in a folder."""

    name: str
    """The name that a client asks for."""
    path: Path
    """The voice file, not opened yet."""
    index: Path | None
    toml: Path | None
    settings: VoiceSettings

    @property
    def stamp(self) -> Stamp:
        """The stamp of all its files as they are now."""
        return stamp_of([path for path in (self.path, self.index, self.toml) if path])


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The voices that were found, and problems."""

    voices: Mapping[str, VoiceEntry]
    """The voices by name, in order."""
    problems: tuple[str, ...]
    """A line for each file that was left out, with the reason."""


def stamp_of(paths: Iterable[Path]) -> Stamp:
    """The stamp of these files as they are now."""
    return tuple(map(_stamp, paths))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def find_voices(folders: Sequence[Path], webui: Path | None) -> Catalogue:
    """The voices in these folders, and in RVC-WebUI's. Of two of the same name the first counts;
    a voice whose settings are wrong is left out. Both are problems, not errors."""
    search = _Search()
    for folder in folders:
        search.voices_folder(folder)
    if webui is not None:
        search.webui(webui)
    return Catalogue(dict(sorted(search.voices.items())), tuple(dict.fromkeys(search.problems)))


def describe(path: Path) -> VoiceConfig:
    """The config of a voice; 11 ms where its file is new or has changed. Raises `UnusableModel`.
    Any thread may call this."""
    found = _header_or_refusal(path, stamp_of([path]))
    if isinstance(found, str):
        raise UnusableModel(found)
    return found


@lru_cache(MAX_HEADERS)
def _header_or_refusal(path: Path, _stamp: Stamp) -> VoiceConfig | str:
    try:
        return read_header(path)
    except UnusableModel as error:
        return str(error)


@dataclass
class _Search:
    voices: dict[str, VoiceEntry] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def voices_folder(self, folder: Path) -> None:
        """Take in the voices of a folder and of the folders in it."""
        here = self._list(folder)
        indexes = _indexes(here)
        for path in _voice_files(here):
            name = _name(path)
            named = [index for index in indexes if _is_named(index, name)]
            beside = next(filter(Path.is_dir, _named(here, name)), None)
            inside = _indexes(self._list(beside)) if beside is not None else []
            self._add(name, path, named or inside, _named(here, f"{name}.toml"))
        for inner in here:
            if inner.is_dir():
                tree = self._tree(inner, {folder.resolve()})
                if inner in tree:
                    self._take(inner, tree)

    def _take(self, folder: Path, tree: Mapping[Path, list[Path]]) -> None:
        """Take in a folder in a folder of voices. Where there is one voice in it, however deep, it
        has the folder's name and all that lies around it."""
        inside = [entry for each in tree if each.is_relative_to(folder) for entry in tree[each]]
        files, indexes = _voice_files(inside), _indexes(inside)
        if len(files) == 1:
            tomls = _named(inside, "voice.toml") + _named(inside, f"{_name(files[0])}.toml")
            self._add(_nfc(folder.name), files[0], indexes, tomls)
            return
        for path in _voice_files(tree[folder]):
            name = _name(path)
            named = [index for index in indexes if _is_named(index, name)]
            self._add(name, path, named, _named(tree[folder], f"{name}.toml"))
        for inner in tree[folder]:
            if inner in tree:
                self._take(inner, tree)

    def webui(self, root: Path) -> None:
        """Take in the voices of RVC-WebUI."""
        weights = [root / "assets" / "weights", root / "weights"]
        if not any(folder.is_dir() for folder in weights):
            self.problems.append(f"{root} is not RVC-WebUI's folder: it has no assets/weights")
        all_logs = self._list(root / "logs")
        for folder in weights:
            here = self._list(folder)
            for path in _voice_files(here):
                name = _name(path)
                logs = _named(all_logs, name) + _named(all_logs, CHECKPOINT.sub("", name))
                found = (_indexes(self._list(log)) for log in logs if log.is_dir())
                indexes: list[Path] = next(filter(None, found), [])
                self._add(name, path, indexes, _named(here, f"{name}.toml"))

    def _list(self, folder: Path) -> list[Path]:
        """The entries of a folder, in order; nothing where there is no folder."""
        try:
            paths = sorted(folder.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            self.problems.append(f"{folder} cannot be read: {error.strerror}")
            return []
        # Hidden files, and what macOS packs into archives beside each file.
        shown = [path for path in paths if not path.name.startswith((".", "__MACOSX"))]
        self.problems += [
            f"{path} is a link to nothing"
            for path in shown
            if path.is_symlink() and not path.exists()
        ]
        self.problems += [
            f"{path} is an archive: unpack it into {path.with_suffix('')}"
            for path in shown
            if path.suffix.lower() in ARCHIVES and path.is_file()
        ]
        return shown

    def _tree(self, folder: Path, been_to: set[Path]) -> dict[Path, list[Path]]:
        """The entries of a folder and of the folders in it, by folder. A link that leads back to
        where the search has been leads nowhere."""
        tree: dict[Path, list[Path]] = {}
        folders = [folder]
        while folders and sum(map(len, tree.values())) <= MAX_ENTRIES:
            each = folders.pop(0)
            if (real := each.resolve()) in been_to:
                continue
            if len(each.relative_to(folder).parts) > MAX_DEPTH:
                self.problems.append(f"{each} was not searched: it lies too deep")
                continue
            been_to.add(real)
            tree[each] = self._list(each)
            folders += [entry for entry in tree[each] if entry.is_dir()]
        if folders:
            self.problems.append(f"{folder} has over {MAX_ENTRIES} files: not all were searched")
        return tree

    def _add(self, name: str, path: Path, indexes: Sequence[Path], tomls: Sequence[Path]) -> None:
        if other := self.voices.get(name):
            self.problems.append(f"{path} has the same name as {other.path}, which is used")
            return
        toml = next((each for each in tomls if each.is_file()), None)
        try:
            settings = read_settings(toml) if toml else VoiceSettings()
        except BadSettings as error:
            self.problems.append(f"{toml} {error}; the voice {name} is left out")
            return
        index = max(
            indexes,
            key=lambda each: (_name(each) == _name(path), _stamp(each) or (0, 0), each),
            default=None,
        )
        self.voices[name] = VoiceEntry(name, path, index, toml, settings)


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _name(path: Path) -> str:
    """The name of a file without its suffix, as names are compared."""
    return _nfc(path.stem)


def _named(paths: Iterable[Path], name: str) -> list[Path]:
    """Those of this name, suffix and all."""
    return [path for path in paths if _nfc(path.name) == name]


def _voice_files(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.suffix.lower() == ".pth" and path.is_file()]


def _indexes(paths: Iterable[Path]) -> list[Path]:
    return [
        path
        for path in paths
        if path.suffix.lower() == ".index"
        and not path.name.startswith("trained")
        and path.is_file()
    ]


def _is_named(index: Path, voice: str) -> bool:
    """Whether an index is named after a voice: `anna.index`, or `added_IVF9_Flat_anna_v2.index`,
    but not `added_IVF9_Flat_annabel_v2.index`."""
    name = _name(index)
    words = ADDED.fullmatch(name)
    whole = rf"(?<![^\W_]){re.escape(voice)}(?![^\W_])"
    return name == voice or bool(words and re.search(whole, words["name"]))
