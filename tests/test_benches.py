"""Every bench starts: what it measures is not asked here, but that it can be."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.server_process import ROOT

SHARED = {
    "cluster_faults.py", "common.py", "fleet_balancer.py", "fleet_model.py", "fleet_plan.py",
    "forced.py", "gpu_parts.py", "gpu_wire.py", "heap.py", "judges.py", "meter.py", "models.py",
    "rubber_band.py", "rvc_source.py", "serving.py", "speakers.py", "wire_clients.py",
}  # fmt: skip
"""What the benches share."""

ASK_ALL = """
import runpy, sys

for path in sys.argv[1:]:
    sys.argv = [path, "--help"]
    sys.path[0] = "bench"  # as for a script that is started from there
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as ended:
        assert not ended.code, path
"""


def test_every_bench_says_what_it_asks() -> None:
    """bench/soprano.py once found itself where the package of its name was wanted. One process
    asks them all: four import torch, which takes seconds."""
    benches = sorted(path for path in (ROOT / "bench").glob("*.py") if path.name not in SHARED)
    done = subprocess.run(
        [sys.executable, "-c", ASK_ALL, *(f"bench/{path.name}" for path in benches)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": ""},  # some speak with the packaged voice
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = done.stdout.split("usage: ")[1:]
    assert [text.split()[0] for text in told] == [path.name for path in benches]
    assert [text for text in told if "?" not in text] == []
