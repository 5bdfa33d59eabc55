"""Resampling, where examples say more than laws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from stages.audio.resample import Resampler, resampled_length

if TYPE_CHECKING:
    from stages.audio.format import Samples


def resample(sound: Samples, in_rate: int, out_rate: int) -> Samples:
    resampler = Resampler(in_rate, out_rate)
    return np.concatenate((resampler.push(sound), resampler.flush()))


def test_equal_rates_pass_the_very_same_array() -> None:
    sound = np.ones(10, np.float32)
    resampler = Resampler(48_000, 48_000)
    assert resampler.push(sound) is sound
    assert len(resampler.flush()) == 0


def test_nothing_in_gives_nothing_out() -> None:
    assert len(resample(np.zeros(0, np.float32), 22_050, 48_000)) == 0


def test_a_single_sample_survives() -> None:
    assert len(resample(np.ones(1, np.float32), 22_050, 48_000)) == 2


def test_a_count_of_exactly_half_is_rounded_up() -> None:
    """soxr reckons 1837.5 in floating point and gives 1837: the tail is made up to 1838."""
    assert resampled_length(1000, 24_000, 44_100) == 1838
    sound = resample(np.ones(1000, np.float32), 24_000, 44_100)
    assert len(sound) == 1838
    assert sound[-1] == sound[-2]


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100])
def test_a_tone_keeps_its_pitch_and_its_place(rate: int) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)
    made = resample(tone, rate, 48_000)
    expected = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)
    middle = slice(4_800, -4_800)
    assert np.abs(made[middle] - expected[middle]).max() < 1e-3


def test_all_but_45_ms_comes_before_the_flush() -> None:
    """A listener must not wait for the segment's end."""
    resampler = Resampler(22_050, 48_000)
    n_made = 0
    for n_received in range(441, 22_051, 441):
        n_made += len(resampler.push(np.ones(441, np.float32)))
        assert n_made / 48_000 > n_received / 22_050 - 0.045


@pytest.mark.parametrize(("rate", "within_ms"), [(8_000, 30), (12_000, 15)])
def test_a_telephone_hears_the_first_sound_soon(rate: int, within_ms: int) -> None:
    """soxr's blocks held 159 ms back at 8 kHz, more than all else before a first sound."""
    resampler = Resampler(48_000, rate)
    waited = next(ms for ms in range(1, 1000) if len(resampler.push(np.ones(48, np.float32))))
    assert waited <= within_ms


@pytest.mark.parametrize(
    ("hertz", "least_db", "most_db"),
    [(100, -0.1, 0.1), (1_000, -0.1, 0.1), (3_400, -0.1, 0.1), (3_900, -1, 0.1),
     (4_100, -200, -70), (4_600, -200, -90), (12_000, -200, -90)],
)  # fmt: skip
def test_a_telephones_band_is_kept_and_nothing_is_mirrored_into_it(
    hertz: int, least_db: float, most_db: float
) -> None:
    tone = np.sin(2 * np.pi * hertz * np.arange(96_000) / 48_000).astype(np.float32)
    middle = resample(tone, 48_000, 8_000)[4_000:-4_000].astype(np.float64)
    level_db = 10 * np.log10(2 * np.mean(middle**2) + 1e-20)
    assert least_db <= level_db <= most_db


def test_a_telephones_sound_keeps_its_place() -> None:
    """Its filter is not of linear phase: it delays speech by a fifth of a millisecond."""
    turns = 2 * np.pi * 440 * np.arange(96_000) / 48_000
    made = resample(np.sin(turns).astype(np.float32), 48_000, 8_000)[4_000:-4_000]
    late = np.exp(-2j * np.pi * 440 * (np.arange(len(made)) + 4_000) / 8_000)
    delay_s = -np.angle(1j * np.mean(made * late)) / (2 * np.pi * 440)
    assert 0 <= delay_s < 0.25e-3
