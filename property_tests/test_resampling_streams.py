"""The law: resampling and pitch shifting piece by piece equal doing it in one, bit for bit, for
any cut of the input, and their output has the length that was promised."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import soxr
from hypothesis import given
from hypothesis import strategies as st

from stages.audio.choices import SAMPLE_RATES
from stages.audio.pitch_shift import PitchShifter
from stages.audio.resample import LOW_RATE, Resampler, resampled_length
from stages.audio.stretch import Stretcher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.audio.format import Samples

RATES = st.sampled_from(SAMPLE_RATES)
LENGTHS = st.integers(0, 9000)
CUTS = st.lists(st.integers(0, 9000), max_size=12)
SEMITONES = st.one_of(st.integers(-24, 24).map(float), st.floats(-24, 24))
SPEEDS = st.one_of(st.just(1.0), st.floats(0.5, 2.0))


def make_sound(n_samples: int, seed: int) -> Samples:
    """Noise over a hum, so that nothing repeats and everything has a pitch."""
    random = np.random.default_rng(seed)
    hum = np.sin(np.arange(n_samples) * (2 * np.pi * random.uniform(60, 400) / 22_050))
    sound: Samples = (0.5 * hum + 0.05 * random.standard_normal(n_samples)).astype(np.float32)
    return sound


def in_pieces(
    stage: Resampler | PitchShifter | Stretcher, sound: Samples, cuts: Sequence[int]
) -> Samples:
    edges = [0, *sorted(min(cut, len(sound)) for cut in cuts), len(sound)]
    made = [stage.push(sound[a:b].copy()) for a, b in itertools.pairwise(edges)]
    whole: Samples = np.concatenate([*made, stage.flush()])
    return whole


def in_one(sound: Samples, in_rate: int, out_rate: int) -> Samples:
    """What soxr makes of it: its function, or down to low rates its stream for rates that vary."""
    whole: Samples
    if out_rate >= min(in_rate, LOW_RATE):
        whole = soxr.resample(sound, in_rate, out_rate, quality="HQ")
    else:
        stream = soxr.ResampleStream(in_rate, out_rate, 1, dtype="float32", quality="HQ", vr=True)
        whole = stream.resample_chunk(sound, last=True)
    return whole


@given(RATES, RATES, LENGTHS, CUTS, st.integers(0, 2**32 - 1))
def test_resampling_in_pieces_equals_soxr_in_one(
    in_rate: int, out_rate: int, n_samples: int, cuts: list[int], seed: int
) -> None:
    sound = make_sound(n_samples, seed)
    pieces = in_pieces(Resampler(in_rate, out_rate), sound, cuts)
    assert len(pieces) == resampled_length(n_samples, in_rate, out_rate)
    whole = in_one(sound, in_rate, out_rate)
    assert 0 <= len(pieces) - len(whole) <= 1
    assert np.array_equal(pieces[: len(whole)], whole)


@given(RATES, RATES, st.integers(0, 10**7))
def test_promised_length_is_the_nearest_and_never_shrinks(
    in_rate: int, out_rate: int, n_samples: int
) -> None:
    length = resampled_length(n_samples, in_rate, out_rate)
    assert abs(length * in_rate - n_samples * out_rate) * 2 <= in_rate
    assert resampled_length(n_samples + 1, in_rate, out_rate) >= length


@given(SEMITONES, SPEEDS, LENGTHS, CUTS, st.integers(0, 2**32 - 1))
def test_changing_pitch_and_speed_in_pieces_equals_in_one(
    semitones: float, speed: float, n_samples: int, cuts: list[int], seed: int
) -> None:
    def changed(cuts: list[int]) -> Samples:
        return in_pieces(PitchShifter(semitones, 22_050, 48_000, speed=speed), sound, cuts)

    sound = make_sound(n_samples, seed)
    pieces = changed(cuts)
    assert len(pieces) == resampled_length(n_samples, 22_050 * speed, 48_000)
    assert abs(len(pieces) - n_samples * 48_000 / 22_050 / speed) <= 0.5 + 1e-6
    assert np.array_equal(pieces, changed([]))


@given(LENGTHS, CUTS, st.integers(0, 2**32 - 1))
def test_stretching_by_one_changes_nothing(n_samples: int, cuts: list[int], seed: int) -> None:
    sound = make_sound(n_samples, seed)
    assert np.array_equal(in_pieces(Stretcher(1.0, 22_050), sound, cuts), sound)


@given(st.floats(0.125, 8.0), LENGTHS, CUTS, st.integers(0, 2**32 - 1))
def test_stretching_in_pieces_equals_in_one(
    factor: float, n_samples: int, cuts: list[int], seed: int
) -> None:
    sound = make_sound(n_samples, seed)
    pieces = in_pieces(Stretcher(factor, 22_050), sound, cuts)
    assert len(pieces) == round(n_samples * factor)
    assert np.array_equal(pieces, in_pieces(Stretcher(factor, 22_050), sound, []))
