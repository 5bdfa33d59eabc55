"""Files made to do harm are refused, and do none: nothing in them runs, none ends the process, and
none takes more memory or time than its size lets one expect."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from typing import TYPE_CHECKING

import pytest
import torch

from stages.errors import UnusableModel
from stages.neural.archives import MAX_FILES, MAX_TUPLES, read_outline
from stages.neural.checkpoints import load_pickle
from stages.rvc.voices.file import read_voice
from stages.rvc.voices.header import read_header
from tests.hostile_rvc import (
    Bomb,
    archive_of,
    cut,
    edit_voice,
    nested_tuples,
    pickle_of,
    plant_bomb,
    replace_pickle,
)

if TYPE_CHECKING:
    from pathlib import Path

NO_TORCH_FILE = "is not what torch.save writes, or it is cut short"


def complaint(path: Path) -> str:
    """What is said without torch. With it, the file is refused too."""
    with pytest.raises(UnusableModel) as refusal:
        read_header(path)
    with pytest.raises(UnusableModel):
        read_voice(path)
    said = str(refusal.value)
    assert said.startswith(str(path))
    assert "\n" not in said
    return said


def test_a_bomb_does_not_go_off(voice: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    plant_bomb(voice, mark)
    assert "it holds posix.mkdir, and only tensors" in complaint(voice)
    with pytest.raises(UnusableModel, match="more than tensors and plain values"):
        load_pickle(voice)
    assert not mark.exists()
    torch.load(voice, weights_only=False)  # so it would have
    assert mark.exists()


def test_a_bare_pickle_does_not_go_off(tmp_path: Path) -> None:
    path, mark = tmp_path / "voice.pth", tmp_path / "mark"
    path.write_bytes(pickle.dumps(Bomb(mark)))
    assert NO_TORCH_FILE in complaint(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    "call",
    [
        b"cbuiltins\neval\n",
        b"cos\nsystem\n",
        b"ctorch\nload\n",
        b"ctorch._utils\n_rebuild_tensor\n",
        b"\x8c\x05torch\x8c\x08hub.load\x93",
        b"ibuiltins\nprint\n",
    ],
)
def test_nothing_can_be_called_but_what_makes_tensors(voice: Path, call: bytes) -> None:
    replace_pickle(voice, b"\x80\x04(X\x01\x00\x00\x001" + call + b"tR.")
    assert "only tensors and plain values are read" in complaint(voice)


@pytest.mark.parametrize("state", [b"}X\1\0\0\0aK\1s", b"N}X\5\0\0\0shapeNs\x86", b"]"])
@pytest.mark.parametrize(
    "thing", [b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nHalfStorage\n", b"K\x01"]
)
def test_no_state_can_be_given_to_what_makes_tensors(
    voice: Path, thing: bytes, state: bytes
) -> None:
    replace_pickle(voice, b"\x80\x02" + thing + state + b"b.")
    assert "cannot be read" in complaint(voice)


def test_no_shape_can_be_given_to_a_tensor_afterwards(voice: Path) -> None:
    data = pickle_of(voice)
    rebuilt = data.index(b"R", data.index(b"_rebuild_tensor_v2"))
    end = data.index(b"R", rebuilt + 1) + 1  # the first is the empty dict of its hooks
    for state in (b"]q\xff(NNeb", b"N}X\5\0\0\0shapeNs\x86b"):
        replace_pickle(voice, data[:end] + state + data[end:])
        assert "cannot be read" in complaint(voice)


@pytest.mark.parametrize("keep", [0, 0.001, 0.3, 0.999])
def test_a_truncated_file_is_refused(voice: Path, keep: float) -> None:
    cut(voice, keep)
    assert NO_TORCH_FILE in complaint(voice)


def test_garbage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "voice.pth"
    path.write_bytes(os.urandom(10_000))
    assert NO_TORCH_FILE in complaint(path)


def test_damaged_pickles_are_refused(voice: Path) -> None:
    good = pickle_of(voice)
    for data in (b"", b".", good[:-1], good[: len(good) // 2], b"\x80\x02K\x01K\x02."):
        replace_pickle(voice, data)
        assert str(voice) in complaint(voice)


def test_nesting_that_would_end_the_process_is_refused(voice: Path) -> None:
    """torch's own reader hashes the outermost of a million tuples: the C stack overflows."""
    replace_pickle(voice, nested_tuples(MAX_TUPLES + 1))
    assert f"holds {MAX_TUPLES + 1} tuples; no model has {MAX_TUPLES}" in complaint(voice)
    with pytest.raises(UnusableModel, match="tuples"):
        load_pickle(voice)


def test_nesting_that_is_let_through_does_no_harm(voice: Path) -> None:
    replace_pickle(voice, nested_tuples(MAX_TUPLES))
    assert "is not a state dict" in complaint(voice)


