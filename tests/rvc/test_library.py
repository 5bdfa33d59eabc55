"""Voices are found as people lay them out; what cannot be taken is named and hides no other."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from stages.rvc.voices import library
from stages.rvc.voices.library import find_voices
from tests.rvc.voice_folders import put

if TYPE_CHECKING:
    from pathlib import Path


def found(folder: Path) -> dict[str, tuple[str, str | None]]:
    """By name the voice file and the index, as paths from the folder; without any problem."""
    catalogue = find_voices([folder], None)
    assert not catalogue.problems
    return {
        name: (
            str(voice.path.relative_to(folder)),
            str(voice.index.relative_to(folder)) if voice.index else None,
        )
        for name, voice in catalogue.voices.items()
    }


@pytest.mark.parametrize(
    ("files", "index"),
    [
        ([], None),
        (["anna.index"], "anna.index"),
        (["added_IVF256_Flat_nprobe_1_anna_v2.index"], "added_IVF256_Flat_nprobe_1_anna_v2.index"),
        (["added_anna.index"], "added_anna.index"),
        (["anna/added_xyz.index"], "anna/added_xyz.index"),
        (["anna/anything.index"], "anna/anything.index"),
        (["anna.index", "added_anna_v2.index", "anna/added_xyz.index"], "anna.index"),
        (["trained_IVF256_Flat_nprobe_1_anna_v2.index"], None),
        (["anna/trained_xyz.index"], None),
        (["added_IVF256_Flat_nprobe_1_annabel_v2.index", "Anna.index", "bert.index"], None),
        (["added_xyz.index"], None),
    ],
)
def test_a_voice_beside_its_index(tmp_path: Path, files: list[str], index: str | None) -> None:
    put(tmp_path, "anna.pth", *files)
    assert found(tmp_path) == {"anna": ("anna.pth", index)}


@pytest.mark.parametrize("name", ["v2", "Flat", "IVF256", "1"])
def test_a_voice_named_like_a_part_of_all_indexes_takes_none(tmp_path: Path, name: str) -> None:
    put(tmp_path, f"{name}.pth", "anna.pth", "added_IVF256_Flat_nprobe_1_anna_v2.index")
    assert found(tmp_path)[name] == (f"{name}.pth", None)


def test_a_folder_from_an_archive_names_its_one_voice(tmp_path: Path) -> None:
    put(tmp_path, "Bert B/whatever_e300.pth", "Bert B/added_xyz.index", "Bert B/trained_xyz.index")
    put(tmp_path, "Bert B/readme.txt", "Bert B/__MACOSX/._whatever.pth", "Bert B/._whatever.pth")
    assert found(tmp_path) == {"Bert B": ("Bert B/whatever_e300.pth", "Bert B/added_xyz.index")}


def test_a_folder_of_several_voices_names_them_by_their_files(tmp_path: Path) -> None:
    put(
        tmp_path, "choir/alto.pth", "choir/bass.pth", "choir/added_IVF9_Flat_nprobe_1_bass_v2.index"
    )
    assert found(tmp_path) == {
        "alto": ("choir/alto.pth", None),
        "bass": ("choir/bass.pth", "choir/added_IVF9_Flat_nprobe_1_bass_v2.index"),
    }


@pytest.mark.parametrize("files", ["nest/inner", "nest/a/b/c"])
def test_an_archive_with_a_folder_in_it_is_one_voice(tmp_path: Path, files: str) -> None:
    """Unpacked as docs/voices.md says, it was neither listed nor remarked on."""
    put(tmp_path, f"{files}/deep.pth", f"{files}/added_xyz.index", "nest/readme.txt")
    (tmp_path / "nest/voice.toml").write_text("speaker = 3")
    assert found(tmp_path) == {"nest": (f"{files}/deep.pth", f"{files}/added_xyz.index")}
    assert find_voices([tmp_path], None).voices["nest"].settings.speaker == 3


def test_an_index_in_another_folder_of_the_archive_counts(tmp_path: Path) -> None:
    put(tmp_path, "bert/weights/whatever.pth", "bert/logs/added_xyz.index")
    assert found(tmp_path) == {"bert": ("bert/weights/whatever.pth", "bert/logs/added_xyz.index")}


def test_a_pack_of_folders_names_each_by_its_own(tmp_path: Path) -> None:
    put(tmp_path, "pack/anna/x.pth", "pack/anna/added_1.index", "pack/bert/x.pth", "pack/carl.pth")
    assert found(tmp_path) == {
        "anna": ("pack/anna/x.pth", "pack/anna/added_1.index"),
        "bert": ("pack/bert/x.pth", None),
        "carl": ("pack/carl.pth", None),
    }


def test_a_link_that_leads_round_is_followed_once(tmp_path: Path) -> None:
    put(tmp_path, "anna.pth", "bert/x.pth")
    (tmp_path / "bert/round").symlink_to(tmp_path / "bert", target_is_directory=True)
    (tmp_path / "bert/up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "self").symlink_to(tmp_path, target_is_directory=True)
    assert found(tmp_path) == {"anna": ("anna.pth", None), "bert": ("bert/x.pth", None)}


def test_a_search_ends_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a/b/c/d/e/f/x.pth")
    assert find_voices([tmp_path], None).problems == (
        f"{tmp_path}/a/b/c/d/e/f was not searched: it lies too deep",
    )
    monkeypatch.setattr(library, "MAX_ENTRIES", 1)
    assert find_voices([tmp_path], None).problems == (
        f"{tmp_path}/a has over 1 files: not all were searched",
    )


COMPOSED, DECOMPOSED = "Jos\u00e9", "Jose\u0301"


@pytest.mark.parametrize("path", [COMPOSED, DECOMPOSED])
@pytest.mark.parametrize("beside", [COMPOSED, DECOMPOSED])
def test_names_are_compared_however_their_accents_are_written(
    tmp_path: Path, path: str, beside: str
) -> None:
    """An archive from macOS spells them out, and the voice could not be asked for."""
    index = f"added_IVF9_Flat_nprobe_1_{beside}_v2.index"
    put(tmp_path, f"{path}.pth", index, f"bert/{path}.pth", "bert/x.pth", f"bert/{beside}.index")
    (tmp_path / f"{beside}.toml").write_text("speaker = 3")
    catalogue = find_voices([tmp_path], None)
    assert list(catalogue.voices) == [COMPOSED, "x"]
    entry = catalogue.voices[COMPOSED]
    assert (entry.index, entry.settings.speaker) == (tmp_path / index, 3)
    assert len(catalogue.problems) == 1
    assert "has the same name as" in catalogue.problems[0]


def test_two_files_of_one_name_are_told_apart_in_the_problem(tmp_path: Path) -> None:
    put(tmp_path, f"{COMPOSED}.pth", f"{DECOMPOSED}.pth")
    catalogue = find_voices([tmp_path], None)
    assert list(catalogue.voices) == [COMPOSED]
    assert len(catalogue.problems) == 1


def test_webuis_logs_are_found_however_accents_are_written(tmp_path: Path) -> None:
    put(tmp_path, f"assets/weights/{COMPOSED}.pth", f"logs/{DECOMPOSED}/added_1.index")
    entry = find_voices([], tmp_path).voices[COMPOSED]
    assert entry.index == tmp_path / "logs" / DECOMPOSED / "added_1.index"


def test_capitals_in_a_suffix_change_nothing(tmp_path: Path) -> None:
    put(tmp_path, "Anna.PTH", "Anna.INDEX")
    assert found(tmp_path) == {"Anna": ("Anna.PTH", "Anna.INDEX")}


@pytest.mark.parametrize("name", ["bert.7z", "bert.RAR", "choir/bert.7z"])
def test_an_archive_that_was_left_packed_is_a_problem(tmp_path: Path, name: str) -> None:
    put(tmp_path, "anna.pth", name)
    archive = tmp_path / name
    assert find_voices([tmp_path], None).problems == (
        f"{archive} is an archive: unpack it into {archive.with_suffix('')}",
    )


def test_webuis_archives_are_told_to_be_unpacked(tmp_path: Path) -> None:
    put(tmp_path, "assets/weights/anna.zip")
    archive = tmp_path / "assets/weights/anna.zip"
    assert find_voices([], tmp_path).problems == (
        f"{archive} is an archive: unpack it into {archive.with_suffix('')}",
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("bert.onnx", "is an ONNX export, which cannot be streamed: put the .pth there"),
        ("bert.ckpt", "is no RVC voice: those end in .pth"),
        ("3/params.json", "is not read: write its settings to a voice.toml"),
        ("bert/D_2333333.pth", "is a training's discriminator, which is not a voice"),
    ],
)
def test_what_people_take_for_a_voice_is_told_to_be_none(
    tmp_path: Path, name: str, told: str
) -> None:
    put(tmp_path, "anna.pth", name)
    catalogue = find_voices([tmp_path], None)
    assert list(catalogue.voices) == ["anna"]
    assert len(catalogue.problems) == 1
    assert catalogue.problems[0].startswith(f"{tmp_path / name} {told}")


def test_a_checkpoint_is_a_voice_where_nothing_else_is(tmp_path: Path) -> None:
    """As training leaves them: the small model counts, and else what was saved last."""
    put(tmp_path, "anna/anna.pth", "anna/G_2333333.pth", "anna/added_anna.index")
    put(tmp_path, "bert/logs/bert/G_800.pth", "bert/logs/bert/G_1600.pth")
    catalogue = find_voices([tmp_path], None)
    assert {name: voice.path.name for name, voice in catalogue.voices.items()} == {
        "anna": "anna.pth",
        "bert": "G_1600.pth",
    }
    left_out = "is a checkpoint of a training, left out for"
    logs = tmp_path / "bert/logs/bert"
    assert catalogue.problems == (
        f"{tmp_path}/anna/G_2333333.pth {left_out} {tmp_path}/anna/anna.pth",
        f"{logs}/G_800.pth {left_out} {logs}/G_1600.pth",
    )


def test_a_voice_in_two_formats_is_one_voice(tmp_path: Path) -> None:
    put(tmp_path, "7/anna.pth", "7/anna.safetensors", "bert.safetensors")
    catalogue = find_voices([tmp_path], None)
    assert {name: voice.path.name for name, voice in catalogue.voices.items()} == {
        "7": "anna.pth",
        "bert": "bert.safetensors",
    }
    told = f"{tmp_path}/7/anna.safetensors is the same voice as {tmp_path}/7/anna.pth"
    assert catalogue.problems == (f"{told}, which is used",)


def test_what_was_uploaded_comes_last(tmp_path: Path) -> None:
    put(tmp_path, "anna.pth", "uploaded/anna/x.pth", "uploaded/bert/bert.pth")
    put(tmp_path, "uploaded/.unfinished-1/carl/carl.pth")
    catalogue = find_voices([tmp_path], None)
    assert {name: voice.is_uploaded for name, voice in catalogue.voices.items()} == {
        "anna": False,
        "bert": True,
    }
    assert catalogue.problems == (
        f"{tmp_path}/uploaded/anna/x.pth has the same name as {tmp_path}/anna.pth, which is used",
    )


def test_of_several_indexes_the_newest_counts(tmp_path: Path) -> None:
    put(tmp_path, "anna.pth", "anna/added_a.index", "anna/added_b.index", "anna/added_c.index")
    os.utime(tmp_path / "anna/added_b.index", (2e9, 2e9))
    assert found(tmp_path)["anna"][1] == "anna/added_b.index"


def test_links_are_followed(tmp_path: Path) -> None:
    put(tmp_path, "elsewhere/x.pth", "elsewhere/x.index")
    voices = tmp_path / "voices"
    voices.mkdir()
    (voices / "anna.pth").symlink_to(tmp_path / "elsewhere/x.pth")
    (voices / "bert").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert found(voices) == {"anna": ("anna.pth", None), "bert": ("bert/x.pth", "bert/x.index")}


def test_a_link_to_nothing_is_a_problem(tmp_path: Path) -> None:
    put(tmp_path, "anna.pth")
    (tmp_path / "gone.pth").symlink_to(tmp_path / "nowhere.pth")
    catalogue = find_voices([tmp_path], None)
    assert catalogue.problems == (f"{tmp_path}/gone.pth is a link to nothing",)
    assert list(catalogue.voices) == ["anna"]


def test_names_keep_their_case_and_come_in_order(tmp_path: Path) -> None:
    put(tmp_path, "Zoe.pth", "anna.pth", "Ünal 2.pth")
    assert list(find_voices([tmp_path], None).voices) == ["Zoe", "anna", "Ünal 2"]


def test_of_two_voices_of_a_name_the_first_is_used(tmp_path: Path) -> None:
    put(tmp_path, "a/anna.pth", "a/anna/other.pth", "b/anna.pth")
    catalogue = find_voices([tmp_path / "b", tmp_path / "a"], None)
    assert catalogue.voices["anna"].path == tmp_path / "b/anna.pth"
    assert catalogue.problems == (
        f"{tmp_path}/a/anna.pth has the same name as {tmp_path}/b/anna.pth, which is used",
        f"{tmp_path}/a/anna/other.pth has the same name as {tmp_path}/b/anna.pth, which is used",
    )


def test_a_folder_that_is_not_there_has_no_voices(tmp_path: Path) -> None:
    assert find_voices([tmp_path / "voices"], None) == library.Catalogue({}, ())


def test_a_file_in_the_folders_place_is_a_problem(tmp_path: Path) -> None:
    put(tmp_path, "voices")
    assert find_voices([tmp_path / "voices"], None).problems == (
        f"{tmp_path}/voices cannot be read: Not a directory",
    )


@pytest.mark.parametrize("weights", ["assets/weights", "weights"])
def test_the_folders_of_rvc_webui(tmp_path: Path, weights: str) -> None:
    put(tmp_path, f"{weights}/carl.pth", f"{weights}/dora_e20_s400.pth", f"{weights}/emil.pth")
    put(tmp_path, "logs/carl/added_1.index", "logs/carl/trained_1.index", "logs/carl/G_2333333.pth")
    put(tmp_path, "logs/dora/added_2.index", "logs/emil/trained_3.index", "logs/mute/x.index")
    (tmp_path / weights / "carl.toml").write_text("index_rate = 0.5")
    catalogue = find_voices([], tmp_path)
    assert not catalogue.problems
    assert {name: voice.index for name, voice in catalogue.voices.items()} == {
        "carl": tmp_path / "logs/carl/added_1.index",
        "dora_e20_s400": tmp_path / "logs/dora/added_2.index",
        "emil": None,
    }
    assert catalogue.voices["carl"].settings.index_rate == 0.5


def test_a_folder_that_is_not_rvc_webuis_is_a_problem(tmp_path: Path) -> None:
    assert find_voices([], tmp_path).problems == (
        f"{tmp_path} is not RVC-WebUI's folder: it has no assets/weights",
    )
