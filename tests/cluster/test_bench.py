"""The bench of the cluster measures what it says; whether targets are met it says itself."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

import pytest

from bench.cluster import floor, most_that
from bench.cluster_faults import measure_failures
from tests.haproxy import find_haproxy

if TYPE_CHECKING:
    from bench.common import Result


@pytest.mark.parametrize("limit", [0, 1, 7, 100, 180])
def test_the_most_listeners_are_found_from_any_guess(limit: int) -> None:
    """Within a twentieth, and without trying many numbers: each takes ten seconds."""
    tried: list[int] = []

    def hear(n: int) -> Result | None:
        tried.append(n)
        return {"listeners": n} if n <= limit else None

    most = most_that(hear, guess=100)["listeners"]
    assert most <= limit <= 1.05 * most + 1
    assert len(tried) <= 9


def test_the_floor_is_what_all_of_them_take() -> None:
    few = {"servers_cpu": 0.2, "balancer_cpu": 0.02, "client_cpu": 0.03, "realtime": 25.0}
    told = floor({"listeners": 30, **few}, cores=2)
    assert told["servers_ms_per_audio_s"] == 8
    assert told["listeners_of_all_cores"] == 240


@pytest.mark.skipif(find_haproxy() is None, reason="HAProxy is not installed")
def test_who_was_cut_off_is_timed_to_its_next_sound() -> None:
    """One of three servers dies, with a third of those who listen."""
    asked = Namespace(server_options=[], kills=1, stops=0, listeners=6)
    killed, stopped = measure_failures(asked)
    assert killed["sound_ms_n"] == killed["seen_ms_n"] == 2
    assert killed["seen_ms_p50"] <= killed["back_ms_p50"] <= killed["sound_ms_p50"]
    assert stopped["sound_ms_n"] == 0
