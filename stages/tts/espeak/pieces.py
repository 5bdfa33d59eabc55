"""Cuts the library's buffers into what is handed out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from stages.engine import Request
    from stages.tts.espeak.offset import OffsetRemover

FIRST_PIECE_SAMPLES = 1764
"""80 ms, ready after 0.3 ms: a resampler at 22 050 Hz lets its first sound go after 50 ms of it,
the pitch shifter after 65."""
PIECE_SAMPLES = 5292
"""240 ms, the middle of the 160 to 340 ms that a message is to hold."""

FULL_SCALE = np.float32(32768.0)
"""A 16-bit sample of -32768 is -1."""


class Pieces:
    """Cuts the library's buffers into what is handed out, by position alone: without the
    silence in front, a short piece first, so that sound starts at once, then longer ones."""

    def __init__(self, request: Request, offset: OffsetRemover | None, n_lacking: int) -> None:
        """`n_lacking`: the samples of silence to add at the end; less than none: to leave out."""
        self._request = request
        self._offset = offset
        self._n_lacking = n_lacking
        self._held: list[npt.NDArray[np.int16]] = []
        self._n_held = 0
        self._n_wanted = FIRST_PIECE_SAMPLES
        self._audible = False
        self.n_skipped = 0
        """The samples of silence that were left out in front."""
        self.sound: list[npt.NDArray[np.int16]] = []
        """What the library made behind them."""

    def take(self, sound: npt.NDArray[np.int16]) -> bool:
        """Take one buffer; False breaks the synthesis off."""
        if self._request.is_dead:
            return False
        if not self._audible:
            loud = np.flatnonzero(sound)
            n_silent = int(loud[0]) if len(loud) else len(sound)
            self.n_skipped += n_silent
            if n_silent == len(sound):
                return True
            sound = sound[n_silent:]
            self._audible = True
        self.sound.append(sound)
        self._held.append(sound)
        self._n_held += len(sound)
        while self._n_held + min(0, self._n_lacking) >= self._n_wanted:
            self._emit(self._n_wanted)
            self._n_wanted = PIECE_SAMPLES
        return True

    def emit_rest(self) -> None:
        """Hand out what is left of a segment."""
        n_samples = self._n_held + self._n_lacking if self._audible else 0
        if n_samples > 0 and not self._request.is_dead:
            self._held.append(np.zeros(max(0, self._n_lacking), np.int16))
            self._emit(n_samples)

    def _emit(self, n_samples: int) -> None:
        held = np.concatenate(self._held)
        samples = held[:n_samples].astype(np.float32) / FULL_SCALE
        self._request.emit(samples if self._offset is None else self._offset.push(samples))
        self._held = [held[n_samples:]]
        self._n_held -= n_samples
