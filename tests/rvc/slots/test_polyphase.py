"""Resampling in slots is soxr's but for what lies near the lower rate's Nyquist frequency, where
the filters differ: at 0.88 of it they are 1.5e-6 of the peak apart, and up to 2e-4 where
soxr reads its filter off a table: from 22 050, 40 000 and 44 100 Hz."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from stages.audio.resample import Resampler, resampled_length
from stages.rvc.slots.polyphase import Polyphase

if TYPE_CHECKING:
    from stages.audio.format import Samples

CPU = torch.device("cpu")
TO_SPEECH = [(rate, 16_000) for rate in (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)]
TO_SOUND = [(rate, 48_000) for rate in (32_000, 40_000, 48_000)]
RATES = pytest.mark.parametrize(("in_rate", "out_rate"), TO_SPEECH + TO_SOUND)


def resampled(sound: Samples, in_rate: int, out_rate: int) -> Samples:
    """All of a sound, with silence before and behind it."""
    polyphase = Polyphase(in_rate, out_rate, CPU)
    n_missing = -len(sound) % polyphase.n_in
    half = polyphase.half_width
    padded = torch.from_numpy(np.pad(sound, (half, n_missing + half)))
    made: Samples = polyphase.resampled(padded[None])[0].numpy()
    return made[: resampled_length(len(sound), in_rate, out_rate)]


def sine(hz: float, rate: int, n_samples: int) -> Samples:
    made: Samples = np.sin(2 * np.pi * hz * np.arange(n_samples) / rate + 1).astype(np.float32)
    return made


@RATES
@pytest.mark.parametrize("share", [0.01, 0.5, 0.8, 0.9])
def test_what_is_heard_stays_as_it_is_and_where_it_is(
    in_rate: int, out_rate: int, share: float
) -> None:
    """A sine at this share of the lower Nyquist frequency is the same sine, without delay."""
    hz = share * min(in_rate, out_rate) / 2
    made = resampled(sine(hz, in_rate, in_rate // 4), in_rate, out_rate)
    off = np.abs(made - sine(hz, out_rate, len(made)))
    assert off[out_rate // 50 : -out_rate // 50].max() < 2e-5


@pytest.mark.parametrize(
    ("in_rate", "out_rate"), [rates for rates in TO_SPEECH + TO_SOUND if rates[0] > rates[1]]
)
def test_what_the_lower_rate_cannot_hold_is_taken_out(in_rate: int, out_rate: int) -> None:
    for hz in np.linspace(out_rate / 2, in_rate / 2, 5, endpoint=False):
        made = resampled(sine(float(hz), in_rate, in_rate // 4), in_rate, out_rate)
        assert np.abs(made)[out_rate // 50 : -out_rate // 50].max() < 1e-5  # 100 dB


@RATES
def test_soxr_gives_the_same(in_rate: int, out_rate: int) -> None:
    """Noise that comes and goes, below 0.88 of the lower Nyquist frequency."""
    n_samples = in_rate // 3 // 441 * 441
    lines = np.fft.rfft(np.random.default_rng(0).normal(size=n_samples))
    lines[np.fft.rfftfreq(n_samples, 1 / in_rate) > 0.44 * min(in_rate, out_rate)] = 0
    noise = (np.fft.irfft(lines, n_samples) * np.hanning(n_samples)).astype(np.float32)
    soxr = Resampler(in_rate, out_rate)
    wanted = np.concatenate([soxr.push(noise), soxr.flush()])
    made = resampled(noise, in_rate, out_rate)
    assert made.shape == wanted.shape
    apart = np.abs(made - wanted).max() / np.abs(wanted).max()
    assert apart < (5e-6 if in_rate % 16_000 == 0 or in_rate == 24_000 else 5e-4)


@RATES
def test_units_are_the_fewest_whole_frames(in_rate: int, out_rate: int) -> None:
    polyphase = Polyphase(in_rate, out_rate, CPU)
    n_frames = 2 if in_rate == 22_050 else 1
    assert polyphase.n_in == n_frames * in_rate / 100
    assert polyphase.n_out == n_frames * out_rate / 100
    assert polyphase.half_width == (in_rate != out_rate) * 64 * max(in_rate, out_rate) // out_rate


def test_rows_do_not_change_each_other() -> None:
    polyphase = Polyphase(40_000, 48_000, CPU)
    sounds = torch.randn(3, 8 * polyphase.n_in + 2 * polyphase.half_width)
    together = polyphase.resampled(sounds)
    assert together.shape == (3, 8 * 480)
    others = sounds.clone()
    others[::2] = torch.randn(2, sounds.shape[1])
    assert torch.equal(polyphase.resampled(others)[1], together[1])


def test_equal_rates_pass_through_untouched() -> None:
    sounds = torch.randn(2, 320)
    assert Polyphase(16_000, 16_000, CPU).resampled(sounds) is sounds
