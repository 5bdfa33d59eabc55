"""``server.py --version``."""

from __future__ import annotations

import platform
import tomllib
from importlib.metadata import version

from tests.cli.program import run
from tests.server_process import ROOT


def test_the_version_is_told_with_those_of_what_it_runs_on() -> None:
    """For whoever reports something; nothing is imported for it."""
    done = run("--version")
    own = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert done.returncode == 0
    assert done.stderr == b""
    assert done.stdout.decode() == (
        f"voice server {own}, Python {platform.python_version()}, torch {version('torch')},"
        f" onnxruntime {version('onnxruntime')}\n"
    )
