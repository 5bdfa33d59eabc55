"""Voices in zip archives, as people download them: unpacked once, and kept while the archive is as
it was.

What is unpacked lies in a hidden folder beside the archives, or where that cannot be written, in a
temporary one. Of each archive only what belongs to voices is taken. It comes from a stranger: its
names, its number of files and what they swell to are checked before any is written.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
import stat
import tempfile
import zipfile
import zlib
from contextlib import closing, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from stages.error_text import MAX_NAME_CHARS, one_line, reason
from stages.errors import UnusableModel
from stages.neural.archives import check_directory
from stages.temporary_folders import TemporaryFolder, sweep

if TYPE_CHECKING:
    from collections.abc import Iterable

VOICE_SUFFIXES = frozenset({".pth", ".safetensors"})
ZIP = ".zip"
TAKEN = VOICE_SUFFIXES | {".index", ".toml"}
"""Suffixes of the files that are unpacked. Archives in an archive are looked into, too."""

MAX_UNPACKED_BYTES = 2_000_000_000
"""The most in one archive: a checkpoint of 450 MB, an index of 620, and some more."""
MAX_SWELLING = 30
"""Bytes for each byte of the archive. Weights and indexes are noise, which packs to its half."""
SMALL_BYTES = 10_000_000
"""What may swell to any degree: an index of nothing but zeros."""

MAX_UNPACKED_FILES = 1000
MAX_PARTS = 16
"""Folders below one another, with the file in them."""

CACHE = ".unpacked"
UNFINISHED = ".unfinished-"
ELSEWHERE = "voice-server-voices-"
"""What begins the name of a cache in the system's temporary folder."""

_COPY_BYTES = 1 << 20
_UTF_8, _ENCRYPTED = 0x800, 0x1
"""Flags of an entry (APPNOTE.TXT of the zip format, 4.4.4)."""
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""Those that zipfile unpacks piece by piece. With bzip2 and LZMA it unpacks all that it has read at
once: a kilobyte becomes gigabytes in memory, whatever size the entry says it has."""
_FAULTS = frozenset({errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL})
"""Errors of the system that an archive's names and numbers lead to, and not the disk."""


class Archives:
    """Archives in folders, and where they are unpacked. One thread at a time may use this."""

    def __init__(self) -> None:
        self._refusals: dict[str, str] = {}
        self._temporary: dict[Path, TemporaryFolder] = {}  # for folders that cannot be written

    def unpacked(self, root: Path, archive: Path) -> Path:
        """The folder with what an archive somewhere in the folder `root` holds; it has the
        archive's name without the suffix. Raises `UnusableModel`."""
        key = _key(root, archive)
        for cache in self._caches(root):
            if (cache / key).is_dir():
                return cache / key / archive.stem
        if key not in self._refusals:
            try:
                return self._unpack(root, archive, key)
            except UnusableModel as error:
                self._refusals[key] = str(error)
            except OSError as error:  # the disk's, which may have room the next time
                msg = f"{archive} cannot be unpacked: {error.strerror}"
                raise UnusableModel(msg) from error
        raise UnusableModel(self._refusals[key])

    def sweep(self, root: Path, archives: Iterable[Path]) -> None:
        """Remove what was unpacked from other archives than these in a folder, or from what they
        were before."""
        keys = set()
        for archive in archives:
            with suppress(UnusableModel):  # it has gone
                keys.add(_key(root, archive))
        for cache in self._caches(root):
            sweep(cache, UNFINISHED)
            for folder in _entries(cache):
                if folder.name not in keys and not folder.name.startswith(UNFINISHED):
                    shutil.rmtree(folder, ignore_errors=True)
            if not keys:
                with suppress(OSError):
                    cache.rmdir()

    def _unpack(self, root: Path, archive: Path, key: str) -> Path:
        cache = self._cache(root)
        with closing(TemporaryFolder(UNFINISHED, cache)) as unfinished:
            inner = unfinished.path / key
            unpack(archive, inner / archive.stem, max_bytes=MAX_UNPACKED_BYTES)
            with suppress(FileExistsError):  # another server has unpacked it meanwhile
                inner.rename(cache / key)
        return cache / key / archive.stem

    def _caches(self, root: Path) -> list[Path]:
        temporary = self._temporary.get(root)
        return [root / CACHE] if temporary is None else [root / CACHE, temporary.path]

    def _cache(self, root: Path) -> Path:
        try:
            (root / CACHE).mkdir(exist_ok=True)
            with tempfile.TemporaryFile(dir=root / CACHE):
                return root / CACHE
        except OSError:  # a folder that may only be read
            folder = self._temporary.get(root)
            if folder is None or not folder.path.is_dir():
                folder = self._temporary[root] = TemporaryFolder(ELSEWHERE)
            return folder.path


