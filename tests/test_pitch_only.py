"""The built-in converter, measured on real speech."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import parselmouth
import pytest

from stages.audio.format import PIPELINE_RATE
from stages.audio.resample import Resampler, resampled_length
from stages.pitch_only import SAMPLES_PER_STEP, PitchOnlyConverter
from stages.tts.espeak.engine import EspeakEngine
from stages.tts.espeak.library import SAMPLE_RATE
from tests.engine_driver import DrivenRequest, convert, make_segment, run, speak

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from stages.audio.format import Samples

TEXT = "It was a bright cold day in April, and the clocks were striking thirteen."


@pytest.fixture(scope="module", params=["en-us", "en-us+f3"])
def speech(request: pytest.FixtureRequest) -> Iterator[Samples]:
    engine = EspeakEngine()
    engine.load()
    engine.install()
    yield speak(engine, TEXT, request.param)
    engine.close()


def shifted(speech: Samples, semitones: float) -> Samples:
    pieces = np.split(speech, range(5292, len(speech), 5292))
    return convert(PitchOnlyConverter(), pieces, SAMPLE_RATE, semitones).sound


def resampled(speech: Samples) -> Samples:
    resampler = Resampler(SAMPLE_RATE, PIPELINE_RATE)
    return np.concatenate((resampler.push(speech), resampler.flush()))


def pitch_track(sound: Samples, semitones: float) -> npt.NDArray[np.float64]:
    """Every 10 ms, 0 where there is none; looked for where the shift has put it."""
    ratio = 2 ** (semitones / 12)
    pitch = parselmouth.Sound(sound.astype(np.float64), PIPELINE_RATE).to_pitch(
        0.01, 60 * ratio, 320 * ratio
    )
    times = np.arange(0.05, len(sound) / PIPELINE_RATE - 0.05, 0.01)
    track = np.array([pitch.get_value_at_time(t) for t in times])
    voiced: npt.NDArray[np.float64] = np.nan_to_num(track)
    return voiced


def loudness(sound: Samples) -> npt.NDArray[np.float64]:
    """Root of the mean square over 25 ms, two periods of a deep voice, every 5 ms."""
    frames = np.lib.stride_tricks.sliding_window_view(sound.astype(np.float64), 1200)[::240]
    loud: npt.NDArray[np.float64] = np.sqrt(np.mean(frames**2, axis=1))
    return loud


@pytest.mark.parametrize("semitones", [-12, -7, -4, 4, 7, 12])
def test_pitch_rises_by_just_what_was_asked_for(speech: Samples, semitones: int) -> None:
    before = pitch_track(resampled(speech), 0)
    after = pitch_track(shifted(speech, semitones), semitones)
    voiced = (before > 0) & (after > 0)
    assert voiced.sum() > 0.8 * (before > 0).sum()
    ratio = np.median(after[voiced] / before[voiced])
    assert ratio == pytest.approx(2 ** (semitones / 12), rel=0.02)


@pytest.mark.parametrize("semitones", [-24, -7, 0, 0.5, 4, 12, 24])
def test_length_is_exact_and_nothing_is_out_of_range(speech: Samples, semitones: float) -> None:
    sound = shifted(speech, semitones)
    assert len(sound) == resampled_length(len(speech), SAMPLE_RATE, PIPELINE_RATE)
    assert np.abs(sound).max() <= 1.0
    assert np.all(np.isfinite(sound))


@pytest.mark.parametrize("semitones", [-12, -4, 4, 12])
def test_sound_stays_where_it_was(speech: Samples, semitones: int) -> None:
    """Onset within 10 ms, and the loudness over time most alike with no delay."""
    original, sound = resampled(speech), shifted(speech, semitones)
    onsets = [np.flatnonzero(np.abs(x) > 0.02)[0] / 48 for x in (original, sound)]
    assert abs(onsets[1] - onsets[0]) < 10
    a, b = loudness(original), loudness(sound)
    likeness = [np.corrcoef(a[20:-20], np.roll(b, k)[20:-20])[0, 1] for k in range(-6, 7)]
    assert abs(int(np.argmax(likeness)) - 6) <= 1
    assert max(likeness) > 0.9


@pytest.mark.parametrize("semitones", [-12, -4, 4, 12])
def test_joins_do_not_click(speech: Samples, semitones: int) -> None:
    """Read faster, sound moves faster by that ratio; a jump at a join would show beyond it."""
    original, sound = resampled(speech), shifted(speech, semitones)
    steepest = np.abs(np.diff(original)).max() * max(1.0, 2 ** (semitones / 12))
    assert np.abs(np.diff(sound)).max() < 1.2 * steepest


@pytest.mark.parametrize("semitones", [4, 12])
def test_voice_stays_as_clear_as_it_was(speech: Samples, semitones: int) -> None:
    """Blocks joined out of phase would comb: harmonics drown in noise."""

    def clarity_db(sound: Samples, lowest_hz: float) -> float:
        harmonicity = parselmouth.Sound(sound.astype(np.float64), PIPELINE_RATE).to_harmonicity_cc(
            0.01, lowest_hz
        )
        return float(np.median(harmonicity.values[harmonicity.values > -100]))

    before = clarity_db(resampled(speech), 60)
    after = clarity_db(shifted(speech, semitones), 60 * 2 ** (semitones / 12))
    assert after > before - 1


def test_no_shift_is_only_resampled(speech: Samples) -> None:
    assert np.array_equal(shifted(speech, 0), resampled(speech))


def test_sound_comes_before_the_speech_has_ended(speech: Samples) -> None:
    converter = PitchOnlyConverter()
    request = DrivenRequest(make_segment("Said.", pitch_shift=4))
    assert not converter.can_step(request)
    request.push(speech[:1764], SAMPLE_RATE)
    assert converter.can_step(request)
    converter.step([request])
    assert len(request.sound)
    assert not request.finished
    assert not converter.can_step(request)


def test_a_step_takes_a_second_of_speech_at_most(speech: Samples) -> None:
    converter = PitchOnlyConverter()
    request = DrivenRequest(make_segment("Said.", pitch_shift=4))
    for piece in np.split(speech, range(5292, len(speech), 5292)):
        request.push(piece, SAMPLE_RATE)
    request.push(speech[:0], SAMPLE_RATE, is_last=True)
    n_before = 0
    while not request.finished:
        assert converter.can_step(request)
        converter.step([request])
        n_made = len(request.sound) - n_before
        n_before += n_made
        assert n_made * SAMPLE_RATE / PIPELINE_RATE < SAMPLES_PER_STEP + 2 * 5292
    assert np.array_equal(request.sound, shifted(speech, 4))


def test_sound_does_not_depend_on_the_company(speech: Samples) -> None:
    converter = PitchOnlyConverter()
    requests = [DrivenRequest(make_segment("Said.", pitch_shift=p)) for p in (-5, 3)]
    for piece in np.split(speech, range(2000, len(speech), 2000)):
        for request in requests:
            request.push(piece, SAMPLE_RATE)
        converter.step(requests)
    for request, pitch in zip(requests, (-5, 3), strict=True):
        request.push(speech[:0], SAMPLE_RATE, is_last=True)
        assert np.array_equal(run(converter, request).sound, shifted(speech, pitch))


def test_a_request_that_leaves_is_forgotten(speech: Samples) -> None:
    """Should it come back it starts anew, with nothing of the old sound in it."""
    converter = PitchOnlyConverter()
    request = DrivenRequest(make_segment("Said.", pitch_shift=4))
    request.push(speech[:8000], SAMPLE_RATE)
    converter.step([request])
    converter.leave(request)
    converter.leave(request)
    request.emitted.clear()
    request.push(speech[:0], SAMPLE_RATE, is_last=True)
    assert len(run(converter, request).sound) == 0


def test_speech_of_no_samples_is_no_sound() -> None:
    """The stage ends a failed segment with an empty chunk at 48 kHz."""
    request = convert(PitchOnlyConverter(), [], PIPELINE_RATE, 4)
    assert request.finished
    assert len(request.sound) == 0


def test_an_empty_chunk_at_another_rate_ends_the_speech(speech: Samples) -> None:
    converter = PitchOnlyConverter()
    request = DrivenRequest(make_segment("Said.", pitch_shift=4))
    request.push(speech[:8000], SAMPLE_RATE)
    request.push(speech[:0], PIPELINE_RATE, is_last=True)
    sound = run(converter, request).sound
    assert len(sound) == resampled_length(8000, SAMPLE_RATE, PIPELINE_RATE)
