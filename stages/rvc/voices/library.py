"""The RVC voices in folders, found by name alone: no voice is opened, and no torch needed.

    VOICES/anna.pth                     the voice `anna`
    VOICES/anna.index                   its index; or VOICES/added_..._anna_....index
    VOICES/anna.toml                    its settings (stages/rvc/voices/settings.py)

    VOICES/bert/whatever.pth            the voice `bert`, in a folder as archives on the web unpack
    VOICES/bert/added_....index         its index: there may also be only this one in the folder
    VOICES/bert/voice.toml              its settings; also whatever.toml
    VOICES/bert/any/where/...           the same, for archives with folders in them
    VOICES/bert.zip                     the same, packed (stages/rvc/voices/unpacking.py); also with
                                        bert.toml and bert.index beside it

    VOICES/uploaded/...                 the same as VOICES; what clients have uploaded is there

    WEBUI/assets/weights/carl.pth       RVC-WebUI's folders, `weights` in older ones
    WEBUI/logs/carl/added_....index

A voice may also be called `anna.safetensors`. What training leaves has names of its own:
`G_2333333.pth` is a checkpoint, which is a voice where nothing else is, and `D_2333333.pth` none. A
folder with several voices in it names them by their files. Names are compared in Unicode's form
NFC: what was packed on macOS has them in NFD, which looks the same. `trained_....index` is what
training leaves beside the index, and empty. Of several indexes that fit, one named just as the
voice file counts, else the newest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from stages.errors import UnusableModel
from stages.file_stamps import FileStamp, file_stamp
from stages.folders import entries_of
from stages.rvc import UPLOADED
from stages.rvc.voices.file_names import (
    called,
    indexes_among,
    is_named,
    is_zip,
    name_of,
    nfc,
    voices_among,
)
from stages.rvc.voices.header import read_header
from stages.rvc.voices.settings import VoiceSettings, read_settings
from stages.rvc.voices.unpacking import Archives
from stages.toml_text import BadToml
from stages.voices import MAX_NAME_CHARS, can_be_asked_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stages.rvc.network.config import VoiceConfig

Stamp: TypeAlias = "tuple[FileStamp | None, ...]"
"""Each file's; None where it is missing."""

CHECKPOINT = re.compile(r"_e\d+(_s\d+)?$")
"""RVC-WebUI's suffix for a voice saved in mid-training, with epochs and steps."""

ARCHIVES = frozenset({".7z", ".rar"})
TOLD_SUFFIXES = {
    ".onnx": "is an ONNX export, which cannot be streamed: put the .pth there that it was made of"
    " (a Piper voice belongs into models/piper)",
    ".ckpt": "is no RVC voice: those end in .pth",
}
"""What is said of files that people take for voices."""
VOICE_CHANGERS = "params.json"
"""The settings that w-okada's voice changer has beside a voice."""
MAX_DEPTH = 4
"""Folders below one another: an archive has one or two."""
MAX_ENTRIES = 10_000
"""Files in a folder of `VOICES` and the folders in it: a link could lead anywhere."""

MAX_KEPT = 10_000
"""Headers in their cache, some hundred bytes each, and settings in theirs."""


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
    is_uploaded: bool = False
    """A client has uploaded it."""

    @property
    def is_there(self) -> bool:
        """Whether its file still exists."""
        return file_stamp(self.path) is not None

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
    return tuple(map(file_stamp, paths))


def find_voices(
    folders: Sequence[Path], webui: Path | None, archives: Archives | None = None
) -> Catalogue:
    """The voices in these folders, and in RVC-WebUI's. Of two of the same name the first counts,
    and what was uploaded last; a voice whose settings are wrong is left out. Both are problems, not
    errors. `archives` knows what has been unpacked, for as long as the voices are used."""
    search = _Search(archives or Archives())
    for folder in folders:
        search.voices_folder(folder)
    if webui is not None:
        search.webui(webui)
    search.is_among_uploads = True
    for folder in folders:
        if (folder / UPLOADED).is_dir():
            search.voices_folder(folder / UPLOADED)
    return Catalogue(dict(sorted(search.voices.items())), tuple(dict.fromkeys(search.problems)))


def describe(path: Path) -> VoiceConfig:
    """The config of a voice; 11 ms where its file is new or has changed. Raises `UnusableModel`.
    Any thread may call this."""
    found = _header_or_refusal(path, stamp_of([path]))
    if isinstance(found, str):
        raise UnusableModel(found)
    return found


@lru_cache(MAX_KEPT)
def _header_or_refusal(path: Path, _stamp: Stamp) -> VoiceConfig | str:
    try:
        return read_header(path)
    except UnusableModel as error:
        return str(error)


