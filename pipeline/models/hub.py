"""The Hugging Face hub: the files of a commit, and the download of one of them.

huggingface_hub has the address (`HF_ENDPOINT`), the token (`HF_TOKEN`), the session and the
progress bars. The transfer is ours: its `hf_hub_download` writes to a file with a random name and
deletes it when the transfer breaks (2.4.0), so that nothing can be resumed. Files are asked for by
plain HTTP, also where the hub would offer Xet, which cannot be resumed either.

Import it only to fetch: the light set of packages does not have huggingface_hub.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import httpx2
import structlog
from huggingface_hub import HfApi, constants, get_session, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, tqdm

from pipeline.models.errors import StoreError
from pipeline.models.store import format_bytes, git_blob_id, sha256, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import FileIO

log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T")

RETRY_WAITS_S = (0.5, 1.0, 2.0)
"""Before each new attempt, as long as nothing comes. They bridge a hiccup; nobody need wait longer
in front of a terminal, since the next fetch resumes where this one stopped."""


class Unavailable(StoreError):
    """The hub does not answer, or breaks off: it may do better in a moment."""


@dataclass(frozen=True)
class HubFile:
    """A file as the hub has it at one commit."""

    name: str
    size: int
    checksum: str
    is_large: bool
    """Whether it is kept outside Git (LFS). Then its checksum is a SHA-256, else Git's blob id."""

    def is_at(self, path: Path) -> bool:
        """Whether a path holds exactly this file."""
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        return (sha256 if self.is_large else git_blob_id)(path) == self.checksum


@dataclass(frozen=True)
class Snapshot:
    """A repository at one commit, or a folder of it."""

    repo: str
    commit: str
    files: dict[str, HubFile]
    folder: str = ""
    """Where their names begin, with a slash behind it."""

    def under(self, folder: str) -> Snapshot:
        """A folder of it, whose files have names without it. It ends with a slash."""
        files = {
            name.removeprefix(folder): replace(file, name=name.removeprefix(folder))
            for name, file in self.files.items()
            if name.startswith(folder)
        }
        return replace(self, files=files, folder=self.folder + folder)

    def download(self, wanted: HubFile, part: Path) -> None:
        """Append to a partial file what it lacks. What has come stays, whatever happens."""

        def resume() -> None:
            with _as_store_errors(f"{wanted.name} of {self.repo} at {self.commit}"):
                self._resume(wanted, part)

        _with_retries(resume, lambda: part.stat().st_size if part.exists() else 0)

    def _resume(self, wanted: HubFile, part: Path) -> None:
        # Appending, and past Python's buffer: what was counted is in the file.
        with part.open("ab", buffering=0) as file:
            n_done = file.tell()
            if n_done < wanted.size:
                # A compressed file could not be asked for from its middle.
                headers = build_hf_headers(headers={"Accept-Encoding": "identity"})
                if n_done:
                    headers["Range"] = f"bytes={n_done}-"
                    log.info("%s: going on after %s", wanted.name, format_bytes(n_done))
                url = hf_hub_url(self.repo, self.folder + wanted.name, revision=self.commit)
                timeout_s = constants.HF_HUB_DOWNLOAD_TIMEOUT
                with get_session().stream("GET", url, headers=headers, timeout=timeout_s) as answer:
                    hf_raise_for_status(answer)
                    if answer.status_code != httpx2.codes.PARTIAL_CONTENT:
                        file.truncate(0)  # it sends the whole file again
                        n_done = 0
                    _append(answer, file, n_done, wanted)
            with writing(part):
                os.fsync(file.fileno())  # a disk may say only now that it is full


