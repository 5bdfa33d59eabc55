"""What must hold for any input holds for those of the corpus, and for what libFuzzer makes of them
in some seconds: ``FUZZ_SECONDS``, ten if it is not set."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from fuzz.run import CORPUS, TARGETS, target
from tests.server_process import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = int(os.environ.get("FUZZ_SECONDS", "10"))
HANGS_AFTER_S = 600.0
"""Beyond those: an input that hangs ends after a minute by itself, and is told."""

MAX_CORPUS_BYTES = 300_000
MAX_INPUT_BYTES = 8_000


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_what_must_hold(name: str, tmp_path: Path) -> None:
    """Ten seconds find what is common. Where there is no atheris, the corpus is tried alone."""
    if find_spec("atheris") is None:
        run = target(name)
        for path in sorted((CORPUS / name).iterdir()):
            run(path.read_bytes())
        pytest.skip("atheris has wheels for Linux on x86-64 alone: only the corpus was tried")
    found, broken = tmp_path / "found", tmp_path / "broken"
    found.mkdir()
    program = [sys.executable, "fuzz/run.py", name, f"-max_total_time={SECONDS}"]
    try:
        done = subprocess.run(
            [*program, f"-exact_artifact_path={broken}", str(found)],
            cwd=ROOT, capture_output=True, text=True, errors="replace", check=False,
            timeout=SECONDS + HANGS_AFTER_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired as stuck:
        pytest.fail(f"it did not end: {(stuck.stderr or b'')[-2000:]!r}")
    if done.returncode:
        data = broken.read_bytes() if broken.exists() else None
        pytest.fail(
            f"{done.stderr[-4000:]}\nThis input broke it:\n\n{data!r}\n\n"
            f"To run it again, write it to fuzz/corpus/{name}/NAME, where it stays, and:\n"
            f"    .venv/bin/python fuzz/run.py {name} fuzz/corpus/{name}/NAME"
        )


def test_the_corpus_is_small() -> None:
    """It is run before anything new is tried, and everybody gets it."""
    sizes = {path: path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()}
    assert {path.parent.name for path in sizes} == {*TARGETS}
    assert max(sizes.values()) <= MAX_INPUT_BYTES
    assert sum(sizes.values()) <= MAX_CORPUS_BYTES
