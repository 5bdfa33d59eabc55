"""No archive does harm: what is wrong with it is told, and nothing of it is left."""

from __future__ import annotations

import io
import shutil
import stat
import struct
import zipfile
from typing import TYPE_CHECKING

import pytest

from stages.errors import UnusableModel
from stages.rvc.voices import unpacking
from stages.rvc.voices.library import find_voices
from stages.rvc.voices.unpacking import Archives, unpack
from tests.hostile_rvc import archive_of
from tests.rvc.packing import found, pack

if TYPE_CHECKING:
    from pathlib import Path


def refusal(folder: Path) -> str:
    """What is said of the one archive in a folder, of which nothing is left."""
    catalogue = find_voices([folder], None)
    assert not catalogue.voices
    (said,) = catalogue.problems
    assert said.startswith(f"{folder}/bert.zip ")
    assert "\n" not in said
    left = [path.name for path in folder.rglob("*")]
    assert left in (["bert.zip"], ["bert.zip", ".unpacked"], [".unpacked", "bert.zip"])
    return said


@pytest.mark.parametrize(
    "name",
    ["../evil.pth", "a/../../evil.pth", "/tmp/evil.pth", "C:/evil.pth", "..\\evil.pth",  # noqa: S108
     "../evil.txt"],
)  # fmt: skip
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    pack(tmp_path / "bert.zip", "x.pth", name)
    assert "is not safe to unpack: " in refusal(tmp_path)
    assert not (tmp_path / "evil.pth").exists()
    assert not (tmp_path.parent / "evil.pth").exists()


def test_links_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("x.pth")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "bert.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "is not safe to unpack: x.pth is a link" in refusal(tmp_path)


def test_a_bomb_is_refused_before_it_swells(tmp_path: Path) -> None:
    """1 kB for each MB of zeros."""
    pack(tmp_path / "bert.zip", **{"x.pth": bytes(50_000_000)})
    assert "would swell to more than 30 times its size" in refusal(tmp_path)


