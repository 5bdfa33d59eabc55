"""What clients are told of files that cannot be used names them and not where they lie; the log of
whoever runs the server has the whole path."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import torch

from pipeline.cli.missing import missing_for_rvc
from pipeline.net.upload_rules import UploadRules
from stages.errors import ServerError
from stages.items import Style
from stages.rvc.pitch.choosing import PitchEstimators
from stages.rvc.voices.cache import VoiceCache
from stages.rvc.voices.library import VoiceEntry
from stages.rvc.voices.settings import VoiceSettings
from tests.hostile_rvc import (
    archive_of,
    cut,
    edit_voice,
    nested_tuples,
    plant_bomb,
    replace_pickle,
)
from tests.net.upload_server import UploadServer
from tests.random_rvc import TINY, build_index, build_voice
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CPU = torch.device("cpu")

PLACE = re.compile(r"(?<![\w/])/\w")
"""The beginning of a path from the root on."""


def into_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


HARM: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: cut(path, 0.5),
    "a piece": lambda path: cut(path, 0.01),
    "empty": lambda path: path.write_bytes(b""),
    "noise": lambda path: path.write_bytes(b"noise" * 100),
    "gone": lambda path: path.unlink(),
    "a folder": into_a_folder,
    "a bomb": lambda path: plant_bomb(path, path.with_name("mark")),
    "nested": lambda path: replace_pickle(path, nested_tuples(50_000)),
    "another pickle": lambda path: replace_pickle(path, b"\x80\x02K\x01."),
    "no pickle": lambda path: path.write_bytes(archive_of({"x/y": b""})),
    "no config": lambda path: edit_voice(path, lambda saved: saved.update(config="none")),
    "bad rate": lambda path: edit_voice(path, lambda saved: saved.update(version="v3")),
    "no weight": lambda path: edit_voice(path, lambda saved: saved["weight"].popitem()),
    "not finite": lambda path: edit_voice(
        path, lambda saved: next(iter(saved["weight"].values())).fill_(torch.nan)
    ),
    "safetensors": lambda path: path.write_bytes(b"\x08\0\0\0\0\0\0\0{{{{{{{{"),
}
INDEX_HARM = {name: HARM[name] for name in ("cut", "a piece", "empty", "noise", "a folder")}


@pytest.fixture
def entry(tmp_path: Path) -> VoiceEntry:
    folder = tmp_path / "whose voices"
    folder.mkdir()
    build_voice(folder / "anna.pth", size=TINY)
    build_index(folder / "anna.index", n_vectors=50)
    settings = VoiceSettings(pitch_method="pm")
    return VoiceEntry("anna", folder / "anna.pth", folder / "anna.index", None, settings)


def told_of(entry: VoiceEntry) -> str:
    estimators = PitchEstimators(
        entry.path.parents[1] / "models" / "rmvpe" / "rmvpe.pt", CPU, torch.float32
    )
    cache = VoiceCache(
        max_bytes=2**30,
        device=CPU,
        dtype=torch.float32,
        estimators=estimators,
        prepare=lambda voice: voice,
        warm_up=lambda _: None,
    )
    try:
        error = cache.load("a listener", entry, Style("anna")).exception(PATIENCE_S)
    finally:
        cache.close()
    assert isinstance(error, ServerError)
    return str(error)


def check(told: str, folder: Path, log: str) -> None:
    assert not PLACE.search(told), told
    assert str(folder) not in told
    assert "whose voices" not in told
    assert str(folder) in log


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_a_voice_that_cannot_be_read(
    entry: VoiceEntry, harm: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    harm(entry.path)
    told = told_of(entry)
    assert "anna.pth" in told
    check(told, entry.path.parent, caplog.text)


@pytest.mark.parametrize("harm", INDEX_HARM.values(), ids=INDEX_HARM)
def test_an_index_that_cannot_be_read(
    entry: VoiceEntry, harm: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    assert entry.index is not None
    harm(entry.index)
    told = told_of(entry)
    assert "anna.index" in told
    check(told, entry.path.parent, caplog.text)


def test_a_pitch_estimator_that_is_missing(
    entry: VoiceEntry, caplog: pytest.LogCaptureFixture
) -> None:
    """The command that gets it names the folder for models, and is no client's business."""
    settings = VoiceSettings(pitch_method="rmvpe")
    told = told_of(VoiceEntry("anna", entry.path, None, None, settings))
    assert told == "rmvpe needs rmvpe.pt"
    check(told, entry.path.parents[1] / "models", caplog.text)


def test_what_rvc_lacks(tmp_path: Path) -> None:
    lack = missing_for_rvc(tmp_path / "hubert" / "hubert_base.pt")
    assert lack is not None
    assert str(tmp_path) in str(lack)
    assert lack.for_clients == "RVC lacks hubert_base.pt"


@pytest.fixture
def uploads(tmp_path: Path) -> Iterator[UploadServer]:
    made = UploadServer(tmp_path / "whose voices", UploadRules(is_private=True))
    yield made
    made.uploads.close()


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
async def test_an_upload_that_cannot_be_used(
    entry: VoiceEntry, uploads: UploadServer, harm: Callable[[Path], object]
) -> None:
    harm(entry.path)
    if not entry.path.is_file():
        return
    answer = await uploads.ask("PUT", "bert", entry.path.read_bytes())
    assert answer.status_code == 422
    told = answer.json()["error"]
    assert not PLACE.search(told), told
    assert "whose voices" not in told


async def test_an_index_for_a_voice_that_was_damaged(
    entry: VoiceEntry, uploads: UploadServer
) -> None:
    assert entry.index is not None
    assert (await uploads.ask("PUT", "bert", entry.path.read_bytes())).status_code == 201
    (kept,) = (uploads.folder / "uploaded" / "bert").glob("*.pth")
    cut(kept, 0.5)
    answer = await uploads.ask("PUT", "bert/index", entry.index.read_bytes())
    assert answer.status_code == 422
    assert not PLACE.search(answer.json()["error"])
