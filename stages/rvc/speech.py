"""The speech of one segment as a converter gets it: at 16 kHz, without rumble, and mirrored at both
ends, since the networks normalise over time, to which silence would be no neutral value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import signal

if TYPE_CHECKING:
    from stages.audio.format import Samples

RATE = 16_000
"""Hertz, of the speech that content and pitch are found in."""
HOP = RATE // 100
"""Samples from one frame to the next: 10 ms."""

ORDER = 5
CUTOFF_HZ = 48
HIGH_PASS = signal.butter(ORDER, CUTOFF_HZ, "highpass", fs=RATE)
"""Upstream's (`Pipeline`), which applies it forwards and backwards."""
SETTLES = RATE // 10
"""Samples before a piece that are filtered with it: the filter rings for 50 ms."""
SHORTEST = 3 * max(map(len, HIGH_PASS)) + 1
"""Samples that can be filtered at all: `filtfilt` mirrors all but one of so many."""


class FilteredSpeech:
    """Samples that are appended at the end, and read with the high pass anywhere behind what was
    forgotten."""

    def __init__(self) -> None:
        self._samples: Samples = np.empty(0, np.float32)
        self._n_forgotten = 0

    @property
    def n_samples(self) -> int:
        """The number of samples since the segment's start."""
        return self._n_forgotten + len(self._samples)

    def push(self, samples: Samples) -> None:
        """Append samples."""
        self._samples = np.concatenate([self._samples, samples])

    def forget_before(self, sample: int) -> None:
        """Forget samples: nothing before this one will be read."""
        n_more = max(0, sample - SETTLES - self._n_forgotten)
        self._samples = self._samples[n_more:]
        self._n_forgotten += n_more

    def filtered(self, start: int, stop: int) -> Samples:
        """Samples from `start`, which may lie before the segment, to `stop`, which may lie behind
        it once it has ended."""
        if not self.n_samples:  # of speech at 48 kHz, one sample makes none here
            return np.zeros(stop - start, np.float32)
        # What is mirrored at the end lies as far before it.
        needed_from = min(start, 2 * self.n_samples - stop)
        first = max(0, needed_from - SETTLES, self._n_forgotten)
        part = self._samples[first - self._n_forgotten : max(stop, 0) - self._n_forgotten]
        if len(part) >= SHORTEST:
            part = signal.filtfilt(*HIGH_PASS, part).astype(np.float32)
        before, after = max(0, -start), max(0, stop - self.n_samples)
        part = np.pad(part, (before, after), mode="reflect")
        at = start + before - first
        return part[at : at + stop - start]
