"""Voices in zip archives are used as they were downloaded."""

from __future__ import annotations

import struct
import unicodedata
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from stages.rvc.voices import unpacking
from stages.rvc.voices.library import find_voices
from stages.rvc.voices.unpacking import Archives, unpack
from stages.temporary_folders import TemporaryFolder
from tests.hostile_rvc import archive_of
from tests.rvc.packing import found, pack
from tests.server_process import ROOT

if TYPE_CHECKING:
    from pathlib import Path

INDEX = "added_IVF256_Flat_nprobe_1_model_v2.index"


@pytest.mark.parametrize(
    "names",
    [
        ["model.pth", INDEX],
        ["Bert/model.PTH", f"Bert/{INDEX}", "Bert/readme.txt"],
        ["weights/model.pth", f"logs/model/{INDEX}", "logs/model/trained_x.index"],
        ["model.pth", INDEX, "__MACOSX/._model.pth", "__MACOSX/x.pth", ".DS_Store", "picture.png"],
        ["a\\b\\model.pth", f"a\\b\\{INDEX}"],
        ["model.safetensors", INDEX],
        ["model.pth", "G_2333333.pth.txt", INDEX],
    ],
)
def test_an_archive_of_one_voice_names_it(tmp_path: Path, names: list[str]) -> None:
    pack(tmp_path / "Bert B 🎤.zip", *names)
    ((name, (path, index)),) = found(tmp_path).items()
    assert name == "Bert B 🎤"
    assert path.lower().endswith(("model.pth", "model.safetensors"))
    assert index is not None
    assert index.endswith(INDEX)


def test_an_archive_of_several_voices_names_each_by_its_file(tmp_path: Path) -> None:
    pack(tmp_path / "choir.ZIP", "alto.pth", "deep/er/bass.pth", "added_alto.index")
    assert found(tmp_path) == {
        "alto": ("choir/alto.pth", "choir/added_alto.index"),
        "deep": ("choir/deep/er/bass.pth", None),
    }


def test_an_archive_in_an_archive_is_unpacked_too(tmp_path: Path) -> None:
    inner = archive_of({"x.pth": b"a voice", "x.index": b"an index"})
    pack(tmp_path / "bert.zip", **{"voice/inner.zip": inner})
    assert found(tmp_path) == {
        "bert": ("bert/voice/inner/x.pth", "bert/voice/inner/x.index"),
    }


def test_an_archive_in_a_folder_is_like_a_folder_there(tmp_path: Path) -> None:
    pack(tmp_path / "choir/anna.zip", "x.pth")
    pack(tmp_path / "choir/bert.zip", "x.pth")
    assert found(tmp_path) == {"anna": ("anna/x.pth", None), "bert": ("bert/x.pth", None)}


def test_settings_and_an_index_may_lie_beside_an_archive(tmp_path: Path) -> None:
    pack(tmp_path / "anna.zip", "x.pth", "other.index")
    (tmp_path / "anna.toml").write_text("speaker = 3")
    (tmp_path / "added_anna.index").touch()
    voice = find_voices([tmp_path], None).voices["anna"]
    assert voice.settings.speaker == 3
    assert voice.index == tmp_path / "added_anna.index"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_from_macos_are_what_they_look_like(tmp_path: Path, form: str) -> None:
    """It writes UTF-8 and does not say so, so that it was read as another encoding."""
    name = unicodedata.normalize(form, "José")  # type: ignore[arg-type] # a Literal, of a list
    data = archive_of({f"{name}.pth": b"", f"added_{name}.index": b"", "x.pth": b""})
    for flags in (b"PK\3\4", b"PK\1\2"):  # unsay it
        parts = data.split(flags)
        at = 2 if flags == b"PK\3\4" else 4
        data = flags.join(
            [parts[0]]
            + [
                part[:at] + struct.pack("<H", struct.unpack_from("<H", part, at)[0] & ~0x800)
                + part[at + 2 :]
                for part in parts[1:]
            ]
        )  # fmt: skip
    (tmp_path / "two.zip").write_bytes(data)
    voices = find_voices([tmp_path], None).voices
    assert list(voices) == ["José", "x"]
    assert voices["José"].index is not None


def test_an_archive_is_unpacked_once_and_again_when_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = []

    def count(archive: Path, into: Path, *, max_bytes: int) -> None:
        times.append(archive.name)
        unpack(archive, into, max_bytes=max_bytes)

    monkeypatch.setattr(unpacking, "unpack", count)
    archives = Archives()
    path = pack(tmp_path / "bert.zip", "x.pth")
    first = find_voices([tmp_path], None, archives).voices["bert"]
    assert find_voices([tmp_path], None, archives).voices["bert"] == first
    assert find_voices([tmp_path], None).voices["bert"] == first  # another server
    assert times == ["bert.zip"]
    stamp = first.stamp
    pack(path, "x.pth", "more.index")
    second = find_voices([tmp_path], None, archives).voices["bert"]
    assert times == ["bert.zip"] * 2
    assert second.stamp != stamp
    assert not first.is_there  # what it was before has gone
    path.unlink()
    assert not find_voices([tmp_path], None, archives).voices
    assert list(tmp_path.iterdir()) == []


def test_a_bad_archive_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bert.zip").write_bytes(b"PK\3\4 nothing")
    archives = Archives()
    told = find_voices([tmp_path], None, archives).problems
    assert told == (f"{tmp_path}/bert.zip is not a zip archive, or it is cut short",)
    monkeypatch.setattr(unpacking, "unpack", None)
    assert find_voices([tmp_path], None, archives).problems == told


def test_what_a_server_left_unfinished_is_removed_unless_one_is_at_it(tmp_path: Path) -> None:
    cache = tmp_path / ".unpacked"
    (cache / ".unfinished-old").mkdir(parents=True)
    with closing(TemporaryFolder(unpacking.UNFINISHED, cache)) as of_another:
        find_voices([tmp_path], None)
        assert [*cache.iterdir()] == [of_another.path]


def test_where_nothing_can_be_written_it_is_unpacked_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is mounted to be read. (A file takes the cache's place: root may write
    everywhere.)"""
    (tmp_path / ".unpacked").touch()
    pack(tmp_path / "bert.zip", "x.pth")
    archives = Archives()
    voice = find_voices([tmp_path], None, archives).voices["bert"]
    assert voice.path.exists()
    assert not voice.path.is_relative_to(tmp_path)
    assert find_voices([tmp_path], None, archives).voices["bert"].path == voice.path
    (tmp_path / "bert.zip").unlink()
    find_voices([tmp_path], None, archives)
    assert not voice.path.exists()
    elsewhere = voice.path.parents[2]
    elsewhere.mkdir(exist_ok=True)
    del archives  # as at the end of a server
    assert not elsewhere.exists()


def test_the_cache_is_not_kept_by_git() -> None:
    assert ".unpacked/" in (ROOT / ".gitignore").read_text()
