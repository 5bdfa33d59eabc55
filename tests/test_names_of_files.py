"""Names of files that nobody can ask for: not UTF-8, or too long. They are told and left out, and
cost nobody else anything."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from pipeline.net.http_api import create_app
from pipeline.voices import Voices, list_voices
from stages.rvc.voices.library import find_voices
from stages.tts.piper.voice_files import find_voice_files
from stages.tts.piper.voices import PiperVoices
from stages.voices import MAX_NAME_CHARS
from tests.fakes import service
from tests.piper.folders import config
from tests.piper.folders import put as put_piper
from tests.random_rvc import TINY, build_voice
from tests.rvc.voice_folders import put

if TYPE_CHECKING:
    from pathlib import Path

NOT_UTF_8 = os.fsdecode(b"an\xffna")
TOO_LONG = "a" * (MAX_NAME_CHARS + 1)
"""The system takes 255 bytes."""


def voices_among(folder: Path, webui: Path | None = None) -> tuple[list[str], tuple[str, ...]]:
    found = find_voices([folder], webui)
    return [*found.voices], found.problems


@pytest.mark.parametrize(
    "place",
    [
        "{}.pth",
        "{}/x.pth",
        "{}/deep/x.pth",
        "{}/one.pth",
        "bert/{}.pth",
        "{}.zip",
        "uploaded/{}.pth",
    ],
)
def test_rvc_voices_that_are_not_utf_8_are_left_out(tmp_path: Path, place: str) -> None:
    put(tmp_path, place.format(NOT_UTF_8), "good.pth")
    names, problems = voices_among(tmp_path)
    assert names == ["good"]
    (problem,) = problems
    assert r"an\xffna" in problem
    assert problem.endswith(" is left out: its name is not UTF-8; give it another")
    "".join([*names, *problems]).encode()


def test_indexes_and_settings_that_are_not_utf_8_are_nobodys(tmp_path: Path) -> None:
    put(tmp_path, "anna/anna.pth", f"anna/{NOT_UTF_8}.index", f"anna/{NOT_UTF_8}.toml")
    voice = find_voices([tmp_path], None).voices["anna"]
    assert (voice.index, voice.toml) == (None, None)


def test_voices_of_rvc_webui_likewise(tmp_path: Path) -> None:
    put(tmp_path / "webui/assets/weights", f"{NOT_UTF_8}.pth", f"{TOO_LONG}.pth", "good.pth")
    names, problems = voices_among(tmp_path / "voices", tmp_path / "webui")
    assert names == ["good"]
    assert len(problems) == 2


def test_pipers_voices_likewise(tmp_path: Path) -> None:
    put_piper(tmp_path / f"{NOT_UTF_8}.onnx")
    put_piper(tmp_path / "piper" / "en_GB-alba-medium.onnx")
    found = find_voice_files(tmp_path)
    assert NOT_UTF_8 not in found.voices
    assert "en_GB-alba-medium" in found.voices
    assert sum("its name is not UTF-8" in problem for problem in found.problems) == 2  # .json


@pytest.mark.parametrize("place", ["{}.pth", "{}/x.pth"])
def test_a_voice_whose_name_is_too_long_is_told_and_not_listed(tmp_path: Path, place: str) -> None:
    """It was listed, and whoever asked for it was refused."""
    longest = TOO_LONG[1:]
    put(tmp_path, place.format(TOO_LONG), place.format(longest))
    names, (problem,) = voices_among(tmp_path)
    assert names == [longest]
    assert problem.endswith(f": a voice's name has {MAX_NAME_CHARS} letters at most")


def test_a_speaker_whose_name_is_too_long_is_not_listed(tmp_path: Path) -> None:
    put_piper(tmp_path / "vctk.onnx", config=config(speakers=["p1", TOO_LONG]))
    found = find_voice_files(tmp_path)
    listed = [voice.name for voice in PiperVoices([found.voices["vctk"]]).listed()]
    assert listed == ["vctk", "vctk+p1"]
    assert any("too long to be asked for" in problem for problem in found.problems)


async def test_one_such_voice_spoils_no_list_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It made `GET /api/voices` a 500 for everybody."""
    server = service()
    voices = Voices([*server.voices.values()])
    voices.offer_rvc(tmp_path, None, "plain")
    server.voices = server.voice_names.voices = voices
    await trio.to_thread.run_sync(partial(build_voice, tmp_path / "good.pth", size=TINY))
    await trio.Path(tmp_path / f"{NOT_UTF_8}.pth").touch()
    app = create_app(server)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as http:
        for path in ("/api/voices", "/v1/voices", "/v1/audio/voices") * 2:
            answer = await http.get(path)
            assert answer.status_code == 200
            assert '"good"' in answer.text
    told = [record for record in caplog.records if "is not UTF-8" in str(record.msg)]
    assert len(told) == 1
    assert len(await list_voices(voices)) == 3
