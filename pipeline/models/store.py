"""The models that can be fetched, their folders, and whether their files are whole.

Only `server.py fetch` downloads (pipeline/models/fetch.py). Each model has a folder of its own
under the models folder, with a list of its files' sizes and checksums; this module reads that list.
It needs only the light set of packages, so that a server without models can say what it lacks.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field, ValidationError

from pipeline.models.errors import StoreError
from stages import rvc
from stages.tts import soprano

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

MANIFEST = "fetched.json"
"""The name of that list."""


@dataclass(frozen=True)
class ModelSource:
    """A model and the repository that it comes from: a row of `SOURCES`."""

    name: str
    folder: str
    """Under the models folder. A fetch replaces it as a whole."""
    repo: str
    files: tuple[str, ...]
    """Names in the repository's folder. The model needs all of them."""
    optional: tuple[str, ...] = ()
    """Fetched where the repository has them, which not every release does."""
    at: str = ""
    """That folder, with a slash behind it; empty: the repository's top."""

    def absence(self, missing: Sequence[str], commit: str, there: Iterable[str]) -> str:
        """A sentence: these files are missing at a commit, where `there` are all that it has."""
        del there
        return f"{self.repo} has no {' and no '.join(missing)} at {commit}"

    def terms(self, folder: Path) -> str | None:
        """The terms of what was fetched into a folder, where its files tell them."""
        del folder
        return None


RVC_REPO = "lj1995/VoiceConversionWebUI"
"""The RVC project's own."""

SOURCES = {
    source.name: source
    for source in [
        ModelSource(
            name="soprano",
            folder="soprano",
            repo="ekwek/Soprano-1.1-80M",
            files=soprano.FILES,
            optional=("generation_config.json", "special_tokens_map.json"),
        ),
        # Its repository has many more large files, which are not fetched.
        ModelSource(name="hubert", folder="hubert", repo=RVC_REPO, files=(rvc.HUBERT_FILE,)),
        ModelSource(name="rmvpe", folder="rmvpe", repo=RVC_REPO, files=(rvc.RMVPE_FILE,)),
    ]
}


class FetchedFile(BaseModel, frozen=True):
    """The size and checksum of a file when it was fetched."""

    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(BaseModel, frozen=True):
    """The list of a model's fetched files, all from one commit."""

    repo: str
    commit: Annotated[str, Field(pattern="^[0-9a-f]{40}$")]
    files: dict[str, FetchedFile]


def read_manifest(folder: Path) -> Manifest | None:
    """The list of a folder; None where nothing was fetched. Raises `StoreError` where it is
    malformed."""
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        msg = f"{path} is not what fetch wrote; move {folder} away and fetch again"
        raise StoreError(msg) from None


def problems(source: ModelSource, models: Path) -> list[str]:
    """A line for each file that is missing or was changed since it was fetched.

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
    """The checksum of files in the list, and of large files on the hub."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_blob_id(path: Path) -> str:
    """Git's name for a content, which is the hub's checksum of small files."""
    begun = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: begun).hexdigest()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A context that names the file in errors of writing it, such as a full disk's: `OSError` does
    not, where a file is already open."""
    try:
        yield
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror}; the next fetch goes on from what is there"
        raise StoreError(msg) from error


def format_bytes(n: int) -> str:
    """A size in decimal units, as disks are sold and as the progress bars count."""
    size = float(n)
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} EB"
