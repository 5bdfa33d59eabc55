"""What is fetched, which commit it is of, and how a model that is there is kept whole."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import random
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.models import store
from tests.local_hub import LISTING, Corrupt, LocalHub
from tests.models.program import (
    FOLDER,
    PROGRAM,
    SOPRANO,
    WEIGHTS,
    commit,
    fetch,
    in_place,
    refused,
    run,
)
from tests.server_process import PATIENCE_S, ROOT

if TYPE_CHECKING:
    import pytest

WITHOUT_LINKS = """
import errno, os, pathlib, runpy, sys

def refuse(path, target):
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(target), None, str(path))

pathlib.Path.hardlink_to = refuse
sys.path.insert(0, sys.argv[1].rpartition("/")[0])
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""As on a USB stick."""


def test_a_model_is_fetched_with_a_list_of_what_it_is(
    hub: LocalHub, files: dict[str, bytes]
) -> None:
    log = fetch()
    assert in_place() == files
    assert json.loads((FOLDER / store.MANIFEST).read_text()) == {
        "repo": SOPRANO.repo,
        "commit": hub.repos[SOPRANO.repo].main,
        "files": {
            name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in files.items()
        },
    }
    assert [path.name for path in Path("models").iterdir()] == ["soprano"]  # nothing is left over
    for name in files:  # no bars where there is no terminal: a line for each file
        assert f"{name}: " in log
    assert "%" not in log
    assert store.problems(SOPRANO, Path("models")) == []


def test_everything_is_asked_for_at_one_commit(hub: LocalHub) -> None:
    fetch("soprano")
    listing, *rest = hub.asked
    assert (listing.name, listing.revision) == (LISTING, "main")
    assert {asked.revision for asked in rest} == {hub.repos[SOPRANO.repo].main, "stored"}


def test_what_rvc_hears_with_is_fetched_without_the_rest_of_its_repository(hub: LocalHub) -> None:
    wanted = {"hubert": "hubert_base.pt", "rmvpe": "rmvpe.pt"}
    held = {name: random.randbytes(100_000) for name in wanted.values()}
    more = {
        name: random.randbytes(100) for name in ("RVC.7z", "pretrained/f0G40k.pth", "rmvpe.onnx")
    }
    hub.publish(store.RVC_REPO, held | more)
    fetch("hubert", "rmvpe")
    for folder, name in wanted.items():
        assert Path("models", folder, name).read_bytes() == held[name]
        assert store.problems(store.SOURCES[folder], Path("models")) == []
    assert {asked.name for asked in hub.asked} == {LISTING, *wanted.values()}
    assert sorted(path.name for path in Path("models").iterdir()) == ["hubert", "rmvpe"]


def test_the_models_folder_can_be_elsewhere(hub: LocalHub, files: dict[str, bytes]) -> None:
    assert hub.url
    fetch("--models", "else/where")
    assert Path("else/where/soprano", WEIGHTS).read_bytes() == files[WEIGHTS]


def test_a_token_goes_to_the_hub_and_no_further(
    hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert "hf_secret" not in fetch()
    for asked in hub.asked:
        expected = None if asked.revision == "stored" else "Bearer hf_secret"
        assert asked.authorization == expected


def test_what_a_release_may_lack_is_not_missed(hub: LocalHub, files: dict[str, bytes]) -> None:
    needed = {name: files[name] for name in SOPRANO.files}
    hub.publish(SOPRANO.repo, needed)
    fetch()
    assert in_place() == needed


def test_a_second_fetch_keeps_to_the_commit_though_main_moved_on(
    hub: LocalHub, files: dict[str, bytes]
) -> None:
    fetch()
    first = commit()
    hub.publish(SOPRANO.repo, files | {"config.json": b"new"})
    hub.asked.clear()
    log = fetch()
    assert f"soprano keeps to its commit, {first}; --revision main would move it on" in log
    assert (commit(), in_place()) == (first, files)
    assert hub.asked == []  # what is whole needs no network


def test_main_is_moved_to_when_it_is_asked_for(hub: LocalHub, files: dict[str, bytes]) -> None:
    """Only what differs is downloaded, and a file that went away goes away."""
    fetch()
    files = files | {"config.json": b"new"}
    del files["generation_config.json"]
    moved = hub.publish(SOPRANO.repo, files)
    hub.asked.clear()
    fetch("--revision", "main")
    assert (commit(), in_place()) == (moved, files)
    assert [asked.name for asked in hub.asked] == [LISTING, "config.json"]
    assert [path.name for path in Path("models").iterdir()] == ["soprano"]
    hub.asked.clear()
    assert "already" in fetch("--revision", "main")
    assert [asked.name for asked in hub.asked] == [LISTING]


def test_a_commit_can_be_asked_for(hub: LocalHub, files: dict[str, bytes]) -> None:
    first = hub.repos[SOPRANO.repo].main
    hub.publish(SOPRANO.repo, files | {"config.json": b"new"})
    fetch("--revision", first)
    assert (commit(), in_place()) == (first, files)


def test_a_model_stays_as_it_is_when_moving_it_on_fails(
    hub: LocalHub, files: dict[str, bytes]
) -> None:
    fetch()
    first = commit()
    hub.publish(SOPRANO.repo, files | {"config.json": b"new", WEIGHTS: b"new"})
    hub.faults[WEIGHTS] = iter([Corrupt()])
    refused("--revision", "main")
    assert (commit(), in_place()) == (first, files)
    assert store.problems(SOPRANO, Path("models")) == []


def damage() -> list[str]:
    """A file gone, one shortened, one changed; what is said of each."""
    (FOLDER / "config.json").unlink()
    (FOLDER / "tokenizer.json").write_bytes(b"short")
    weights = bytearray((FOLDER / WEIGHTS).read_bytes())
    weights[500_000] ^= 1
    (FOLDER / WEIGHTS).write_bytes(weights)
    return [
        "models/soprano/config.json is missing",
        "models/soprano/tokenizer.json has 5 bytes; 100 were fetched",
        "models/soprano/model.safetensors is not what was fetched: its checksum differs",
    ]


def test_a_damaged_model_is_mended_at_its_commit(hub: LocalHub, files: dict[str, bytes]) -> None:
    fetch()
    first = commit()
    hub.publish(SOPRANO.repo, files | {"config.json": b"new"})
    faults = damage()
    assert store.problems(SOPRANO, Path("models")) == faults
    hub.asked.clear()
    log = fetch()
    assert all(fault in log for fault in faults)
    assert (commit(), in_place()) == (first, files)
    asked = {asked.name for asked in hub.asked}
    assert asked == {LISTING, "config.json", "tokenizer.json", WEIGHTS}


def test_what_a_model_lacks_is_told() -> None:
    def found() -> str:
        (problem,) = store.problems(SOPRANO, Path("models"))
        return problem

    assert "was not fetched" in found()
    FOLDER.mkdir(parents=True)
    (FOLDER / store.MANIFEST).write_text("{}")
    assert "is not what fetch wrote" in found()
    nothing = {"repo": SOPRANO.repo, "commit": "0" * 40, "files": {}}
    (FOLDER / store.MANIFEST).write_text(json.dumps(nothing))
    assert len(store.problems(SOPRANO, Path("models"))) == len(SOPRANO.files)


def test_a_folder_that_somebody_made_is_left_alone(hub: LocalHub) -> None:
    FOLDER.mkdir(parents=True)
    (FOLDER / WEIGHTS).write_text("mine")
    assert "move it away" in refused()
    assert [path.read_text() for path in FOLDER.iterdir()] == ["mine"]
    (FOLDER / store.MANIFEST).write_text("mine too")
    assert "is not what fetch wrote" in refused()
    assert hub.asked == []


def test_somebody_s_own_file_survives_an_update(hub: LocalHub, files: dict[str, bytes]) -> None:
    fetch()
    (FOLDER / "notes.txt").write_text("mine")
    hub.publish(SOPRANO.repo, files | {"config.json": b"new"})
    fetch("--revision", "main")
    assert (FOLDER / "notes.txt").read_text() == "mine"


def test_a_file_system_without_links_will_do(hub: LocalHub, files: dict[str, bytes]) -> None:
    """What stays of a model is copied there."""
    fetch()
    files = files | {"config.json": b"new"}
    hub.publish(SOPRANO.repo, files)
    hub.asked.clear()
    done = run(sys.executable, "-c", WITHOUT_LINKS, PROGRAM[-1], "fetch", "--revision", "main")
    assert done.returncode == 0, done.stderr
    assert in_place() == files
    assert [asked.name for asked in hub.asked] == [LISTING, "config.json"]


def test_a_linked_folder_stays_linked(hub: LocalHub, files: dict[str, bytes]) -> None:
    assert hub.url
    Path("big_disk/soprano").mkdir(parents=True)
    Path("models").mkdir()
    FOLDER.symlink_to("../big_disk/soprano")
    fetch()
    assert FOLDER.is_symlink()
    assert in_place() == files


def test_a_server_does_not_load_what_could_download() -> None:
    program = (
        "import sys, server, pipeline.net.http_api; sys.exit('huggingface_hub' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0


def test_a_terminal_has_progress_bars(hub: LocalHub) -> None:
    assert hub.url
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 100))
    with subprocess.Popen([*PROGRAM, "fetch"], stderr=its) as process:
        os.close(its)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 4096)
            except OSError:  # the other side has closed it
                break
        os.close(ours)
        assert process.wait(PATIENCE_S) == 0
    assert b"model.safetensors:   0%|" in shown