def unpack(archive: Path, into: Path, *, max_bytes: int) -> None:
    """Write what belongs to voices into a new folder, archives in the archive included: so many
    bytes at most. Raises `UnusableModel` and `OSError`."""
    _Unpacking(archive, max_bytes).take(archive, into)


class _Unpacking:
    """One archive on its way, and what may still come out of it."""

    def __init__(self, archive: Path, max_bytes: int) -> None:
        self._name = str(archive)
        self._n_packed = archive.stat().st_size
        self._n_unpacked = 0
        self._n_files = 0
        self._max_bytes = max_bytes

    def take(self, archive: Path, into: Path, *, inner: str | None = None) -> None:
        """Take an archive, or an `inner` one of this name that lies in it."""
        name = self._name if inner is None else f"{self._name}: {inner}"
        into.mkdir(parents=True)
        try:
            with archive.open("rb") as file:
                check_directory(name, file, may_have_comment=True)
                with zipfile.ZipFile(file) as opened:
                    self._take_all(opened, into, is_inner=inner is not None)
        # What zipfile raises where an entry is damaged, or packed in a way that it does not know.
        except (EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise UnusableModel(f"{name} cannot be unpacked: {reason(error)}") from error
        except OSError as error:
            if error.errno not in _FAULTS:
                raise
            raise UnusableModel(f"{name} cannot be unpacked: {error.strerror}") from error

    def _take_all(self, opened: zipfile.ZipFile, into: Path, *, is_inner: bool) -> None:
        for entry in opened.infolist():
            path = self._path(entry)
            # zipfile cannot tell of an empty name whether it is a folder's.
            if not entry.filename or entry.is_dir() or _is_hidden(path):
                continue
            suffix = path.suffix.lower()
            if suffix not in TAKEN and suffix != ZIP:
                continue
            if entry.flag_bits & _ENCRYPTED:
                raise self._refusal("is encrypted: unpack it into a folder, with its password")
            if entry.compress_type not in _METHODS:
                raise self._refusal(
                    "is packed in a way that is not read here: unpack it into a folder, or pack it"
                    " by the method that all programs know (Deflate)"
                )
            self._count(entry)
            target = into / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(entry) as source, target.open("xb") as copy:
                shutil.copyfileobj(source, copy, _COPY_BYTES)
            if suffix == ZIP:
                if is_inner:
                    raise self._refusal(f"is packed three times: unpack {_shown(entry)} yourself")
                self.take(target, target.with_suffix(""), inner=_shown(entry))
                target.unlink()

    def _path(self, entry: zipfile.ZipInfo) -> PurePosixPath:
        """The name of an entry, if it stays in the folder that it is unpacked into."""
        name = entry.filename
        if not entry.flag_bits & _UTF_8:  # macOS writes UTF-8 and does not say so
            with suppress(UnicodeError):
                name = name.encode("cp437").decode()
        path = PurePosixPath(name.replace("\\", "/"))
        is_link = stat.S_ISLNK(entry.external_attr >> 16)
        if len(path.parts) > MAX_PARTS:
            raise self._refusal(f"is not safe to unpack: {_shown(entry)} lies too deep")
        if is_link or path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name:
            what = "is a link" if is_link else "lies outside of the archive"
            raise self._refusal(f"is not safe to unpack: {_shown(entry)} {what}")
        return path

    def _count(self, entry: zipfile.ZipInfo) -> None:
        self._n_files += 1
        if self._n_files > MAX_UNPACKED_FILES:
            raise self._refusal(f"holds more than {MAX_UNPACKED_FILES} files of voices")
        self._n_unpacked += entry.file_size
        if self._n_unpacked > self._max_bytes:
            raise self._refusal(f"would unpack to more than {self._max_bytes} bytes")
        if self._n_unpacked > SMALL_BYTES + MAX_SWELLING * self._n_packed:
            raise self._refusal(
                f"would swell to more than {MAX_SWELLING} times its size, as no voice does"
            )

    def _refusal(self, what: str) -> UnusableModel:
        return UnusableModel(f"{self._name} {what}")


def _is_hidden(path: PurePosixPath) -> bool:
    """Whether it is one of what macOS packs beside each file, or any other hidden file."""
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)


def _shown(entry: zipfile.ZipInfo) -> str:
    return one_line(entry.filename, MAX_NAME_CHARS)


def _key(root: Path, archive: Path) -> str:
    """A name for what is unpacked: another one for each archive, and when it has changed."""
    try:
        status = archive.stat()
    except OSError as error:
        raise UnusableModel(f"{archive} cannot be read: {error.strerror}") from error
    words = f"{archive.relative_to(root)}\0{status.st_mtime_ns}\0{status.st_size}"
    return hashlib.sha256(words.encode(errors="surrogateescape")).hexdigest()[:16]


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
