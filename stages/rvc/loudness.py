"""The loudness of converted speech: that of the speech it was made from, in part (`rms_mix_rate`).

Upstream compares the loudness (root of the mean square) of a second around each half second. A
stream does not know the half second to come: it compares the last second's, every 10 ms.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from stages.audio.format import PIPELINE_RATE

if TYPE_CHECKING:
    from stages.audio.format import Samples

FRAME = PIPELINE_RATE // 100
N_FRAMES = 100
"""The window of the loudness: a second."""
FLOOR = 1e-6
"""Upstream's: a quieter voice is not made louder."""


class LoudnessMatch:
    """The loudness of one segment. `rate`: from 0, that of the speech, to 1, that of the voice."""

    def __init__(self, rate: float) -> None:
        self._exponent = 1 - rate
        self._gain = 1.0
        self._loudness = deque[float](maxlen=N_FRAMES)  # mean squares of the speech
        self._own = deque[float](maxlen=N_FRAMES)  # and of the voice
        self._speech = deque[float]()  # of frames whose sound has not come yet
        self._rest: Samples = np.empty(0, np.float32)

    def take_speech(self, speech: Samples, hop: int) -> None:
        """Take the speech of the next frames, (n * hop,)."""
        if self._exponent:
            self._speech.extend(np.square(speech.reshape(-1, hop)).mean(axis=1).tolist())

    def push(self, sound: Samples, *, is_all: bool = False) -> Samples:
        """Take the voice's next sound, at 48 kHz, and hand out whole frames of it as loud as they
        should be; with `is_all` the rest, too."""
        if not self._exponent:
            return sound
        self._rest = np.concatenate([self._rest, sound])
        n_samples = len(self._rest) if is_all else len(self._rest) // FRAME * FRAME
        ready, self._rest = self._rest[:n_samples], self._rest[n_samples:]
        frames = [ready[at : at + FRAME] for at in range(0, n_samples, FRAME)]
        return np.concatenate([np.empty(0, np.float32), *map(self._matched, frames)])

    def _matched(self, frame: Samples) -> Samples:
        self._own.append(float(np.square(frame).mean()))
        if self._speech:  # there may be a last sample or two for which there is no more
            self._loudness.append(self._speech.popleft())
        wanted, own = np.sqrt(np.mean(self._loudness)), np.sqrt(np.mean(self._own))
        gain = float((wanted / max(own, FLOOR)) ** self._exponent)
        start = self._gain if len(self._own) > 1 else gain
        self._gain = gain
        matched: Samples = frame * np.linspace(start, gain, len(frame), dtype=np.float32)
        return matched
