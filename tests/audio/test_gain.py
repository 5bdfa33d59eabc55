"""The gain, and the limiter behind it."""

from __future__ import annotations

import numpy as np
import pytest

from stages.audio.gain import KNEE, amplified

RAMP = np.linspace(-4, 4, 80_001, dtype=np.float32)


def test_0_db_is_the_same_samples() -> None:
    assert amplified(RAMP, 0.0) is RAMP


@pytest.mark.parametrize("decibels", [-40.0, -6.0, -0.001])
def test_below_0_db_it_is_a_plain_gain(decibels: float) -> None:
    assert np.array_equal(amplified(RAMP, decibels), RAMP * np.float32(10 ** (decibels / 20)))


@pytest.mark.parametrize("decibels", [1e-9, 0.01, 1.0, 3.0, 12.0, 20.0])
def test_above_0_db_quiet_sound_is_only_louder_and_loud_sound_stays_in_scale(
    decibels: float,
) -> None:
    gain = np.float32(10 ** (decibels / 20))
    made = amplified(RAMP, decibels)
    quiet = np.abs(RAMP * gain) <= KNEE
    assert np.array_equal(made[quiet], (RAMP * gain)[quiet])
    assert np.abs(made[np.abs(RAMP) <= 1]).max() <= 1.0
    assert np.array_equal(made, -made[::-1])
    assert (np.diff(made) >= 0).all()


def test_the_curve_has_no_corner() -> None:
    """A corner would be heard as a rasp: the slope must go on where the knee begins."""
    slope = np.diff(amplified(RAMP, 20.0).astype(np.float64)) / np.diff(RAMP * 10.0)
    assert np.abs(np.diff(slope[np.abs(RAMP[1:]) < 0.2])).max() < 0.01


def test_a_little_gain_changes_little() -> None:
    """With the knee at -3 dB for every gain, 0.1 dB more made the loudest sound 1 dB quieter."""
    within = RAMP[np.abs(RAMP) <= 1]
    assert np.abs(amplified(within, 0.01) - within).max() < 0.002


def test_what_is_no_number_stays_none_and_infinity_is_full_scale() -> None:
    made = amplified(np.array([np.nan, np.inf, -np.inf], np.float32), 6.0)
    assert np.isnan(made[0])
    assert made[1:].tolist() == [1.0, -1.0]
