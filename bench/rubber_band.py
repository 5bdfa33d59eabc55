"""Rubber Band, as `stages.audio.pitch_shift.PitchShifter` is used: piece by piece."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from stages.audio.pitch_shift import pitch_ratio
from stages.audio.resample import Resampler

if TYPE_CHECKING:
    from stages.audio.format import Samples

IS_THERE = find_spec("pylibrb") is not None
"""For Linux on ARM there is no wheel."""
MAX_SAMPLES = 8_192
"""Taken by one call."""


class RubberBand:
    """Its finer engine (R3) in real-time mode, a shift of pitch and a change of speed, followed by
    a change of rate. With `keeps_formants` a voice stays as large as it is when its pitch moves."""

    def __init__(
        self,
        semitones: float,
        in_rate: int,
        out_rate: int,
        *,
        speed: float = 1.0,
        keeps_formants: bool = False,
    ) -> None:
        pylibrb: Any = importlib.import_module("pylibrb")
        option = pylibrb.Option
        options = option.PROCESS_REALTIME | option.ENGINE_FINER | option.THREADING_NEVER
        if keeps_formants:
            options |= option.FORMANT_PRESERVED
        self._stretcher = pylibrb.RubberBandStretcher(
            in_rate, 1, options, 1 / speed, pitch_ratio(semitones)
        )
        self._stretcher.set_max_process_size(MAX_SAMPLES)
        self._resampler = Resampler(in_rate, out_rate)
        self._speed = speed
        self._n_received = self._n_made = 0
        # It begins in the midst of a window, and wants silence before; that comes out first.
        self._n_late = self._stretcher.get_start_delay()
        self._stretch(np.zeros(self._stretcher.get_preferred_start_pad(), np.float32))

    def push(self, samples: Samples) -> Samples:
        """Take more speech, hand out what is ready."""
        self._n_received += len(samples)
        made = [
            self._stretch(samples[start : start + MAX_SAMPLES])
            for start in range(0, len(samples), MAX_SAMPLES)
        ]
        return self._resampler.push(np.concatenate([np.zeros(0, np.float32), *made]))

    def flush(self) -> Samples:
        """The rest, to the exact length."""
        n_missing = round(self._n_received / self._speed) - self._n_made
        rest = self._stretch(np.zeros(1, np.float32), is_last=True)[:n_missing]
        return np.concatenate((self._resampler.push(rest), self._resampler.flush()))

    def _stretch(self, samples: Samples, *, is_last: bool = False) -> Samples:
        self._stretcher.process(samples[np.newaxis], is_last)
        pieces = []
        while self._stretcher.available() > 0:
            pieces.append(self._stretcher.retrieve_available()[0])
        made: Samples = np.concatenate([np.zeros(0, np.float32), *pieces])
        n_late = min(self._n_late, len(made))
        self._n_late -= n_late
        self._n_made += len(made) - n_late
        return made[n_late:]
