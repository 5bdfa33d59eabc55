"""espeak-ng's voice data, and our edition of it, which is deterministic.

espeak-ng is deterministic but for a few counters that live in functions of its wave
generator, and that nothing resets (`docs/adr/0004-espeak-in-process.md`). Only two
attributes of a voice make them audible, so the library is given a folder of its own: links to
everything in its data, with those voice files written anew that are used here.
"""

from __future__ import annotations

import difflib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import espeakng_loader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stages.voices import Gender

DATA_FOLDER = "espeak-ng-data"
"""The name that ``espeak_Initialize`` looks for under its ``path``."""

STEADY = b"\nflutter 0\nroughness 8\n"
"""Flutter wobbles the pitch by a table whose position is one of those counters. Roughness 0
to 7 weakens every second to fourth cycle, counted by another; 8 and more does nothing
(``wavegen.c``, 1.52.0: ``if (voice->roughness < N_ROUGHNESS)``). The last line of a file wins."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One of espeak's variants of a voice: the same words from another throat."""

    name: str
    gender: Gender
    description: str


VARIANTS = (
    *(Variant(f"f{n}", "female", f"female voice {n}") for n in range(1, 6)),
    *(Variant(f"m{n}", "male", f"male voice {n}") for n in range(1, 9)),
    Variant("whisper", "male", "male whisper"),
    Variant("whisperf", "female", "female whisper"),
)
"""espeak's own sets. Left out: croak, which is nothing but flutter; the klatt voices, whose
synthesizer keeps more state from one call to the next; and those named after people and
robots, which are donated and say nothing about themselves."""


WITH_OFFSET = frozenset({"whisper", "whisperf"})
"""The variants whose sound is not centred: it is off by 0.002 to 0.02 of full scale, in eight
languages. The others are off by 0.0035 at most (f5)."""


def find_languages(names: Iterable[str]) -> dict[str, Path]:
    """The voice file of each language; an unknown one is a `ValueError` with suggestions."""
    known = _language_files()
    found: dict[str, Path] = {}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=4)
            those = (
                f"like it are {', '.join(near)}" if near else f"it has {', '.join(sorted(known))}"
            )
            raise ValueError(f"espeak-ng has no language {name!r}; {those}")
        found[name] = known[name]
    return found


def build_data_folder(folder: Path, languages: dict[str, Path]) -> None:
    """Lay out our edition of the data under ``folder``."""
    source = Path(espeakng_loader.get_data_path())
    data = folder / DATA_FOLDER
    variants = data / "voices" / "!v"
    variants.mkdir(parents=True)
    for entry in source.iterdir():
        if entry.name not in {"lang", "voices"}:
            _link(entry, data / entry.name)
    for variant in VARIANTS:
        original = source / "voices" / "!v" / variant.name
        (variants / variant.name).write_bytes(original.read_bytes() + STEADY)
    # Directly under lang/, and named as they are asked for: found at once, where the
    # library would first read all of its 230 voice files (2 ms, and 2 kB that it never frees).
    (data / "lang").mkdir()
    for name, original in languages.items():
        (data / "lang" / name).write_bytes(original.read_bytes() + STEADY)


def _language_files() -> dict[str, Path]:
    """Every language's file, by its own name and by the language it says it speaks."""
    files: dict[str, Path] = {}
    spoken: dict[str, Path] = {}
    for path in sorted(Path(espeakng_loader.get_data_path(), "lang").rglob("*")):
        if path.is_file():
            files[path.name.lower()] = path
            for line in path.read_text("utf-8", "replace").splitlines():
                match line.split():
                    case ["language", language, *_]:
                        spoken.setdefault(language.lower(), path)
                        break
    return spoken | files


def _link(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source)
    except OSError:  # Windows grants links to some only
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
