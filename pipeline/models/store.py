"""The models that can be had, where their files lie, and whether these are whole.

Only `server.py fetch` downloads (pipeline/models/fetch.py). What it has fetched lies in a folder of
its own under the models folder, beside a list with each file's size and checksum; this module
reads that list. It needs nothing but the light set of packages, so that a server without models
can say what it lacks.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field, ValidationError

from stages import rvc
from stages.tts import soprano

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANIFEST = "fetched.json"
"""The list, in the model's folder."""

READ_BYTES = 1 << 20
"""At a time, for a checksum: larger pieces are no faster, and a model need not fit in memory."""


class StoreError(Exception):
    """A model cannot be had, in one line for the person who asked for it."""


@dataclass(frozen=True)
class Source:
    """A model and where it comes from: a row of `SOURCES`."""

    name: str
    folder: str
    """Under the models folder. It is the fetcher's own: it is replaced as a whole."""
    repo: str
    files: tuple[str, ...]
    """At the top of the repository. Without any of them the model does not run."""
    optional: tuple[str, ...] = ()
    """Fetched if the repository has them: not every release does."""


RVC_REPO = "lj1995/VoiceConversionWebUI"
"""RVC's own."""

SOURCES = {
    source.name: source
    for source in [
        Source(
            name="soprano",
            folder="soprano",
            repo="ekwek/Soprano-1.1-80M",
            files=soprano.FILES,
            optional=("generation_config.json", "special_tokens_map.json"),
        ),
        # A repository of many large files: no other one is asked for.
        Source(name="hubert", folder="hubert", repo=RVC_REPO, files=(rvc.HUBERT_FILE,)),
        Source(name="rmvpe", folder="rmvpe", repo=RVC_REPO, files=(rvc.RMVPE_FILE,)),
    ]
}


class FetchedFile(BaseModel, frozen=True):
    """A file as it was when it was fetched."""

    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(BaseModel, frozen=True):
    """What was fetched, and the one commit that all of it is from."""

    repo: str
    commit: Annotated[str, Field(pattern="^[0-9a-f]{40}$")]
    files: dict[str, FetchedFile]


def read_manifest(folder: Path) -> Manifest | None:
    """None where nothing was fetched; `StoreError` where the list is no list."""
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        msg = f"{path} is not what fetch wrote; move {folder} away and fetch again"
        raise StoreError(msg) from None


def problems(source: Source, models: Path) -> list[str]:
    """What is missing or was changed since it was fetched, a line each; none if all is well.

    It reads every byte: half a second for Soprano."""
    folder = models / source.folder
    try:
        manifest = read_manifest(folder)
    except StoreError as error:
        return [str(error)]
    if manifest is None:
        return [f"{folder} was not fetched: it has no {MANIFEST}"]
    never = [name for name in source.files if name not in manifest.files]
    found = [f"{folder / name} was not fetched" for name in never]
    for name, fetched in manifest.files.items():
        path = folder / name
        if not path.is_file():
            found.append(f"{path} is missing")
        elif (size := path.stat().st_size) != fetched.size:
            found.append(f"{path} has {size} bytes; {fetched.size} were fetched")
        elif sha256(path) != fetched.sha256:
            found.append(f"{path} is not what was fetched: its checksum differs")
    return found


def sha256(path: Path) -> str:
    """The checksum of the lists, and of large files on the hub."""
    return _digest(path, hashlib.sha256())


def git_blob_id(path: Path) -> str:
    """Git's name for the content: what the hub tells of small files."""
    size = path.stat().st_size
    return _digest(path, hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False))


def _digest(path: Path, digest: hashlib._Hash) -> str:
    with path.open("rb") as file:
        while data := file.read(READ_BYTES):
            digest.update(data)
    return digest.hexdigest()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A full disk, and what is like it, in words: the bare error does not name the file."""
    try:
        yield
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror}; the next fetch goes on from what is there"
        raise StoreError(msg) from error


def in_bytes(n: int) -> str:
    """A size in decimal units, as disks are sold and as the progress bars count."""
    size = float(n)
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} EB"
