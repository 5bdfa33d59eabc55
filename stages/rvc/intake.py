"""One request of RVC's engine: its speech on the way into its stream, at the speed asked for."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeAlias

from stages.audio.stretch import Stretcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from stages.engine import Request
    from stages.items import Segment
    from stages.rvc.slots.converter import SlotConversion
    from stages.rvc.streaming import ConversionStream

    Stream: TypeAlias = ConversionStream | SlotConversion


@dataclass(slots=True, eq=False)
class SegmentConversion:
    """A request on its way."""

    stream: Stream | None = None
    """None: no speech has come."""
    stretcher: Stretcher | None = None
    """What brings speech to the speed asked for; None: it has it."""
    has_ended: bool = False
    """All its speech is in the stream."""

    @property
    def due(self) -> Stream | None:
        """The stream, if its next block can be converted."""
        return self.stream if self.stream is not None and self.stream.is_due else None

    @property
    def has_finished(self) -> bool:
        """All its sound has been handed out."""
        return self.has_ended and (self.stream is None or self.stream.has_finished)

    def take_in(self, request: Request, start: Callable[[Request, int], Stream]) -> None:
        """Give the stream the speech that has come; `start` makes it, for speech at this rate."""
        # Asked before taking: what is pushed in between is then taken by the next step.
        ended = request.input_ended
        for chunk in request.take_input():
            if len(chunk.samples):  # the end may come as an empty chunk of any rate
                if self.stream is None:
                    self.stream = start(request, chunk.sample_rate)
                    speed = request.segment.style.speed
                    if speed != 1.0:
                        self.stretcher = Stretcher(1.0 / speed, chunk.sample_rate)
                stretcher = self.stretcher
                samples = chunk.samples if stretcher is None else stretcher.push(chunk.samples)
                self.stream.push(samples)
        if ended and not self.has_ended:
            self.has_ended = True
            if self.stream is not None:
                if self.stretcher is not None:
                    self.stream.push(self.stretcher.flush())
                self.stream.end()


def seed_of(segment: Segment) -> int:
    """The seed of a segment's noise: one for each text, so that segments do not hiss alike, and a
    text sounds the same wherever it is said."""
    seed = segment.style.seed
    if seed is None:
        return secrets.randbits(63)
    return int.from_bytes(blake2b(f"{seed} {segment.spoken}".encode(), digest_size=8).digest())
