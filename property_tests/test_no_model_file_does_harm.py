"""The law: whatever is changed in a voice, an index or an archive, it is read or refused, in
bounded time and memory. Nothing else is raised, and nothing is written outside of its folder."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.errors import UnusableModel
from stages.rvc.voices.file import read_voice
from stages.rvc.voices.header import read_header
from stages.rvc.voices.index import read_index
from stages.rvc.voices.unpacking import unpack
from tests.hostile_rvc import archive_of, pickle_of, replace_pickle
from tests.random_rvc import TINY, build_index, build_safetensors, build_voice, checkpoint
from tests.random_rvc import voice as random_voice

WIDTH = 4
CHANGES = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 2), st.binary(max_size=9)),
    min_size=1, max_size=4,
)  # fmt: skip
IN_THE_SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    build_voice(folder / "good.pth", size=TINY)
    build_safetensors(folder / "good.safetensors", random_voice(size=TINY))
    torch.save(checkpoint(size=TINY), folder / "G_1.pth")
    archive = archive_of({"a/x.pth": bytes(500), "a/x.index": b"", "b.zip": archive_of({})})
    (folder / "good.zip").write_bytes(archive)
    build_index(folder / "good.index", WIDTH, n_vectors=100)
    return folder


def changed(data: bytes, changes: list[tuple[float, int, bytes]], reach: int) -> bytes:
    """Some bytes among the first `reach` replaced by others, or more put in."""
    for place, n_gone, new in changes:
        start = int(place * min(reach, len(data)))
        data = data[:start] + new + data[start + n_gone :]
    return data


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")  # pickletools'
@IN_THE_SAME_FOLDER
@given(CHANGES)
def test_a_changed_voice_is_read_or_refused(
    folder: Path, changes: list[tuple[float, int, bytes]]
) -> None:
    good, path = folder / "good.pth", folder / "changed.pth"
    path.write_bytes(good.read_bytes())
    replace_pickle(path, changed(pickle_of(good), changes, reach=10**6))
    try:
        read_header(path)
    except UnusableModel as error:
        assert str(path) in str(error)  # noqa: PT017 - it may also have been read
        return
    try:
        read_voice(path)
    except UnusableModel as error:
        assert str(path) in str(error)  # noqa: PT017


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")  # pickletools'
@IN_THE_SAME_FOLDER
@given(CHANGES)
def test_a_changed_checkpoint_is_described_or_refused(
    folder: Path, changes: list[tuple[float, int, bytes]]
) -> None:
    good, path = folder / "G_1.pth", folder / "G_2.pth"
    path.write_bytes(good.read_bytes())
    replace_pickle(path, changed(pickle_of(good), changes, reach=10**6))
    try:
        read_header(path)
    except UnusableModel as error:
        assert str(path) in str(error)  # noqa: PT017


@IN_THE_SAME_FOLDER
@given(CHANGES, st.sampled_from([20, 2000, 60_000]))
def test_a_changed_file_of_safetensors_is_read_or_refused(
    folder: Path, changes: list[tuple[float, int, bytes]], reach: int
) -> None:
    path = folder / "changed.safetensors"
    path.write_bytes(changed((folder / "good.safetensors").read_bytes(), changes, reach))
    try:
        read_voice(path)
    except UnusableModel as error:
        assert str(path) in str(error)  # noqa: PT017


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@IN_THE_SAME_FOLDER
@given(CHANGES)
def test_a_changed_archive_is_unpacked_or_refused(
    folder: Path, changes: list[tuple[float, int, bytes]]
) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as outer:
        path, into = Path(outer, "changed.zip"), Path(outer, "inner", "into")
        path.write_bytes(changed((folder / "good.zip").read_bytes(), changes, 10**6))
        try:
            unpack(path, into, max_bytes=10_000)
        except UnusableModel as error:
            assert str(path) in str(error)  # noqa: PT017
        except OSError:  # a name that no file can have
            pass
        written = [each for each in Path(outer).rglob("*") if each.is_file() and each != path]
        assert all(each.is_relative_to(into) for each in written)
        assert sum(each.stat().st_size for each in written) <= 10_000


@IN_THE_SAME_FOLDER
@given(CHANGES, st.sampled_from([60, 200, 10**6]))
def test_a_changed_index_is_read_or_refused(
    folder: Path, changes: list[tuple[float, int, bytes]], reach: int
) -> None:
    path = folder / "changed.index"
    path.write_bytes(changed((folder / "good.index").read_bytes(), changes, reach))
    try:
        index = read_index(path, WIDTH)
    except UnusableModel as error:
        assert str(path) in str(error)  # noqa: PT017
        return
    assert index.n_bytes < 10**5
    assert index.blend(index.vectors[:5], 0.5).shape == (min(5, len(index.vectors)), WIDTH)
