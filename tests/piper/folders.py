"""Folders of Piper voices, laid out without any network: finding opens none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CARD = "# Model card for alba\n* License: CC BY 4.0\n"
MODEL = b"\x08\x07"


def config(code: str = "en_GB", speakers: Sequence[str] = ()) -> str:
    """The config of a voice."""
    return json.dumps(
        {
            "phoneme_id_map": {"a": [1]},
            "language": {"code": code},
            "num_speakers": max(1, len(speakers)),
            "speaker_id_map": {name: number for number, name in enumerate(speakers)},
        }
    )


def put(
    path: Path, *, model: bytes = MODEL, config: str | None = config(), card: str | None = CARD
) -> Path:
    """The files of a voice."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model)
    if config is not None:
        path.with_name(f"{path.name}.json").write_text(config)
    if card is not None:
        (path.parent / "MODEL_CARD").write_text(card)
    return path


def put_voice(models: Path, name: str, *, card: str | None = CARD, **of: Sequence[str]) -> Path:
    """A voice in a folder of its own, its language as its name says."""
    path = models / "piper" / name / f"{name}.onnx"
    return put(path, config=config(name.partition("-")[0], **of), card=card)
