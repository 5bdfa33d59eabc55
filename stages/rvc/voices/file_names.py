"""What the names of files say: which are voices, and which indexes are theirs. None is opened."""

from __future__ import annotations

import itertools
import re
import unicodedata
from typing import TYPE_CHECKING

from stages.rvc.voices.unpacking import VOICE_SUFFIXES, ZIP

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ADDED = re.compile(r"added_(IVF\d+_Flat_nprobe_\d+_)?(?P<name>.*?)(_v[12])?")
"""The name that RVC's training gives an index."""

TRAINED = re.compile(r"(?P<kind>[GD])_(?P<steps>\d+)")
"""The names of a training's checkpoints: of the network, and of its discriminator."""


def nfc(name: str) -> str:
    """A name as names are compared."""
    return unicodedata.normalize("NFC", name)


def name_of(path: Path) -> str:
    """The name of a file without its suffix, as names are compared."""
    return nfc(path.stem)


def called(paths: Iterable[Path], name: str) -> list[Path]:
    """Those of this name, suffix and all."""
    return [path for path in paths if nfc(path.name) == name]


def is_zip(path: Path) -> bool:
    """Whether this is an archive that can be unpacked, by its name."""
    return path.suffix.lower() == ZIP and path.is_file()


def voices_among(paths: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """The voice files among some files, and a line for each that is left out: a discriminator; a
    checkpoint where there are small models, or a later one; a voice in its second format."""
    files = [path for path in paths if path.suffix.lower() in VOICE_SUFFIXES and path.is_file()]
    pickled = {
        (path.parent, name_of(path)): path for path in files if path.suffix.lower() == ".pth"
    }
    small: list[Path] = []
    checkpoints: dict[Path, list[tuple[int, Path]]] = {}  # with their steps, by folder
    told = []
    for path in files:
        first = pickled.get((path.parent, name_of(path)), path)
        trained = TRAINED.fullmatch(path.stem)
        if trained is not None and trained["kind"] == "D":
            told.append(f"{path} is a training's discriminator, which is not a voice")
        elif trained is not None:
            checkpoints.setdefault(path.parent, []).append((int(trained["steps"]), path))
        elif first.suffix.lower() != path.suffix.lower():
            told.append(f"{path} is the same voice as {first}, which is used")
        else:
            small.append(path)
    voices = small or [max(each)[1] for each in checkpoints.values()]
    for _, path in itertools.chain.from_iterable(checkpoints.values()):
        if path not in voices:
            used = small[0] if small else max(checkpoints[path.parent])[1]
            told.append(f"{path} is a checkpoint of a training, left out for {used}")
    return voices, told


def indexes_among(paths: Iterable[Path]) -> list[Path]:
    """The indexes among some files, without those that training leaves empty."""
    return [
        path
        for path in paths
        if path.suffix.lower() == ".index"
        and not path.name.startswith("trained")
        and path.is_file()
    ]


def is_named(index: Path, voice: str) -> bool:
    """Whether an index is named after a voice: `anna.index`, or `added_IVF9_Flat_anna_v2.index`,
    but not `added_IVF9_Flat_annabel_v2.index`."""
    name = name_of(index)
    words = ADDED.fullmatch(name)
    whole = rf"(?<![^\W_]){re.escape(voice)}(?![^\W_])"
    return name == voice or bool(words and re.search(whole, words["name"]))
