"""`bench/gpu.py`, which is run where time is short: whatever goes wrong there, it goes on and tells
what it has."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys

import numpy as np
import psutil
import pytest

from bench import gpu
from bench.common import Playback
from bench.gpu_wire import heard
from bench.wire_clients import Diary, Speaker, Timed, Told
from tests.server_process import PATIENCE_S, ROOT

PARTS = "tests.bench_parts"
SILENCE, SOUND = np.zeros(480, np.float32), np.full(480, 0.5, np.float32)


@pytest.fixture(autouse=True)
def _path_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "")


def test_a_part_that_goes_wrong_says_so_and_the_next_begins() -> None:
    parts = {
        "first": gpu.Part(PARTS, "raises", PATIENCE_S),
        "second": gpu.Part(PARTS, "dies", PATIENCE_S),
        "third": gpu.Part(PARTS, "good", PATIENCE_S),
        "fourth": gpu.Part(PARTS, "good", -3 * PATIENCE_S),  # its time is over
    }
    told = list(gpu.measure(parts, argparse.Namespace(tiny=False, device="cpu")))
    assert told == [
        {"case": "first: before", "ms": 1},
        {"case": "first: failed", "error": "ValueError: no such card"},
        {"case": "second: before", "ms": 1},
        {"case": "second: died", "exit_code": 9},
        {"case": "third: fine", "ms": 1},
        {"case": "fourth: stopped", "after_s": 0},
    ]


def test_a_part_that_is_ended_leaves_nothing_that_it_has_started() -> None:
    """A server, say, which would hold the GPU."""
    parts = {"it": gpu.Part(PARTS, "hangs", PATIENCE_S)}
    told = gpu.measure(parts, argparse.Namespace(tiny=False, device="cpu"))
    program = psutil.Process(next(told)["pid"])
    told.close()
    program.wait(PATIENCE_S)


def test_it_runs_with_tiny_models() -> None:
    """Parts have something to tell, and the last line is JSON for `bench/results`. All of them take
    more than a minute: `make nightly` runs those that only measure."""
    parts = ["soprano parity", "rvc parity", "rvc"]
    done = subprocess.run(
        [sys.executable, "bench/gpu.py", "--device", "cpu", "--tiny", "--parts", *parts],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout.splitlines()[-1])["results"]
    cases = [case.split(": ") for case in results]
    ends = [case for case in cases if case[1] in {"failed", "died", "stopped"}]
    assert not ends, done.stdout + done.stderr
    assert {part for part, *_ in cases} == {"models", *parts}
    for part in ("soprano parity", "rvc parity"):
        assert results[f"{part}: float32"]["difference_millionths"] == 0


def test_sound_counts_from_its_first_audible_sample() -> None:
    """A server that sends silence at once is not quick."""
    diary = Diary()
    speaker = Speaker(diary)
    speaker._asked_at = 10.0  # noqa: SLF001 - without a server to say it to
    for samples, now in ((SILENCE, 10.1), (SILENCE, 10.105), (SOUND, 10.112)):
        speaker.on_audio(memoryview(samples.tobytes()), now)
    (first,) = diary.firsts
    assert first.at == 10.0
    assert first.seconds == pytest.approx(0.12)
    assert diary.gaps == []


def test_silence_between_messages_is_a_gap_and_before_a_sentence_is_none() -> None:
    diary = Diary()
    speaker = Speaker(diary)
    for now in (1.0, 1.005, 1.05):
        speaker.on_audio(memoryview(SOUND.tobytes()), now)
    (gap,) = diary.gaps
    assert gap.seconds == pytest.approx(0.03)
    speaker.playback = Playback()  # the next sentence
    speaker.on_audio(memoryview(SOUND.tobytes()), 9.0)
    assert len(diary.gaps) == 1


def test_a_row_has_what_was_asked_for_within_its_window() -> None:
    told = Told(
        firsts=[Timed(1, 9.0), Timed(2, 0.01), Timed(3, 0.03), Timed(4, 9.0)],
        gaps=[Timed(2.5, 0.002), Timed(4.5, 1.0)],
        refused=[Timed(2, 0)],
    )
    row = heard(told.and_also(Told(gaps=[Timed(3.5, 0.004)])).within(2, 4))
    assert (row["first_audio_ms_n"], row["first_audio_ms"], row["first_audio_ms_p95"]) == (
        2,
        30,
        30,
    )
    assert (row["gaps"], row["gap_ms"], row["refused"], row["lost"]) == (2, 4, 1, 0)


def test_the_wheels_to_carry_are_of_the_pinned_versions() -> None:
    """What is measured on a GPU is what is tested here."""

    def pins(path: str) -> set[str]:
        text = (ROOT / path).read_text(encoding="utf-8")
        return set(re.findall(r"^[\w.-]+==[^\s;]+", text, re.MULTILINE))

    wheels = pins("bench/gpu-wheels.txt")
    assert wheels
    assert wheels - pins("requirements/full.txt") == set()
