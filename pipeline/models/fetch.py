"""Fetching models from the hub, each as a whole.

A model is put together in a hidden folder beside its own (`models/.soprano.part`), checked file
by file, and then moved into place at once, so that a server finds all of it or none. The next fetch
resumes from what an interrupted one leaves in the hidden folder.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from pipeline.models.errors import StoreError
from pipeline.models.store import (
    MANIFEST,
    FetchedFile,
    Manifest,
    format_bytes,
    problems,
    read_manifest,
    sha256,
    writing,
)
from stages.install_hints import install_hints

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.models.hub import HubFile, Snapshot
    from pipeline.models.store import ModelSource

log = structlog.stdlib.get_logger(__name__)

DEFAULT_REVISION = "main"


def fetch_model(source: ModelSource, models: Path, revision: str | None) -> None:
    """Fetch or repair a model. Without a revision it keeps to the commit that it has."""
    folder = (models / source.folder).resolve()  # the renames are for where a link leads
    with _staging_folder(folder) as staging:
        manifest = read_manifest(folder)
        if manifest is None and folder.is_dir() and any(folder.iterdir()):
            msg = f"{folder} was not fetched: it has no {MANIFEST}; move it away to fetch it"
            raise StoreError(msg)
        faults = [] if manifest is None else problems(source, models)
        whole_at = None if manifest is None or faults else manifest.commit
        if manifest is not None and manifest.repo == source.repo and revision is None:
            revision = manifest.commit
            to_move = f"--revision {DEFAULT_REVISION} would move it on"
            log.info("%s keeps to its commit, %s; %s", source.name, revision, to_move)
        for fault in faults:
            log.info("%s", fault)
        if whole_at is not None and whole_at == revision:
            log.info("%s is whole", folder)
            _tell_terms(source, folder)
            return
        whole_repository = _ask_hub(source, revision or DEFAULT_REVISION)
        snapshot = whole_repository.under(source.at)
        if whole_at == snapshot.commit:
            log.info("%s is whole, and has commit %s already", folder, snapshot.commit)
            return
        wanted = _choose_files(source, snapshot, whole_repository)
        lacking = _reuse(wanted, folder, staging)
        _check_free_space(source, lacking, staging)
        log.info("%s: commit %s of %s", source.name, snapshot.commit, source.repo)
        for file in lacking:
            _download(snapshot, file, staging)
        _write_manifest(snapshot, wanted, staging)
        _tell_terms(source, staging)
        _swap_in(staging, folder)
        log.info("wrote %s", folder)


@contextmanager
def _staging_folder(folder: Path) -> Iterator[Path]:
    """The hidden folder in which the model is put together, for one process at a time."""
    staging = folder.with_name(f".{folder.name}.part")
    staging.mkdir(parents=True, exist_ok=True)
    lock = _lock(staging)
    try:
        _finish_swap(folder)
        yield staging
    finally:
        with suppress(OSError):  # it holds something to resume from, or was moved
            staging.rmdir()
        os.close(lock)


def _lock(staging: Path) -> int:
    """A lock on the folder. The system releases it however the process ends."""
    lock = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise StoreError(f"another fetch is at work in {staging}") from None
    return lock


def _ask_hub(source: ModelSource, revision: str) -> Snapshot:
    endpoint = os.environ.get("HF_ENDPOINT")
    if endpoint is not None and not _is_address(endpoint):
        raise StoreError(f"HF_ENDPOINT, {endpoint!r}, is no address such as https://huggingface.co")
    # Imported here: the light set of packages has no huggingface_hub, and the server needs none.
    try:
        from pipeline.models import hub  # noqa: PLC0415
    except ModuleNotFoundError as error:
        msg = f"to fetch models, {error.name} is needed; to get it: {install_hints().packages}"
        raise StoreError(msg) from error
    return hub.snapshot(source.repo, revision)


def _is_address(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _choose_files(
    source: ModelSource, snapshot: Snapshot, whole_repository: Snapshot
) -> list[HubFile]:
    missing = [name for name in source.files if name not in snapshot.files]
    if missing:
        raise StoreError(source.absence(missing, snapshot.commit, whole_repository.files))
    names = source.files + source.optional
    return [snapshot.files[name] for name in names if name in snapshot.files]


def _part(file: HubFile, staging: Path) -> Path:
    """The path of a partial file. The checksum in its name keeps the commits' parts apart."""
    return staging / f"{file.name}.{file.checksum}.part"


def _reuse(wanted: list[HubFile], folder: Path, staging: Path) -> list[HubFile]:
    """Take what the model's folder and an earlier fetch have already; returns what is missing."""
    useful = {file.name for file in wanted} | {_part(file, staging).name for file in wanted}
    for path in staging.iterdir():
        if path.name not in useful:
            path.unlink()  # from a commit that is no longer asked for
    lacking = []
    for file in wanted:
        ours, staged = folder / file.name, staging / file.name
        if file.is_at(staged):
            continue
        staged.unlink(missing_ok=True)
        if not file.is_at(ours):
            lacking.append(file)
            continue
        try:
            staged.hardlink_to(ours)
        except OSError:  # a file system that has no links
            with writing(staged):
                shutil.copyfile(ours, staged)
    return lacking


def _check_free_space(source: ModelSource, lacking: list[HubFile], staging: Path) -> None:
    parts = [_part(file, staging) for file in lacking]
    has_come = sum(part.stat().st_size for part in parts if part.exists())
    needed = sum(file.size for file in lacking) - has_come
    free = shutil.disk_usage(staging).free
    if needed > free:
        raise StoreError(
            f"{source.name} needs {format_bytes(needed)} in {staging.parent}, and"
            f" {format_bytes(free)} are free; nothing was fetched"
        )


def _download(snapshot: Snapshot, file: HubFile, staging: Path) -> None:
    part = _part(file, staging)
    snapshot.download(file, part)
    if not file.is_at(part):
        part.unlink()
        raise StoreError(
            f"{file.name}, as it came, does not have the checksum that the hub tells for it:"
            " it was deleted; fetch again"
        )
    part.rename(staging / file.name)
    log.info("%s: %s, checksum right", file.name, format_bytes(file.size))


def _tell_terms(source: ModelSource, folder: Path) -> None:
    if (terms := source.terms(folder)) is not None:
        log.info("%s: %s", source.name, terms)


def _write_manifest(snapshot: Snapshot, wanted: list[HubFile], staging: Path) -> None:
    files = {
        file.name: FetchedFile(size=file.size, sha256=sha256(staging / file.name))
        for file in wanted
    }
    manifest = Manifest(repo=snapshot.repo, commit=snapshot.commit, files=files)
    path = staging / MANIFEST
    with writing(path), path.open("w") as file:
        file.write(manifest.model_dump_json(indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _swap_in(staging: Path, folder: Path) -> None:
    """Move the new folder into the place of the old one. Linux could exchange them in one step, but
    Python has no call for it: between the two renames there is no model, and never half of one."""
    if folder.exists():
        folder.rename(_old(folder))
    staging.rename(folder)
    _finish_swap(folder)


def _finish_swap(folder: Path) -> None:
    """Finish a move into place that was interrupted, or clean up after one."""
    old = _old(folder)
    if not old.exists():
        return
    if not folder.exists():
        old.rename(folder)  # the new one had not come yet
        return
    manifest = read_manifest(old)
    replaced = {MANIFEST} if manifest is None else {MANIFEST, *manifest.files}
    for path in old.iterdir():
        if path.name not in replaced and not (folder / path.name).exists():
            path.rename(folder / path.name)  # not fetched, so not ours to delete
    shutil.rmtree(old)


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")
