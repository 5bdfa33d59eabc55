"""Random voices, written once for all tests."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.random_rvc import TINY, build_voice

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def tiny_voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """v2, 48 kHz, with pitch."""
    return build_voice(tmp_path_factory.mktemp("tiny") / "tiny.pth", size=TINY)


@pytest.fixture
def voice(tiny_voice: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    path = tmp_path / "anna.pth"
    shutil.copy(tiny_voice, path)
    return path
