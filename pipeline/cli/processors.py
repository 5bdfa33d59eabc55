"""The processors that this process may keep busy, which in a container are not the machine's."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
"""A container's own control group: see Linux's Documentation/admin-guide/cgroup-v2 (``cpu.max``)
and scheduler/sched-bwc (version 1)."""


def available(cgroups: Path = CGROUPS) -> int:
    """The number of processors, at least 1. ``docker run --cpus`` limits the share of time and not
    the set of processors, so the affinity does not show it."""
    n_ours = len(os.sched_getaffinity(0))
    share = _share(cgroups)
    return n_ours if share is None else max(1, min(n_ours, math.ceil(share)))


def _share(cgroups: Path) -> float | None:
    """The control group's bound, in processors; None: there is none."""
    try:
        quota, period = (cgroups / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (cgroups / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (cgroups / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    try:
        share = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None  # "max"
    return share if share > 0 else None  # -1 in version 1
