"""A model, a hub that has it, and a folder without either."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from tests.local_hub import LocalHub
from tests.models.program import SOPRANO, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the options that whoever runs the tests has in his folder and environment."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("VOICE_", "HF_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


@pytest.fixture
def files() -> dict[str, bytes]:
    """Of a model. The weights are some pieces of the network long."""
    made = {name: random.randbytes(100) for name in SOPRANO.files + SOPRANO.optional}
    return made | {WEIGHTS: random.randbytes(1_000_000)}


@pytest.fixture
def hub(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with LocalHub() as hub:
        hub.publish(SOPRANO.repo, files)
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub
