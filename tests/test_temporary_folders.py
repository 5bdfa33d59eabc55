"""Temporary folders go away, however the process that made them ended."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from stages.temporary_folders import TemporaryFolder, sweep
from tests.server_process import PATIENCE_S, ROOT, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAKE = """
import sys, pathlib
from stages.temporary_folders import TemporaryFolder
folder = TemporaryFolder("ours-", pathlib.Path(sys.argv[1]))
(folder.path / "file").touch()
print(folder.path, flush=True)
sys.stdin.read()
"""


@contextmanager
def another(parent: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, with a folder of its own until its standard input is closed."""
    with subprocess.Popen(
        [sys.executable, "-c", MAKE, str(parent)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline().startswith(str(parent))
        try:
            yield process
        finally:
            process.kill()


def test_one_is_removed_when_it_is_closed_or_forgotten(tmp_path: Path) -> None:
    for forget in (TemporaryFolder.close, lambda _: None):
        folder = TemporaryFolder("ours-", tmp_path)
        (folder.path / "file").touch()
        forget(folder)
        del folder
        assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGHUP, None])
def test_what_a_dead_process_left_is_swept_by_the_next(
    tmp_path: Path, end: signal.Signals | None
) -> None:
    """Killed, a server used to leave its folder of voice data behind for ever."""
    with another(tmp_path) as process:
        (left,) = tmp_path.iterdir()
        if end is None:
            process.communicate(timeout=PATIENCE_S)
            assert not left.exists()
        else:
            process.send_signal(end)
            process.wait(PATIENCE_S)
            assert left.exists()
    with closing(TemporaryFolder("ours-", tmp_path)) as folder:
        assert [*tmp_path.iterdir()] == [folder.path]


def test_that_of_a_process_beside_us_stays(tmp_path: Path) -> None:
    with closing(TemporaryFolder("ours-", tmp_path)) as own, another(tmp_path):
        sweep(tmp_path, "ours-")
        assert own.path.exists()
        assert len([*tmp_path.iterdir()]) == 2
        assert all((path / "file").exists() for path in tmp_path.iterdir() if path != own.path)


FULL = """
import errno, os, pathlib, resource, sys
from stages.temporary_folders import TemporaryFolder, sweep
parent = pathlib.Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True:
        taken.append(os.open(os.devnull, os.O_RDONLY))
except OSError as error:
    assert error.errno == errno.EMFILE
try:
    folder = TemporaryFolder("ours-", parent)
except OSError as error:
    assert error.errno == errno.EMFILE
else:
    os.closerange(taken[0], taken[-1] + 1)
    sweep(parent, "ours-")
    assert folder.path.exists()
"""


def test_without_a_descriptor_there_is_none_rather_than_one_that_is_swept(tmp_path: Path) -> None:
    """It was not locked, and the next upload swept it away from under the one that it was for."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [*tmp_path.iterdir()] == []


def test_only_ours_are_swept(tmp_path: Path) -> None:
    (tmp_path / "theirs-1").mkdir()
    (tmp_path / "ours-file").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "ours-link").symlink_to(tmp_path / "elsewhere")
    sweep(tmp_path, "ours-")
    assert len([*tmp_path.iterdir()]) == 4


def test_a_server_sweeps_what_a_killed_one_left(tmp_path: Path) -> None:
    env = {"TMPDIR": str(tmp_path)}
    with running_server(env=env) as killed:
        before = {*tmp_path.iterdir()}
        assert before
        killed.signal(signal.SIGKILL)
    with running_server(env=env):
        assert before.isdisjoint(tmp_path.iterdir())
    assert [*tmp_path.iterdir()] == []
