"""The built-in converter: it shifts the pitch and leaves the voice as it is."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from stages.audio.format import PIPELINE_RATE
from stages.audio.pitch_shift import PitchShifter
from stages.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.audio.format import Samples
    from stages.engine import Request
    from stages.items import AudioChunk


SAMPLES_PER_STEP = 24_000
"""About a second of speech, 2 ms of work (6 ms at 24 semitones): so nobody else's first sound
waits for one long segment."""


class PitchOnlyConverter(Engine):
    """Shifts each segment's speech by its `pitch_shift` as it comes.

    n samples in give exactly as many out as resampling would. What comes out does not depend
    on how the speech was cut, nor on which step took it."""

    name = "pitch"
    sample_rate = PIPELINE_RATE

    def __init__(self) -> None:
        self._shifts: dict[Request, _Shift] = {}

    def can_step(self, request: Request) -> bool:
        """There is speech to convert, or the end to be handed out."""
        shift = self._shifts.get(request)
        waiting = shift is not None and bool(shift.waiting)
        return waiting or request.has_input or request.input_ended

    def step(self, batch: Sequence[Request]) -> None:
        """Convert about a second of each request's speech."""
        for request in batch:
            # Asked before taking: what is pushed in between is then taken by the next step.
            ended = request.input_ended
            shift = self._shifts.setdefault(request, _Shift(request))
            shift.waiting.extend(request.take_input())
            if shift.convert_some() or not ended:
                continue
            shift.finish()
            self.leave(request)

    def leave(self, request: Request) -> None:
        """Forget the request's state."""
        self._shifts.pop(request, None)


class _Shift:
    """One request on its way."""

    def __init__(self, request: Request) -> None:
        self.waiting: deque[AudioChunk] = deque()
        self._request = request
        self._shifter: PitchShifter | None = None

    def convert_some(self) -> bool:
        """Convert what one step may; whether there is more."""
        n_left = SAMPLES_PER_STEP
        while self.waiting and n_left > 0:
            chunk = self.waiting.popleft()
            # The end may come as an empty chunk of any rate.
            if len(chunk.samples):
                if self._shifter is None:
                    semitones = self._request.segment.style.pitch_shift
                    self._shifter = PitchShifter(semitones, chunk.sample_rate, PIPELINE_RATE)
                self._emit(self._shifter.push(chunk.samples))
                n_left -= len(chunk.samples)
        return bool(self.waiting)

    def finish(self) -> None:
        """Hand out the rest."""
        if self._shifter is not None:
            self._emit(self._shifter.flush())
        self._request.finish()

    def _emit(self, samples: Samples) -> None:
        if len(samples):
            self._request.emit(samples)
