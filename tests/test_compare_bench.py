"""`bench/compare.py`: two checkouts, measured in turns."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bench import compare

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

BENCH = """
import json, pathlib, sys
turns = pathlib.Path("../turns")
with turns.open("a") as file:
    print(pathlib.Path.cwd().name, file=file)
n = turns.read_text().split().count(pathlib.Path.cwd().name)
results = {{"a step": {{"ms": {ms} + n}}, "{own}": {{"ms": 1}}, "speech": {{"speech_s_per_s": 9}}}}
print("for people")
print(json.dumps({{"results": results}}))
"""


def test_the_medians_of_both_stand_beside_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What only one of them measures, and what is better if it is more, is left out."""
    for name, ms in (("mine", 10), ("theirs", 20)):
        (tmp_path / name / "bench").mkdir(parents=True)
        bench = BENCH.format(ms=ms, own=f"only {name}")
        (tmp_path / name / "bench" / "soprano.py").write_text(bench)
    monkeypatch.setattr(compare, "ROOT", tmp_path / "mine")
    asked = argparse.Namespace(other=tmp_path / "theirs", benches=["soprano"], rounds=3, tiny=False)
    (row,) = compare.compare(asked)
    expected = {"here": 12, "there": 22, "ratio": 0.545, "spread": 1.182}
    assert row == {"case": "soprano: a step, ms", **expected}
    turns = (tmp_path / "turns").read_text().split()
    assert turns == ["mine", "theirs", "theirs", "mine", "mine", "theirs"]
