"""A voice that somebody has sent: laid out as a folder of voices has it, and read as a whole before
anybody can choose it. What it is, its first bytes say."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from stages.error_text import without_folders
from stages.errors import UnusableModel
from stages.neural.archives import check_directory
from stages.neural.safetensors_outline import is_safetensors
from stages.rvc.voices.library import describe, find_voices
from stages.rvc.voices.unpacking import VOICE_SUFFIXES, unpack

if TYPE_CHECKING:
    from pathlib import Path

ALONE = "voice"
"""The name of a voice file that was sent by itself; its folder has the voice's."""

_ZIP, _PICKLE = b"PK\3\4", b"\x80"
_OTHERS = {
    b"7z\xbc\xaf\x27\x1c": "a 7z archive: unpack it, and send its .pth, or a .zip",
    b"Rar!\x1a\x07": "a RAR archive: unpack it, and send its .pth, or a .zip",
    b"IwFl": "an index: send the voice first, and the index to it",
    b"IxF2": "an index: send the voice first, and the index to it",
    b"\x08": "an ONNX export, which cannot be streamed: send the .pth that it was made of",
}
"""What else people have, by how it begins. (ONNX: the first field of a protobuf, a version.)"""


def check_voice(sent: Path, folder: Path, *, max_bytes: int) -> None:
    """Move what was sent into this folder, which is new, and alone where it lies: a voice, or what
    an archive of one voice holds, so many bytes at most. It is read as it would be to be spoken
    with. Raises `UnusableModel`, whose message does not tell where these folders lie, and
    `OSError`."""
    try:
        _lay_out(sent, folder, max_bytes=max_bytes)
        _read(folder)
    except UnusableModel as error:
        told = str(error)
        for place in (sent, *(folder / f"{ALONE}{suffix}" for suffix in VOICE_SUFFIXES)):
            told = told.replace(str(place), "the file")
        raise UnusableModel(told.replace(f"{folder.parent}/", "")) from error


def check_index(sent: Path, voice: Path) -> None:
    """Read an index as it would be to be spoken with this voice. Raises `UnusableModel`, without
    the file's place."""
    from stages.rvc.voices.index import read_index  # noqa: PLC0415 - imports torch

    try:
        read_index(sent, describe(voice).content_width)
    except UnusableModel as error:
        told = str(error).replace(str(sent), "the index")
        raise UnusableModel(without_folders(told, [voice])) from error


def _lay_out(sent: Path, folder: Path, *, max_bytes: int) -> None:
    with sent.open("rb") as file:
        start = file.read(9)
        if start.startswith(_ZIP):
            check_directory(sent, file, may_have_comment=True)
            with _opened(sent) as archive:
                is_voice = any(name.endswith("/data.pkl") for name in archive.namelist())
            if not is_voice:
                unpack(sent, folder, max_bytes=max_bytes)
                return
    for begins, what in _OTHERS.items():
        if start.startswith(begins) and not is_safetensors(start):
            raise UnusableModel(f"this is {what}")
    if not (start.startswith((_ZIP, _PICKLE)) or is_safetensors(start)):
        msg = "this is no voice: send RVC's .pth, a .safetensors, or a .zip with one voice in it"
        raise UnusableModel(msg)
    folder.mkdir()
    suffix = ".safetensors" if is_safetensors(start) else ".pth"
    sent.rename(folder / f"{ALONE}{suffix}")


def _opened(sent: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(sent)
    except (ValueError, RuntimeError, zipfile.BadZipFile) as error:
        raise UnusableModel(f"{sent} is not a zip archive, or it is cut short") from error


def _read(folder: Path) -> None:
    from stages.rvc.voices.file import read_voice  # noqa: PLC0415 - imports torch
    from stages.rvc.voices.index import read_index  # noqa: PLC0415 - likewise

    found = find_voices([folder.parent], None)
    voices = [*found.voices.values()]
    if len(voices) != 1:
        names = ", ".join(sorted(found.voices)[:3])
        what = f"{len(voices)} voices, {names}: send each by itself" if voices else "no voice"
        raise UnusableModel("; ".join([f"this archive holds {what}", *found.problems[:3]]))
    (voice,) = voices
    config = read_voice(voice.path).config
    if voice.index is not None:
        read_index(voice.index, config.content_width)