def test_a_pickle_that_counts_to_billions_is_refused(voice: Path) -> None:
    """Python's reader would take 34 GB for that many remembered objects."""
    replace_pickle(voice, b"\x80\x02}r" + struct.pack("<I", 2**31) + b".")
    assert "its pickle counts to 2147483648" in complaint(voice)


def test_a_packed_file_is_refused(voice: Path) -> None:
    replace_pickle(voice, pickle_of(voice), method=zipfile.ZIP_DEFLATED)
    assert NO_TORCH_FILE in complaint(voice)


def test_a_pickle_of_megabytes_is_refused(voice: Path) -> None:
    replace_pickle(voice, bytes(5_000_000))
    assert "holds 5000000 bytes beside its tensors; no model has 4000000" in complaint(voice)


def test_an_archive_of_very_many_files_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "voice.pth"
    path.write_bytes(archive_of({f"a/{number}": b"" for number in range(MAX_FILES + 1)}))
    assert f"is an archive of more than {MAX_FILES} files" in complaint(path)


@pytest.mark.parametrize("offset", [32, 40])
def test_an_archive_that_says_it_has_very_many_files_is_refused(voice: Path, offset: int) -> None:
    data = bytearray(voice.read_bytes())
    record = data.rindex(b"PK\6\6")
    data[record + offset : record + offset + 8] = b"\xff" * 8
    voice.write_bytes(data)
    assert f"is an archive of more than {MAX_FILES} files" in complaint(voice)


def test_an_archive_with_something_after_its_end_is_refused(voice: Path) -> None:
    for more in (b"more", voice.read_bytes()[-22:-2] + b"\4\0more"):
        data = voice.read_bytes()
        voice.write_bytes(data + more)
        assert NO_TORCH_FILE in complaint(voice)
        voice.write_bytes(data)


def test_two_pickles_in_a_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "voice.pth"
    path.write_bytes(archive_of({"a/data.pkl": b"}.", "b/data.pkl": b"}."}))
    assert NO_TORCH_FILE in complaint(path)


def tensor(values: int, shape: bytes, strides: bytes, offset: int = 0) -> bytes:
    """A pickle of a tensor that refers to the voice's first values."""
    return (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nHalfStorage\n"
        b"X\x01\0\0\x000X\x03\0\0\0cpuJ" + struct.pack("<i", values) + b"tQJ"
        + struct.pack("<i", offset) + shape + strides + b"\x89ccollections\nOrderedDict\n)RtR."
    )  # fmt: skip


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def row(numbers: list[int], n_values: int) -> bytes:
    """Of a shape or of strides."""
    return b"(" + b"".join(number(n_values if n == MANY else n) for n in numbers) + b"t"


def count_values(voice: Path) -> int:
    """Of the voice's first tensor."""
    saved = torch.load(voice, weights_only=True)
    return int(next(iter(saved["weight"].values())).numel())


def test_a_tensor_is_outlined(voice: Path) -> None:
    n_values = count_values(voice)
    replace_pickle(voice, tensor(n_values, number(n_values) + b"\x85", number(1) + b"\x85"))
    outline = read_outline(voice, max_bytes=10**9)
    assert (outline.dtype, outline.shape) == ("float16", (n_values,))


MANY = 10**9
"""Stands for as many as there are."""


@pytest.mark.parametrize(
    ("shape", "strides", "offset", "said"),
    [
        ([MANY], [1], 1, "larger than its values"),
        ([MANY], [2], 0, "larger than its values"),
        ([MANY, 2], [1, MANY], 0, "larger than its values"),
        ([-5], [1], 0, "a tensor that is none"),
        ([5], [-1], 0, "a tensor that is none"),
        ([5], [1], -1, "a tensor that is none"),
        ([5, 1], [1], 0, "a tensor that is none"),
        ([1] * 9, [1] * 9, 0, "a tensor that is none"),
    ],
)
def test_a_tensor_beyond_its_values_is_refused(
    voice: Path, shape: list[int], strides: list[int], offset: int, said: str
) -> None:
    n_values = count_values(voice)
    rows = row(shape, n_values), row(strides, n_values)
    replace_pickle(voice, tensor(n_values, rows[0], rows[1], offset))
    assert said in complaint(voice)


def test_values_that_are_not_there_are_refused(voice: Path) -> None:
    n_values = count_values(voice)
    replace_pickle(voice, tensor(n_values + 1, number(5) + b"\x85", number(1) + b"\x85"))
    assert "the values of a tensor are missing or cut short" in complaint(voice)


def test_a_tensor_spread_over_few_values_takes_no_more_than_it_should(voice: Path) -> None:
    """One value may stand for all of a tensor; what it is taken for is bound by the config."""
    spread = torch.zeros(1).half().expand(10**12)
    edit_voice(voice, lambda saved: saved["weight"].update({"dec.conv_pre.bias": spread}))
    assert "dec.conv_pre.bias has the shape (1000000000000,) instead of (64,)" in complaint(voice)
