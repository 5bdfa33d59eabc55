"""A stranger's machine: this project in a folder of its own, a hub, and a server."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.models.piper_voices import REPO, piper_source
from pipeline.models.store import RVC_REPO, SOURCES
from stages import rvc
from tests.local_hub import LocalHub
from tests.random_rvc import TINY, build_index, build_voice
from tests.random_rvc_features import TINY as TINY_HUBERT
from tests.random_rvc_features import TINY_RMVPE, build_hubert, build_rmvpe
from tests.server_process import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server_process import ServerProcess

TAKEN = (
    "Makefile", "bench", "deploy", "docs", "examples", "fuzz", "pipeline", "pyproject.toml",
    "requirements", "server.py", "stages", "tests",
)  # fmt: skip
"""What commands need. Nothing else: whoever runs the tests may have keys, models or sound of his
own in the project's folder, and a command that writes a file would write to that."""


@pytest.fixture
def server(plain_server: ServerProcess) -> ServerProcess:
    """What the pages find on port 8765."""
    return plain_server


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    """It has all that `fetch` knows: RVC's models are tiny, Soprano's and Piper's are not read."""
    made = tmp_path_factory.mktemp("hub")
    build_hubert(made / rvc.HUBERT_FILE, TINY_HUBERT)
    build_rmvpe(made / rvc.RMVPE_FILE, TINY_RMVPE)
    soprano = SOURCES["soprano"]
    with LocalHub() as hub:
        hub.publish(RVC_REPO, {path.name: path.read_bytes() for path in made.iterdir()})
        hub.publish(soprano.repo, {name: name.encode() for name in soprano.files})
        voices = filter(None, map(piper_source, ("en_GB-alba-medium", "de_DE-thorsten-medium")))
        hub.publish(REPO, {f"{each.at}{name}": b"{}" for each in voices for name in each.files})
        yield hub


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With what the pages take to have been downloaded, or trained."""
    home = tmp_path_factory.mktemp("home")
    voice = build_voice(home / "Downloads" / "anna.pth", size=TINY)
    build_index(home / "Downloads" / "anna.index", n_vectors=400)
    with zipfile.ZipFile(home / "Downloads" / "bert.zip", "w") as archive:
        archive.write(voice, "bert_e200.pth")
    weights = home / "Retrieval-based-Voice-Conversion-WebUI" / "assets" / "weights"
    weights.mkdir(parents=True)
    shutil.copy(voice, weights / "carl.pth")
    return home


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The project as somebody has it who has just got it, with a certificate beside it."""
    folder = tmp_path / "voice-server"
    folder.mkdir()
    for name in TAKEN:
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(Path(sys.prefix))
    for name, source in (("cert.pem", "certificate.pem"), ("key.pem", "key.pem")):
        shutil.copy(ROOT / "tests" / "tls" / source, folder / name)
    return folder


@pytest.fixture
def environment(home: Path, hub: LocalHub) -> dict[str, str]:
    """espeak-ng speaks, and the port is any that is free."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("VOICE_", "HF_")) and not name.lower().endswith("_proxy")
    }
    return clean | {
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": hub.url,
        "VOICE_ENGINE": "espeak-ng",
        "VOICE_PORT": "0",
    }
