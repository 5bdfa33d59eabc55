"""What a converter hears is the whole recording, filtered and mirrored, in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import signal

from stages.rvc.speech import HIGH_PASS, FilteredSpeech
from tests.rvc.voices import words

if TYPE_CHECKING:
    from numpy.typing import NDArray

N = 16_000
RUMBLE = 0.2 * np.sin(2 * np.pi * 20 * np.arange(N) / 16_000)
SOUND = (words(N) + RUMBLE).astype(np.float32)


def whole() -> NDArray[np.float64]:
    filtered: NDArray[np.float64] = signal.filtfilt(*HIGH_PASS, SOUND)
    return filtered


def heard(n_samples: int = N) -> FilteredSpeech:
    speech = FilteredSpeech()
    for start in range(0, n_samples, 777):
        speech.push(SOUND[start : min(start + 777, n_samples)])
    return speech


def test_rumble_is_taken_out_and_speech_is_not() -> None:
    made = heard().filtered(0, N)
    assert np.abs(made - whole()).max() < 1e-5
    clean = signal.filtfilt(*HIGH_PASS, words(N))
    assert np.abs(made - clean)[2_000:-2_000].max() < 0.01


@pytest.mark.parametrize("start", [0, 1_600, 6_400])
def test_a_piece_is_the_whole_but_near_its_end(start: int) -> None:
    """There the filter does not know what comes: with rumble of 0.2, the last 50 ms were off by up
    to 0.05, those before by 2e-4, and what lies 100 ms before the end by 2e-6."""
    off = np.abs(heard().filtered(start, start + 8_000) - whole()[start : start + 8_000])
    assert off[:-1_600].max() < 2e-5
    assert off[:-800].max() < 2e-3
    assert off.max() < 0.1


def test_what_came_later_changes_nothing() -> None:
    early, late = heard(9_000), heard()
    late.forget_before(4_000)
    assert early.n_samples == 9_000
    assert late.n_samples == N
    early.forget_before(4_000)
    assert np.array_equal(early.filtered(4_000, 8_900), late.filtered(4_000, 8_900))


def test_both_ends_are_mirrored() -> None:
    made = heard().filtered(-3_000, N + 2_000)
    assert len(made) == N + 5_000
    assert np.array_equal(made[:3_000], made[3_001:6_001][::-1])
    assert np.array_equal(made[-2_000:], made[-4_001:-2_001][::-1])


def test_what_is_mirrored_at_the_end_may_have_come_long_before() -> None:
    """A piece that is mostly mirror reads as far back as it reaches over the end."""
    made = heard().filtered(N - 500, N + 800)
    long = heard().filtered(N - 4_000, N + 800)
    np.testing.assert_allclose(made, long[3_500:], rtol=0, atol=2e-3)


@pytest.mark.parametrize("n_samples", [1, 2, 17, 18, 19, 20])
def test_the_shortest_are_mirrored_again_and_again(n_samples: int) -> None:
    made = heard(n_samples).filtered(-2_560, 4_000)
    assert len(made) == 6_560
    assert np.isfinite(made).all()
    assert np.abs(made).max() <= np.abs(SOUND[:20]).max() * 2


def test_nothing_is_silence() -> None:
    assert np.array_equal(FilteredSpeech().filtered(-100, 300), np.zeros(400, np.float32))