def snapshot(repo: str, revision: str) -> Snapshot:
    """The commit that a branch, a tag or a commit's name stands for now."""

    def ask() -> Snapshot:
        with _as_store_errors(f"{repo} at {revision}"):
            try:
                info = HfApi().model_info(
                    repo,
                    revision=revision,
                    files_metadata=True,
                    timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
                )
            except (ValueError, KeyError, TypeError) as error:  # no JSON, or other JSON
                msg = f"{constants.ENDPOINT} does not answer as a hub does; is HF_ENDPOINT right?"
                raise StoreError(msg) from error
        files = {}
        for sibling in info.siblings or []:
            large = sibling.lfs
            size = sibling.size if large is None else large.size
            checksum = sibling.blob_id if large is None else large.sha256
            if size is not None and checksum is not None:
                name = sibling.rfilename
                files[name] = HubFile(name, size, checksum, is_large=large is not None)
        if not re.fullmatch("[0-9a-f]{40}", info.sha or "") or not files:
            msg = f"{constants.ENDPOINT} does not tell the commit or the checksums of {repo}"
            raise StoreError(msg)
        return Snapshot(repo, info.sha or "", files)

    return _with_retries(ask, lambda: 0)


def _append(answer: httpx2.Response, file: FileIO, n_done: int, wanted: HubFile) -> None:
    with tqdm(  # type: ignore[no-untyped-call] # huggingface_hub's own has no types
        desc=wanted.name,
        total=wanted.size,
        initial=n_done,
        unit="B",
        unit_scale=True,
        leave=False,  # a line of the log stays
        disable=None,  # without a terminal
    ) as bar:
        for data in answer.iter_bytes():
            rest = memoryview(data)
            with writing(Path(file.name)):
                while rest:
                    rest = rest[file.write(rest) :]
            n_done += len(data)
            bar.update(len(data))
            if n_done > wanted.size:
                return  # this is not the file, however much more there is
    if n_done < wanted.size:
        raise Unavailable(f"{wanted.name} broke off at {n_done} of {wanted.size} bytes")


def _with_retries(step: Callable[[], T], progress: Callable[[], int]) -> T:
    """Repeat a step while the hub is unavailable, with all retries anew after any progress."""
    waits_s = iter(RETRY_WAITS_S)
    while True:
        before = progress()
        try:
            return step()
        except Unavailable as error:
            if progress() > before:
                waits_s = iter(RETRY_WAITS_S)
            wait_s = next(waits_s, None)
            if wait_s is None:
                raise
            log.info("%s; trying again in %g s", error, wait_s)
            time.sleep(wait_s)


@contextmanager
def _as_store_errors(what: str) -> Iterator[None]:
    """Turn each refusal of the hub into a `StoreError` of one line."""
    try:
        yield
    except (HfHubHTTPError, httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise _store_error(what, error) from error


def _store_error(what: str, error: Exception) -> StoreError:
    hub = constants.ENDPOINT
    why = " ".join(str(error).split())
    match error:
        case GatedRepoError():
            return StoreError(
                f"{what} is gated: accept its terms on its page at {hub}, and set HF_TOKEN"
            )
        case RevisionNotFoundError():
            return StoreError(f"{hub} has no {what}: there is no such revision")
        case RemoteEntryNotFoundError():
            return StoreError(f"{hub} has no {what}: there is no such file")
        case RepositoryNotFoundError():
            return StoreError(
                f"{hub} has no {what}, or not for you: is HF_TOKEN set as it must be?"
            )
        case HfHubHTTPError(response=response):
            told = f"{hub}, asked for {what}, says {response.status_code}"
            match response.status_code:
                case httpx2.codes.UNAUTHORIZED | httpx2.codes.FORBIDDEN:
                    return StoreError(f"{told}: it is not for you; is HF_TOKEN set as it must be?")
                case status if status == httpx2.codes.TOO_MANY_REQUESTS or status >= 500:
                    return Unavailable(f"{told}; try again later")
            return StoreError(told)
        case httpx2.TransportError():
            return Unavailable(f"cannot get {what} from {hub}: {why or type(error).__name__}")
    return StoreError(f"cannot get {what} from {hub}: {why}")