@lru_cache(MAX_KEPT)
def _settings_or_refusal(path: Path, _stamp: FileStamp | None) -> VoiceSettings | str:
    try:
        return read_settings(path)
    except BadToml as error:
        return str(error)


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder in one of voices, or what an archive there holds."""

    name: str
    """The name that its one voice would have."""
    entries: list[Path]
    folders: list[_Folder]

    @property
    def all_entries(self) -> list[Path]:
        """Its own and those of the folders in it."""
        return self.entries + [entry for each in self.folders for entry in each.all_entries]


@dataclass
class _Walk:
    """A search through one folder in a folder of voices."""

    root: Path
    """The folder of voices."""
    top: Path
    zips: list[Path]
    """The archives that were met."""
    been_to: set[Path]
    n_entries: int = 0


@dataclass
class _Search:
    archives: Archives
    voices: dict[str, VoiceEntry] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    is_among_uploads: bool = False
    """Whether what is taken in now was uploaded."""

    def voices_folder(self, folder: Path) -> None:
        """Take in the voices of a folder and of the folders and archives in it."""
        here = [path for path in self._list(folder) if path.name != UPLOADED]
        indexes = indexes_among(here)
        for path in self._voice_files(here):
            name = name_of(path)
            named = [index for index in indexes if is_named(index, name)]
            beside = next(filter(Path.is_dir, called(here, name)), None)
            inside = indexes_among(self._list(beside)) if beside is not None else []
            self._add(name, path, named or inside, called(here, f"{name}.toml"))
        zips: list[Path] = []
        for inner in here:
            tree = self._folder(inner, _Walk(folder, inner, zips, {folder.resolve()}))
            if tree is None:
                continue
            named = [index for index in indexes if is_zip(inner) and is_named(index, tree.name)]
            tomls = called(here, f"{tree.name}.toml") if is_zip(inner) else []
            self._take(tree, named, tomls)
        self.archives.sweep(folder, zips)

    def _take(self, folder: _Folder, indexes: Sequence[Path], tomls: Sequence[Path]) -> None:
        """Take in a folder in a folder of voices. Where there is one voice in it, however deep, it
        has the folder's name and all that lies around it, and what lies beside an archive."""
        inside = folder.all_entries
        files = voices_among(inside)[0]
        if len(files) == 1:
            self._voice_files(inside)
            own = called(inside, "voice.toml") + called(inside, f"{name_of(files[0])}.toml")
            self._add(folder.name, files[0], indexes or indexes_among(inside), [*tomls, *own])
            return
        for path in self._voice_files(folder.entries):
            name = name_of(path)
            beside = [index for index in indexes_among(inside) if is_named(index, name)]
            self._add(name, path, beside, called(folder.entries, f"{name}.toml"))
        for inner in folder.folders:
            self._take(inner, [], [])

    def webui(self, root: Path) -> None:
        """Take in the voices of RVC-WebUI."""
        weights = [root / "assets" / "weights", root / "weights"]
        if not any(folder.is_dir() for folder in weights):
            self.problems.append(f"{root} is not RVC-WebUI's folder: it has no assets/weights")
        all_logs = self._list(root / "logs")
        for folder in weights:
            here = self._list(folder)
            for packed in filter(is_zip, here):
                self._tell_packed(packed)
            for path in self._voice_files(here):
                name = name_of(path)
                logs = called(all_logs, name) + called(all_logs, CHECKPOINT.sub("", name))
                found = (indexes_among(self._list(log)) for log in logs if log.is_dir())
                indexes: list[Path] = next(filter(None, found), [])
                self._add(name, path, indexes, called(here, f"{name}.toml"))

    def _list(self, folder: Path) -> list[Path]:
        """The entries of a folder, in order; nothing where there is no folder."""
        shown = entries_of(folder, self.problems)
        self.problems += [
            f"{path} is a link to nothing"
            for path in shown
            if path.is_symlink() and not path.exists()
        ]
        for path in shown:
            if path.suffix.lower() in ARCHIVES and path.is_file():
                self._tell_packed(path)
            elif path.is_file() and (told := TOLD_SUFFIXES.get(path.suffix.lower())):
                self.problems.append(f"{path} {told}")
            elif path.name == VOICE_CHANGERS:
                self.problems.append(f"{path} is not read: write its settings to a voice.toml")
        return shown

    def _tell_packed(self, path: Path) -> None:
        self.problems.append(f"{path} is an archive: unpack it into {path.with_suffix('')}")

    def _folder(self, path: Path, walk: _Walk, depth: int = 0) -> _Folder | None:
        """A folder, or an archive, with the folders in it; None: it is neither, or cannot be
        searched. A link that leads back to where the search has been leads nowhere."""
        if is_zip(path):
            walk.zips.append(path)
            try:
                path = self.archives.unpacked(walk.root, path)
            except UnusableModel as error:
                self.problems.append(str(error))
                return None
        if not path.is_dir() or (real := path.resolve()) in walk.been_to:
            return None
        if walk.n_entries > MAX_ENTRIES:
            self.problems.append(f"{walk.top} has over {MAX_ENTRIES} files: not all were searched")
            return None
        if depth > MAX_DEPTH:
            self.problems.append(f"{path} was not searched: it lies too deep")
            return None
        walk.been_to.add(real)
        entries = self._list(path)
        walk.n_entries += len(entries)
        folders = [self._folder(entry, walk, depth + 1) for entry in entries]
        return _Folder(nfc(path.name), entries, [each for each in folders if each is not None])

    def _voice_files(self, paths: Iterable[Path]) -> list[Path]:
        """The voice files among some, without those that are told to be none."""
        voices, left_out = voices_among(paths)
        self.problems += left_out
        return voices

    def _add(self, name: str, path: Path, indexes: Sequence[Path], tomls: Sequence[Path]) -> None:
        if not can_be_asked_for(name):
            self.problems.append(f"{path}: a voice's name has {MAX_NAME_CHARS} letters at most")
            return
        if other := self.voices.get(name):
            self.problems.append(f"{path} has the same name as {other.path}, which is used")
            return
        toml = next((each for each in tomls if each.is_file()), None)
        settings = _settings_or_refusal(toml, file_stamp(toml)) if toml else VoiceSettings()
        if isinstance(settings, str):
            self.problems.append(f"{toml} {settings}; the voice {name} is left out")
            return
        index = max(
            indexes,
            key=lambda each: (name_of(each) == name_of(path), file_stamp(each) or (0,), each),
            default=None,
        )
        self.voices[name] = VoiceEntry(
            name, path, index, toml, settings, is_uploaded=self.is_among_uploads
        )
