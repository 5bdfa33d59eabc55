"""Files to upload, and who takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.net.upload_rules import UploadRules
from tests.random_rvc import TINY, build_index, build_voice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


from tests.net.upload_server import UploadServer


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    build_voice(folder / "anna.pth", size=TINY)
    build_index(folder / "anna.index", n_vectors=200)
    build_index(folder / "v1.index", width=256, n_vectors=200)
    return folder


@pytest.fixture
def anna(files: Path) -> bytes:
    return (files / "anna.pth").read_bytes()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[UploadServer]:
    made = UploadServer(tmp_path / "voices", UploadRules(is_private=True))
    yield made
    made.uploads.close()
