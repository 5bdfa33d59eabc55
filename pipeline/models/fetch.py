"""Fetching models from the hub: nothing but whole ones.

A model is put together in a hidden folder beside its own (`models/.soprano.part`), checked file
by file, and then moved into place as one, so that a server finds all of it or none. What an
interrupted fetch leaves in the hidden folder, the next one goes on from.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from pipeline.models.store import (
    MANIFEST,
    FetchedFile,
    Manifest,
    StoreError,
    in_bytes,
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
    from pipeline.models.store import Source

log = structlog.stdlib.get_logger(__name__)

DEFAULT_REVISION = "main"


def fetch_model(source: Source, models: Path, revision: str | None) -> None:
    """Get one. Without a revision it stays with the commit that it has, and is mended."""
    folder = (models / source.folder).resolve()  # the renames are for where a link leads
    with _staging_folder(folder) as staging:
        manifest = read_manifest(folder)
        if manifest is None and folder.is_dir() and any(folder.iterdir()):
            msg = f"{folder} was not fetched: it has no {MANIFEST}; move it away to fetch it"
            raise StoreError(msg)
        faults = [] if manifest is None else problems(source, models)
        if manifest is not None and manifest.repo == source.repo and revision is None:
            revision = manifest.commit
            to_move = f"--revision {DEFAULT_REVISION} would move it on"
            log.info("%s keeps to its commit, %s; %s", source.name, revision, to_move)
        for fault in faults:
            log.info("%s", fault)
        if manifest is not None and manifest.commit == revision and not faults:
            log.info("%s is whole", folder)
            return
        snapshot = _ask_hub(source, revision or DEFAULT_REVISION)
        if manifest is not None and manifest.commit == snapshot.commit and not faults:
            log.info("%s is whole, and has commit %s already", folder, snapshot.commit)
            return
        wanted = _choose(source, snapshot)
        lacking = _take_over(wanted, folder, staging)
        _check_room(source, lacking, staging)
        log.info("%s: commit %s of %s", source.name, snapshot.commit, source.repo)
        for file in lacking:
            _get(snapshot, file, staging)
        _write_manifest(snapshot, wanted, staging)
        _put_into_place(staging, folder)
        log.info("wrote %s", folder)


@contextmanager
def _staging_folder(folder: Path) -> Iterator[Path]:
    """Where the model is put together: for one process at a time."""
    staging = folder.with_name(f".{folder.name}.part")
    staging.mkdir(parents=True, exist_ok=True)
    lock = _lock(staging)
    try:
        _end_a_move(folder)
        yield staging
    finally:
        with suppress(OSError):  # there is something in it to go on from, or it was moved
            staging.rmdir()
        os.close(lock)


def _lock(staging: Path) -> int:
    """The system undoes it when the process ends, however it ends."""
    lock = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        msg = f"another fetch is at work in {staging}"
        raise StoreError(msg) from None
    return lock


def _ask_hub(source: Source, revision: str) -> Snapshot:
    endpoint = os.environ.get("HF_ENDPOINT")
    if endpoint is not None and not _is_address(endpoint):
        msg = f"HF_ENDPOINT, {endpoint!r}, is no address such as https://huggingface.co"
        raise StoreError(msg)
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


def _choose(source: Source, snapshot: Snapshot) -> list[HubFile]:
    missing = [name for name in source.files if name not in snapshot.files]
    if missing:
        msg = f"{source.repo} has no {' and no '.join(missing)} at {snapshot.commit}"
        raise StoreError(msg)
    names = source.files + source.optional
    return [snapshot.files[name] for name in names if name in snapshot.files]


def _part(file: HubFile, staging: Path) -> Path:
    """The part of a file that has come. Its name has the checksum: another commit's part is none
    of this one's."""
    return staging / f"{file.name}.{file.checksum}.part"


def _take_over(wanted: list[HubFile], folder: Path, staging: Path) -> list[HubFile]:
    """Use what is in the model's folder already, and what an earlier fetch got; say what lacks."""
    useful = {file.name for file in wanted} | {_part(file, staging).name for file in wanted}
    for path in staging.iterdir():
        if path.name not in useful:
            path.unlink()  # of a commit that is no longer asked for
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


def _check_room(source: Source, lacking: list[HubFile], staging: Path) -> None:
    parts = [_part(file, staging) for file in lacking]
    has_come = sum(part.stat().st_size for part in parts if part.exists())
    needed = sum(file.size for file in lacking) - has_come
    free = shutil.disk_usage(staging).free
    if needed > free:
        msg = (
            f"{source.name} needs {in_bytes(needed)} in {staging.parent}, and"
            f" {in_bytes(free)} are free; nothing was fetched"
        )
        raise StoreError(msg)


def _get(snapshot: Snapshot, file: HubFile, staging: Path) -> None:
    from pipeline.models.hub import receive  # noqa: PLC0415 - needs huggingface_hub

    part = _part(file, staging)
    receive(snapshot, file, part)
    if not file.is_at(part):
        part.unlink()
        msg = (
            f"{file.name}, as it came, does not have the checksum that the hub tells for it:"
            " it was deleted; fetch again"
        )
        raise StoreError(msg)
    part.rename(staging / file.name)
    log.info("%s: %s, checksum right", file.name, in_bytes(file.size))


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


def _put_into_place(staging: Path, folder: Path) -> None:
    """Linux can exchange two folders in one step, but Python cannot ask it to: between the two
    renames there is no model, and never half of one."""
    if folder.exists():
        folder.rename(_old(folder))
    staging.rename(folder)
    _end_a_move(folder)


def _end_a_move(folder: Path) -> None:
    """Whatever was cut off in the middle of putting a new model into place is ended here."""
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
            path.rename(folder / path.name)  # somebody's own: it is not ours to delete
    shutil.rmtree(old)


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")
