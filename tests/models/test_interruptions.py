"""Transfers that break, stop or go wrong, and disks that fill up: the next fetch goes on."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.local_hub import LISTING, Break, Corrupt, LocalHub, Refuse, Stall, Whole
from tests.models.program import (
    FOLDER,
    LOOK_EVERY_S,
    PROGRAM,
    SOPRANO,
    STAGING,
    WEIGHTS,
    complaint,
    fetch,
    in_place,
    refused,
    run,
)
from tests.server_process import PATIENCE_S

WITH_ROOM_FOR = """
import os, resource, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
"""No file may become larger than this: the kernel refuses the write in the middle of the transfer,
as it does when a disk is full."""


def test_a_transfer_that_breaks_goes_on_by_itself(hub: LocalHub, files: dict[str, bytes]) -> None:
    hub.faults[WEIGHTS] = iter([Break(after=300_000), Break(after=400_000)])
    log = fetch()
    assert in_place() == files
    assert hub.ranges(WEIGHTS) == [None, "bytes=300000-", "bytes=700000-"]
    assert "going on after 300 kB" in log


def test_the_next_fetch_goes_on_where_one_was_cut_off(
    hub: LocalHub, files: dict[str, bytes]
) -> None:
    hub.faults[WEIGHTS] = iter([Break(after=300_000), Refuse(403)])
    assert WEIGHTS in refused()
    assert not FOLDER.exists()
    hub.asked.clear()
    fetch()
    assert in_place() == files
    assert hub.ranges(WEIGHTS) == ["bytes=300000-"]
    assert hub.ranges("config.json") == []  # it had come already
    assert not STAGING.exists()


def test_ctrl_c_leaves_something_to_go_on_from(hub: LocalHub, files: dict[str, bytes]) -> None:
    hub.faults[WEIGHTS] = iter([Stall(after=300_000)])
    with subprocess.Popen([*PROGRAM, "fetch"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        give_up_at = time.monotonic() + PATIENCE_S
        while not [path for path in STAGING.glob("*.part") if path.stat().st_size == 300_000]:
            assert time.monotonic() < give_up_at
            time.sleep(LOOK_EVERY_S)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 128 + signal.SIGINT
        assert all(" INFO " in line for line in process.stderr)
    assert not FOLDER.exists()
    hub.asked.clear()
    fetch()
    assert in_place() == files
    assert hub.ranges(WEIGHTS) == ["bytes=300000-"]


def test_a_server_that_knows_no_ranges_is_put_up_with(
    hub: LocalHub, files: dict[str, bytes]
) -> None:
    hub.faults[WEIGHTS] = iter([Break(after=300_000), Whole()])
    fetch()
    assert in_place() == files


def test_part_of_another_commit_s_file_is_not_gone_on_with(
    hub: LocalHub, files: dict[str, bytes]
) -> None:
    hub.faults[WEIGHTS] = iter([Break(after=300_000), Refuse(403)])
    refused()
    files = files | {WEIGHTS: random.randbytes(1_000_000)}
    hub.publish(SOPRANO.repo, files)
    hub.asked.clear()
    fetch()
    assert in_place() == files
    assert hub.ranges(WEIGHTS) == [None]
    assert not STAGING.exists()


@pytest.mark.parametrize("name", [WEIGHTS, "config.json"])
def test_a_file_with_a_wrong_checksum_is_refused_and_deleted(
    name: str, hub: LocalHub, files: dict[str, bytes]
) -> None:
    """The hub tells two kinds: a SHA-256 of weights, Git's own of small files."""
    hub.faults[name] = iter([Corrupt()])
    told = refused()
    assert name in told
    assert "checksum" in told
    assert not FOLDER.exists()
    assert not list(STAGING.glob(f"{name}*"))
    fetch()
    assert in_place() == files


@pytest.mark.parametrize("size", [999_999, 1_000_001])
def test_a_file_of_another_size_than_the_hub_told_is_refused(size: int, hub: LocalHub) -> None:
    hub.sizes[WEIGHTS] = size
    told = refused()
    assert WEIGHTS in told
    assert not FOLDER.exists()


def test_a_move_that_was_cut_off_is_ended_by_the_next_fetch(
    hub: LocalHub, files: dict[str, bytes]
) -> None:
    """Between two renames: the old model has gone to the side, the new one has not come."""
    fetch()
    FOLDER.rename("models/.soprano.old")
    hub.asked.clear()
    fetch()
    assert in_place() == files
    assert hub.asked == []


def test_more_than_the_disk_can_hold_is_refused_at_once(hub: LocalHub) -> None:
    hub.sizes[WEIGHTS] = 10**18
    told = refused()
    assert "soprano needs 1 EB in " in told
    assert "are free; nothing was fetched" in told
    assert [asked.name for asked in hub.asked] == [LISTING]
    assert list(Path("models").iterdir()) == []


def test_a_disk_that_fills_up_in_the_middle_can_be_gone_on_from(
    hub: LocalHub, files: dict[str, bytes]
) -> None:
    told = complaint(run(sys.executable, "-c", WITH_ROOM_FOR, "700000", *PROGRAM[1:], "fetch"))
    assert "cannot write" in told
    assert WEIGHTS in told
    assert "File too large" in told
    assert not FOLDER.exists()
    hub.asked.clear()
    fetch()
    assert in_place() == files
    assert hub.ranges(WEIGHTS) == ["bytes=700000-"]


def test_two_fetches_do_not_write_to_one_file(hub: LocalHub) -> None:
    hub.faults[WEIGHTS] = iter([Stall(after=300_000)])
    with subprocess.Popen([*PROGRAM, "fetch"], stderr=subprocess.DEVNULL) as process:
        give_up_at = time.monotonic() + PATIENCE_S
        while not list(STAGING.glob(f"{WEIGHTS}.*")):
            assert time.monotonic() < give_up_at
            time.sleep(LOOK_EVERY_S)
        assert "another fetch is at work" in refused()
        process.kill()
