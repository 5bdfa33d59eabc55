"""The built-in converter: it changes pitch and speed and leaves the voice as it is."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stages.audio.format import PIPELINE_RATE
from stages.audio.pitch_shift import PitchShifter
from stages.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.engine import Request
    from stages.items import AudioChunk


SAMPLES_PER_STEP = 24_000
"""About a second of speech, 2 ms of work (6 ms at 24 semitones, 18 at half the speed): so nobody
else's first sound waits for one long segment."""


class PitchOnlyConverter(Engine):
    """Brings each segment's speech to its `pitch_shift` and `speed` in one pass, as it comes.

    n samples in give exactly as many out as resampling n / speed would. What comes out does not
    depend on how the speech was cut, nor on which step took it."""

    name = "pitch"
    sample_rate = PIPELINE_RATE

    def __init__(self) -> None:
        self._shifts: dict[Request, _Shift] = {}

    def can_step(self, request: Request) -> bool:
        """There is speech to convert, or the end to be handed out."""
        shift = self._shifts.get(request)
        is_waiting = shift is not None and bool(shift.waiting)
        return is_waiting or request.has_input or request.input_ended

    def step(self, batch: Sequence[Request]) -> None:
        """Convert about a second of each request's speech."""
        for request in batch:
            # Asked before taking: what is pushed in between is then taken by the next step.
            ended = request.input_ended
            shift = self._shifts.setdefault(request, _Shift())
            shift.waiting.extend(request.take_input())
            n_left = SAMPLES_PER_STEP
            while shift.waiting and n_left > 0:
                chunk = shift.waiting.popleft()
                if len(chunk.samples):  # the end may come as an empty chunk of any rate
                    if shift.shifter is None:
                        style = request.segment.style
                        shift.shifter = PitchShifter(
                            style.pitch_shift, chunk.sample_rate, PIPELINE_RATE, speed=style.speed
                        )
                    request.emit(shift.shifter.push(chunk.samples))
                    n_left -= len(chunk.samples)
            if ended and not shift.waiting:
                if shift.shifter is not None:
                    request.emit(shift.shifter.flush())
                request.finish()
                self.leave(request)

    def leave(self, request: Request) -> None:
        """Forget the request's state."""
        self._shifts.pop(request, None)


@dataclass(slots=True)
class _Shift:
    """One request on its way."""

    waiting: deque[AudioChunk] = field(default_factory=deque)
    shifter: PitchShifter | None = None
