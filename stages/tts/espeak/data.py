"""espeak-ng's voice data, and our edition of it, which is deterministic.

espeak-ng is deterministic but for a few counters that live in functions of its wave
generator, and that nothing resets (`docs/adr/0004-espeak-in-process.md`). Only two
attributes of a voice make them audible, so the library is given a folder of its own: links to
everything in its data, with those voice files written anew that are used here.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import espeakng_loader

if TYPE_CHECKING:
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


class DataFolder:
    """Our edition of the data, under a folder. A language is added when it is first spoken."""

    def __init__(self, folder: Path) -> None:
        """Lay it out, without any language."""
        self.folder = folder
        source = Path(espeakng_loader.get_data_path())
        data = folder / DATA_FOLDER
        self._languages = data / "lang"
        self._added: set[str] = set()
        variants = data / "voices" / "!v"
        variants.mkdir(parents=True)
        self._languages.mkdir()
        for entry in source.iterdir():
            if entry.name not in {"lang", "voices"}:
                _link(entry, data / entry.name)
        for variant in VARIANTS:
            original = source / "voices" / "!v" / variant.name
            (variants / variant.name).write_bytes(original.read_bytes() + STEADY)

    def add(self, name: str, original: Path) -> None:
        """Have a language, spoken by this voice file, if it is not there yet (0.1 ms).

        Directly under lang/, and named as it is asked for: found at once, where the library would
        first read all of its 230 voice files (2 ms, and 2 kB that it never frees)."""
        if name not in self._added:
            (self._languages / name).write_bytes(original.read_bytes() + STEADY)
            self._added.add(name)


def _link(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source)
    except OSError:  # Windows grants links to some only
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
