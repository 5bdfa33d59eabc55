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

from stages.tts.espeak.libespeak import DATA_FOLDER
from stages.tts.espeak.steady import write_steady

if TYPE_CHECKING:
    from stages.voices import Gender


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


def lay_out(folder: Path) -> None:
    """Lay out our edition of the data under a folder, without any language: each is added when it
    is first spoken (`stages/tts/espeak/libespeak.py`)."""
    source = Path(espeakng_loader.get_data_path())
    data = folder / DATA_FOLDER
    variants = data / "voices" / "!v"
    variants.mkdir(parents=True)
    (data / "lang").mkdir()
    for entry in source.iterdir():
        if entry.name not in {"lang", "voices"}:
            _link(entry, data / entry.name)
    for variant in VARIANTS:
        original = source / "voices" / "!v" / variant.name
        write_steady(bytes(original), bytes(variants / variant.name))


def _link(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source)
    except OSError:  # Windows grants links to some only
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
