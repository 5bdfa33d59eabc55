"""What an RVC voice comes in: torch's archives and the pickle in them, safetensors, indexes, and
zip archives of all these. An input is a byte that says which, and the file."""

from __future__ import annotations

import io
import shutil
import tempfile
import warnings
import zipfile
from pathlib import Path

from stages.errors import UnusableModel
from stages.rvc.voices.file import read_voice
from stages.rvc.voices.header import read_header
from stages.rvc.voices.index import read_index
from stages.rvc.voices.received import check_voice
from stages.rvc.voices.unpacking import unpack

FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-")
ROOT = Path(FOLDER.name)
FILE = ROOT / "sent"
WIDTH = 4
"""Of an index: real ones have 256 or 768."""
MOST_TOLD_CHARS = 2000
MOST_BYTES = 100_000
"""That may come out of an archive."""

VALUES = {f"data/{number}": bytes(size) for number, size in enumerate((4, 64, 4096))}
"""The files of values beside a pickle."""


def run(data: bytes) -> None:
    """It is read or refused. Nothing is written where it should not be, and nothing runs."""
    kinds = _pickle, _voice, _voice, _index, _archive, _sent
    FILE.write_bytes(data[1:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's, of names that come twice; pickletools'
        try:
            kinds[(data[0] if data else 0) % len(kinds)](data[1:])
        except UnusableModel as error:
            assert 0 < len(str(error)) < MOST_TOLD_CHARS


def _pickle(data: bytes) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in {"data.pkl": data, **VALUES}.items():
            archive.writestr(f"voice/{name}", content)
    FILE.write_bytes(file.getvalue())
    _voice(data)


def _voice(_: bytes) -> None:
    read_header(FILE)
    read_voice(FILE)


def _index(data: bytes) -> None:
    index = read_index(FILE, WIDTH)
    assert index.n_bytes <= 10 * len(data)
    few = index.vectors[:5]
    assert index.blend(few, 0.5).shape == few.shape


def _archive(_: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=ROOT) as outer:
        into = Path(outer, "inner", "into")
        try:
            unpack(FILE, into, max_bytes=MOST_BYTES)
        finally:
            _check_written(Path(outer), into)


def _sent(_: bytes) -> None:
    """As the port has it checked before anybody can choose it."""
    with tempfile.TemporaryDirectory(dir=ROOT) as outer:
        folder = Path(outer, "into")
        sent = Path(shutil.copy(FILE, Path(outer, "file")))
        try:
            check_voice(sent, folder, max_bytes=MOST_BYTES)
        except UnusableModel as error:
            assert str(ROOT) not in str(error)
            raise
        finally:
            sent.unlink(missing_ok=True)
            _check_written(Path(outer), folder)


def _check_written(outer: Path, into: Path) -> None:
    written = [each for each in outer.rglob("*") if each.is_symlink() or each.is_file()]
    assert all(each.is_relative_to(into) and not each.is_symlink() for each in written)
    assert sum(each.stat().st_size for each in written) <= 2 * MOST_BYTES
