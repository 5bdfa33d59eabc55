"""Piper's voices on the hub: one repository, with a folder for each of some hundred voices.

Which there are is read off the list of its files, which a fetch asks for anyway; the repository's
own ``voices.json`` says no more than that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pipeline.models.store import ModelSource
from stages.tts.piper.voice_files import CARD, read_terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

REPO = "rhasspy/piper-voices"

MAX_TOLD = 50
"""Names in a sentence: no language has as many."""

_NAME = re.compile(r"\w[\w-]{0,99}")
"""``en_GB-alba-medium``, ``pt_PT-tugão-medium``: nothing that could lead to another folder."""


@dataclass(frozen=True)
class PiperSource(ModelSource):
    """One of these voices."""

    def absence(self, missing: Sequence[str], commit: str, there: Iterable[str]) -> str:
        """The same of a voice that is not there, with those that are like it and those of its
        language."""
        if self.files[0] not in missing:
            return super().absence(missing, commit, there)
        paths = map(PurePosixPath, there)
        voices = sorted(path.stem for path in paths if path.suffix == ".onnx")
        near = get_close_matches(self.name, voices, n=2)
        language = re.split("[_-]", self.name)[0]
        same = [name for name in voices if name.startswith(f"{language}_")]
        languages = sorted({name.partition("_")[0] for name in voices})
        told = f"{self.repo} has no voice {self.name}"
        if near:
            told += f", did you mean {' or '.join(near)}?"
        if same:
            return f"{told}; of {language} there are {', '.join(same[:MAX_TOLD])}"
        return f"{told}; there are voices of {', '.join(languages[:MAX_TOLD])}"

    def terms(self, folder: Path) -> str:
        """What its MODEL_CARD says."""
        return read_terms(folder / CARD).licence


def piper_source(name: str) -> PiperSource | None:
    """The voice of this name, which the hub may not have; None: nothing can have such a name."""
    if not _NAME.fullmatch(name):
        return None
    code, _, rest = name.partition("-")
    who, _, quality = rest.rpartition("-")
    return PiperSource(
        name=name,
        folder=f"piper/{name}",
        repo=REPO,
        files=(f"{name}.onnx", f"{name}.onnx.json"),
        optional=(CARD,),
        at=f"{code.partition('_')[0]}/{code}/{who}/{quality}/",
    )
