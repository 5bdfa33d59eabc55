"""What the benches of RVC share: random models as files, how each is asked, and how it is shown."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests import random_rvc, random_rvc_features, random_soprano

if TYPE_CHECKING:
    from pathlib import Path

IN_RATE = 32_000
"""Soprano's."""

COLUMNS = {
    "case": "case",
    "listeners": "listeners",
    "block_ms": "block ms",
    "ms": "ms",
    "floor_ms": "floor ms",
    "first_ms": "first ms",
    "s_per_s": "s a second",
    "factor": "factor",
    "gap_ms": "gap ms",
}


@dataclass(frozen=True, slots=True)
class Files:
    """Random models, as files."""

    voice: Path
    index: Path
    hubert: Path
    soprano: Path

    @classmethod
    def build(cls, folder: Path, *, tiny: bool) -> Files:
        """Write them all."""
        sizes: Any = random_rvc.TINY if tiny else random_rvc.FULL
        hubert: Any = random_rvc_features.TINY if tiny else random_rvc_features.FULL
        soprano = random_soprano.TINY if tiny else random_soprano.FULL
        (folder / "voices").mkdir()
        return cls(
            voice=random_rvc.build_voice(folder / "voices" / "anna.pth", size=sizes),
            index=random_rvc.build_index(folder / "voices" / "anna.index", n_vectors=20_000),
            hubert=random_rvc_features.build_hubert(folder / "hubert_base.pt", size=hubert),
            soprano=random_soprano.build(folder / "soprano", soprano),
        )


def options(docstring: str | None) -> argparse.ArgumentParser:
    """What can be asked of all of them."""
    parser = argparse.ArgumentParser(
        description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--tiny", action="store_true", help="tiny models: to try the script")
    return parser