def test_a_bomb_that_lies_about_its_size_gives_what_it_said(tmp_path: Path) -> None:
    data = bytearray(archive_of({"x.pth": bytes(50_000_000)}, method=zipfile.ZIP_DEFLATED))
    for signature, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", data, data.index(signature) + at, 10)
    (tmp_path / "bert.zip").write_bytes(data)
    assert "cannot be unpacked: Bad CRC-32" in refusal(tmp_path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_that_swells_in_memory_is_refused(
    tmp_path: Path, method: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """zipfile unpacks what it has read of such an entry as a whole: 1.6 kB took 4 GB, though the
    entry said that it was small."""
    data = archive_of({"x.pth": bytes(1_000_000)}, method=method)
    (tmp_path / "bert.zip").write_bytes(data)
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    assert "is packed in a way that is not read here: unpack it into a folder" in refusal(tmp_path)


def test_a_bomb_in_an_archive_counts_with_it(tmp_path: Path) -> None:
    inner = archive_of({"x.pth": bytes(50_000_000)}, method=zipfile.ZIP_DEFLATED)
    pack(tmp_path / "bert.zip", **{f"{number}.zip": inner for number in range(3)})
    assert "would swell to more than" in refusal(tmp_path)


def test_too_much_is_refused_with_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_UNPACKED_BYTES", 10)
    pack(tmp_path / "bert.zip", **{"x.pth": b"12345678901"})
    assert "would unpack to more than 10 bytes" in refusal(tmp_path)


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    pack(tmp_path / "bert.zip", *(f"{number}.pth" for number in range(1001)))
    assert "holds more than 1000 files of voices" in refusal(tmp_path)


def test_a_directory_of_many_files_is_not_read(tmp_path: Path) -> None:
    pack(tmp_path / "bert.zip", *(f"{number}.txt" for number in range(10_001)))
    assert "is an archive of more than 10000 files" in refusal(tmp_path)


def test_folders_without_end_are_refused(tmp_path: Path) -> None:
    pack(tmp_path / "bert.zip", "a/" * 1000 + "x.pth")
    assert "lies too deep" in refusal(tmp_path)


def test_a_name_that_no_file_can_have_is_told(tmp_path: Path) -> None:
    pack(tmp_path / "bert.zip", "x" * 300 + ".pth")
    assert "cannot be unpacked: File name too long" in refusal(tmp_path)


def test_what_is_packed_three_times_is_refused(tmp_path: Path) -> None:
    innermost = archive_of({"x.pth": b"a voice"})
    pack(tmp_path / "bert.zip", **{"a.zip": archive_of({"b.zip": innermost})})
    assert "is packed three times: unpack b.zip yourself" in refusal(tmp_path)


def test_an_inner_archive_that_is_none_is_told(tmp_path: Path) -> None:
    pack(tmp_path / "bert.zip", **{"a.zip": b"PK\3\4"})
    assert "is not a zip archive, or it is cut short" in find_voices([tmp_path], None).problems[0]


def test_two_files_of_one_name_are_told(tmp_path: Path) -> None:
    data = archive_of({"x.pth": b"a voice", "y.pth": b"another"})
    (tmp_path / "bert.zip").write_bytes(data.replace(b"y.pth", b"x.pth"))
    assert "cannot be unpacked: File exists" in refusal(tmp_path)


@pytest.mark.parametrize(
    "names", [["x" * 300 + ".pth"], ["x.pth", "x.pth/y.pth"], ["x.pth/y.pth", "x.pth"]]
)
def test_names_that_do_not_fit_are_the_archives_fault(tmp_path: Path, names: list[str]) -> None:
    """Not the disk's, which an upload is told of in another way."""
    path = pack(tmp_path / "bert.zip", *names)
    with pytest.raises(UnusableModel, match="cannot be unpacked: "):
        unpack(path, tmp_path / "into", max_bytes=1000)


def test_a_file_without_a_name_is_passed_over(tmp_path: Path) -> None:
    data = archive_of({"x.pth": b"a voice", "y.pth": b"another"})
    # zipfile takes a zero for the end of a name.
    (tmp_path / "bert.zip").write_bytes(data.replace(b"y.pth", b"\0.pth"))
    assert list(found(tmp_path)) == ["bert"]


def test_an_encrypted_archive_is_told(tmp_path: Path) -> None:
    data = bytearray(archive_of({"x.pth": b"a voice"}))
    for signature, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + at] |= 1
    (tmp_path / "bert.zip").write_bytes(data)
    assert "is encrypted: unpack it into a folder, with its password" in refusal(tmp_path)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.7, 0.99])
def test_a_torn_archive_is_told(tmp_path: Path, keep: float) -> None:
    """Or one that is still being copied: it is looked at again when it has grown."""
    path = pack(tmp_path / "bert.zip", "x.pth", "y.index")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    said = refusal(tmp_path)
    assert "is not a zip archive, or it is cut short" in said or "not a zip file" in said
    path.write_bytes(whole)
    assert list(find_voices([tmp_path], None).voices) == ["bert"]


def test_an_archive_that_begins_to_end_once_more_is_told(tmp_path: Path) -> None:
    """The last record was looked for from behind, and taken for whole: an upload ended in a
    `struct.error`, and in a folder of voices such a file ended every listing."""
    path = pack(tmp_path / "bert.zip", "x.pth")
    path.write_bytes(path.read_bytes() + b"PK\5\6" + bytes(10))
    assert "is not a zip archive, or it is cut short" in refusal(tmp_path)


def test_an_archive_with_a_comment_is_read(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.pth", "a voice")
        archive.comment = b"packed by hand"
    (tmp_path / "bert.zip").write_bytes(file.getvalue())
    assert list(find_voices([tmp_path], None).voices) == ["bert"]


def test_a_disk_that_is_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", fail)
    pack(tmp_path / "bert.zip", "x.pth")
    archives = Archives()
    catalogue = find_voices([tmp_path], None, archives)
    assert "cannot be unpacked: No space left on device" in catalogue.problems[0]
    monkeypatch.undo()
    assert list(find_voices([tmp_path], None, archives).voices) == ["bert"]  # and it has room again


def test_an_archive_that_goes_meanwhile_is_told(tmp_path: Path) -> None:
    archives = Archives()
    with pytest.raises(UnusableModel, match="cannot be read: No such file"):
        archives.unpacked(tmp_path, tmp_path / "gone.zip")
    archives.sweep(tmp_path, [tmp_path / "gone.zip"])
