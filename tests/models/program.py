"""`server.py fetch` as a process of its own, in the current folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from pipeline.models import store
from pipeline.models.store import SOURCES
from tests.server_process import PATIENCE_S, ROOT

SOPRANO = SOURCES["soprano"]
FOLDER = Path("models/soprano")
STAGING = Path("models/.soprano.part")
WEIGHTS = "model.safetensors"

LOOK_EVERY_S = 0.01

PROGRAM = (sys.executable, "-W", "error", str(ROOT / "server.py"))


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def fetch(*arguments: str) -> str:
    """A run that goes well; its log."""
    done = run(*PROGRAM, "fetch", *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert all(" INFO " in line for line in done.stderr.splitlines()), done.stderr
    return done.stderr


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line in which a run says why it failed."""
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    *log, told = done.stderr.splitlines()
    assert all(" INFO " in line for line in log), log
    assert told.startswith("server.py: ")
    return told


def refused(*arguments: str) -> str:
    """A run that fails."""
    return complaint(run(*PROGRAM, "fetch", *arguments))


def in_place() -> dict[str, bytes]:
    """The model's files, all but the list."""
    names = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    del names[store.MANIFEST]
    return names


def commit() -> str:
    told = json.loads((FOLDER / store.MANIFEST).read_text())["commit"]
    assert isinstance(told, str)
    return told
