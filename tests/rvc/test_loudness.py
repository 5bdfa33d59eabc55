"""A voice is made as loud as what was said, as far as it is asked for, in any pieces."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stages.rvc.loudness import FRAME, LoudnessMatch
from tests.rvc.voices import level, vowel

if TYPE_CHECKING:
    from stages.audio.format import Samples

HOP = 160
N_FRAMES = 200


def noise(n: int, loudness: float) -> Samples:
    return np.random.default_rng(0).normal(scale=loudness, size=n).astype(np.float32)


def matched(speech: Samples, sound: Samples, rate: float, cuts: list[int]) -> Samples:
    match, made, n_heard = LoudnessMatch(rate), [], 0
    for start, stop in itertools.pairwise([0, *cuts, len(sound)]):
        # What is converted was heard before.
        n_frames = -(-stop // FRAME)
        match.take_speech(speech[n_heard * HOP : n_frames * HOP], HOP)
        n_heard = n_frames
        made.append(match.push(sound[start:stop], is_all=stop == len(sound)))
    return np.concatenate(made)


def rms(sound: Samples) -> float:
    return float(np.sqrt(np.square(sound, dtype=np.float64).mean()))


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.7, 1.0])
def test_it_goes_part_of_the_way(rate: float) -> None:
    speech = vowel(level(120, N_FRAMES * HOP))
    sound = noise(N_FRAMES * FRAME, 0.4)
    made = matched(speech, sound, rate, [10_000, 50_000])
    assert len(made) == len(sound)
    wanted = rms(speech) ** (1 - rate) * rms(sound) ** rate
    assert rms(made) == pytest.approx(wanted, rel=0.03)
    if rate == 1:
        assert np.array_equal(made, sound)


@pytest.mark.parametrize("cuts", [[1], [480, 960], [479, 481, 30_000], list(range(0, 90_000, 777))])
def test_pieces_give_what_the_whole_gives(cuts: list[int]) -> None:
    speech = vowel(level(120, N_FRAMES * HOP)) * np.linspace(1, 0.1, N_FRAMES * HOP)
    sound = noise(N_FRAMES * FRAME - 100, 0.4)
    whole = matched(speech.astype(np.float32), sound, 0.3, [])
    assert np.array_equal(matched(speech.astype(np.float32), sound, 0.3, cuts), whole)


def test_gain_moves_without_a_step() -> None:
    """From loud to quiet speech, over a voice that stays as it is."""
    speech = np.concatenate([np.full(16_000, 0.5), np.full(16_000, 0.01)]).astype(np.float32)
    made = matched(speech, np.full(N_FRAMES * FRAME, 0.2, np.float32), 0.0, [])
    assert made[0] == pytest.approx(0.5, rel=1e-3)
    assert made[-1] == pytest.approx(0.01, rel=1e-3)
    assert np.abs(np.diff(made)).max() < 0.001


def test_silence_is_not_made_loud() -> None:
    silence = np.zeros(N_FRAMES * FRAME, np.float32)
    made = matched(noise(N_FRAMES * HOP, 0.1), silence, 0.0, [])
    assert not made.any()
    quiet = matched(np.zeros(N_FRAMES * HOP, np.float32), silence + 0.1, 0.0, [])
    assert np.abs(quiet).max() < 1e-6
