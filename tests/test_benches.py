"""Every bench starts: what it measures is not asked here, but that it can be."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.server_process import ROOT

SHARED = {"common.py", "hostile.py", "rvc_models.py"}
"""What the benches share."""

BENCHES = sorted({path.name for path in (ROOT / "bench").glob("*.py")} - SHARED)


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_says_what_it_asks(name: str) -> None:
    """bench/soprano.py once found itself where the package of its name was wanted."""
    done = subprocess.run(
        [sys.executable, f"bench/{name}", "--help"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "?" in done.stdout
