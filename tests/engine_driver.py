"""Runs an engine without an executor: a request that remembers what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from stages.items import AudioChunk, Segment, Style, Timing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stages.audio.format import Samples
    from stages.engine import Engine, Request, SaidWord
    from stages.errors import SynthesisError


def make_segment(
    spoken: str = "", voice: str = "en-us", pitch_shift: float = 0.0, speed: float = 1.0
) -> Segment:
    """A segment as the segmenter would cut it."""
    style = Style(voice, pitch_shift, speed=speed)
    return Segment(0, spoken, spoken, style, Timing(0.0, 0.0))


@dataclass(eq=False)
class DrivenRequest:
    """A request in which a test plays the executor's part."""

    segment: Segment
    dies_after: int | None = None
    """The listener is gone once this many pieces were emitted."""
    input: list[AudioChunk] = field(default_factory=list)
    input_ended: bool = False
    emitted: list[Samples] = field(default_factory=list)
    finished: bool = False
    error: SynthesisError | None = None
    voice: Any = None
    words: Sequence[SaidWord] = ()
    n_told: int | None = None

    @property
    def is_dead(self) -> bool:
        return self.dies_after is not None and len(self.emitted) >= self.dies_after

    @property
    def has_input(self) -> bool:
        return bool(self.input)

    def take_input(self) -> list[AudioChunk]:
        taken, self.input = self.input, []
        return taken

    def emit(self, samples: Samples) -> None:
        assert not self.finished
        assert samples.dtype == np.float32
        assert samples.ndim == 1
        self.emitted.append(samples)

    def tell_words(self, words: Sequence[SaidWord]) -> None:
        assert not self.finished
        self.words = words

    def tell_length(self, n_samples: int) -> None:
        assert not self.emitted
        self.n_told = n_samples

    def finish(self) -> None:
        assert not self.finished
        self.finished = True

    def fail(self, error: SynthesisError) -> None:
        self.error = error

    def push(self, samples: Samples, sample_rate: int, *, is_last: bool = False) -> None:
        """What `Job.push` does."""
        self.input.append(AudioChunk(self.segment, samples, sample_rate, is_last))
        self.input_ended = self.input_ended or is_last

    @property
    def sound(self) -> Samples:
        """All that was emitted, in one."""
        return np.concatenate([np.zeros(0, np.float32), *self.emitted])


def step(engine: Engine, *batch: Request) -> None:
    """Take a step, and wait for it where it is launched."""
    launched = engine.step(batch)
    if launched is not None:
        launched.finish()


def run(engine: Engine, request: DrivenRequest) -> DrivenRequest:
    """Step until the request is through."""
    while not (request.finished or request.error or request.is_dead):
        assert engine.can_step(request)
        step(engine, request)
    engine.leave(request)
    return request


def speak(engine: Engine, text: str, voice: str = "en-us", speed: float = 1.0) -> Samples:
    """What a synthesizer makes of a text."""
    request = run(engine, DrivenRequest(make_segment(text, voice, speed=speed)))
    assert request.error is None
    return request.sound


def convert(
    engine: Engine,
    pieces: Iterable[Samples],
    sample_rate: int,
    pitch_shift: float,
    speed: float = 1.0,
) -> DrivenRequest:
    """What a converter makes of speech that comes piece by piece."""
    request = DrivenRequest(make_segment("Said.", pitch_shift=pitch_shift, speed=speed))
    for piece in pieces:
        request.push(piece, sample_rate)
        if engine.can_step(request):
            step(engine, request)
    request.push(np.zeros(0, np.float32), sample_rate, is_last=True)
    return run(engine, request)


def _conforms(request: DrivenRequest) -> Request:
    """For mypy: what is driven is what engines expect."""
    return request
