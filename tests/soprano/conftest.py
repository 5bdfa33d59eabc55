"""Random models, written once for all tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from tests.random_soprano import FULL, TINY, build

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers, float32; the decoder has its one size."""
    return build(tmp_path_factory.mktemp("tiny") / "soprano", TINY)


@pytest.fixture(scope="session")
def full_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The size of Soprano-1.1-80M, in float32 so that nothing is lost to rounding."""
    return build(tmp_path_factory.mktemp("full") / "soprano", FULL, dtype=torch.float32)
