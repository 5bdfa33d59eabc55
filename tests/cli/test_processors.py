"""A container's share of the processors counts, and not what the machine has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import torch

from pipeline.cli import processors
from stages.neural import accelerator

if TYPE_CHECKING:
    from pathlib import Path

N_HERE = 16


@pytest.fixture(autouse=True)
def _many_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(N_HERE)))


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "n"),
    [
        ({}, N_HERE),
        ({"cpu.max": "max 100000\n"}, N_HERE),
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "6400000 100000\n"}, N_HERE),
        ({"cpu.max": "what?\n"}, N_HERE),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, N_HERE),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
    ],
    ids=str,
)
def test_a_quota_bounds_the_number(tmp_path: Path, files: dict[str, str], n: int) -> None:
    assert processors.available(write(tmp_path, files)) == n


def test_fewer_of_our_own_are_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {3})
    assert processors.available(write(tmp_path, {"cpu.max": "800000 100000"})) == 1


def test_torch_takes_no_more_threads_than_that_and_never_more_than_it_was_told() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        accelerator.limit_threads(8)
        assert torch.get_num_threads() == 3
        accelerator.limit_threads(1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
