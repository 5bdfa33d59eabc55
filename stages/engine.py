"""What a model must offer to run on the model thread, and what a stage may ask of it.

An `Engine` is synchronous code that knows no Trio and no socket. It is driven by the
executor (``pipeline/executor.py``), which owns the one thread that every model runs on::

    load()      once, on the loader thread: read and check files, import what is slow
    install()   once, on the model thread: take the models over and warm them up
    step()      again and again, on the model thread: one short turn for one batch
    leave()     after a request has ended, for whatever reason
    close()     at the end, on the model thread

A `Request` is one segment on its way through one engine. A synthesizer's request has only
the segment; a converter's also gets the segment's speech, chunk by chunk.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from pipeline.playback import PlaybackClock
    from stages.audio.format import Samples
    from stages.errors import SynthesisError
    from stages.items import AudioChunk, Segment, Style


class Request(Protocol):
    """A request as its engine sees it. Everything here is called on the model thread."""

    @property
    def segment(self) -> Segment:
        """What is to be spoken, or what the speech to convert says."""

    @property
    def is_dead(self) -> bool:
        """The listener has gone or was interrupted: what a step still makes is thrown away,
        so a long step may look here and stop early."""

    @property
    def input_ended(self) -> bool:
        """No more speech will be pushed after what `take_input` returns next."""

    @property
    def has_input(self) -> bool:
        """`take_input` would return something."""

    def take_input(self) -> list[AudioChunk]:
        """Remove and return the speech that has been pushed since the last call."""

    def emit(self, samples: Samples) -> None:
        """Hand out sound at the engine's rate. The listener gets it at once, also while the
        step goes on; the array must not be written to afterwards."""

    def finish(self) -> None:
        """All of this segment's sound has been emitted."""

    def fail(self, error: SynthesisError) -> None:
        """Give this request up; the others of the batch go on."""


class Engine(ABC):
    """A model, or a set of models, that lives on the model thread."""

    name: str
    sample_rate: int
    """Hertz, of what is emitted."""
    runs_on: str = "cpu"
    """The device, and the precision where there is a choice, in words."""
    cuts: Mapping[str, int] = MappingProxyType({})
    """How many texts had to be broken off so far, by the reason."""
    hangs_after_s: float = 30.0
    """A step that takes longer than this is taken for hung, and readiness is withdrawn.
    The slowest step known (ten seconds of speech through RVC on a slow laptop) takes 6 s."""

    wake: Callable[[], None] = staticmethod(lambda: None)
    """The executor's: an engine that `can_step` after something happened on another thread calls
    it then, from there."""

    def load(self) -> None:
        """Read and check what is slow to read, on the loader thread."""

    def install(self) -> None:
        """Take over what was loaded and warm up, on the model thread."""

    def prepare(self, voice: str) -> None:
        """Have one of its voices at hand before it is spoken with, on any thread but the model
        thread. It takes as long as it takes, and raises what is wrong with the voice."""

    def expect(self, listener: Hashable, style: Style) -> None:
        """This listener has chosen one of its voices, in place of any it chose before, and may
        speak soon. On the Trio thread: what takes long is done elsewhere."""

    def forget(self, listener: Hashable) -> None:
        """This listener will not speak with its voices, or is gone. On the Trio thread."""

    def can_step(self, request: Request) -> bool:
        """Whether a step could do something for this request now."""
        return True

    def choose(self, requests: Sequence[Request]) -> Sequence[Request]:
        """Of these, the most urgent first, those that the next step runs together."""
        return requests[:1]

    @abstractmethod
    def step(self, batch: Sequence[Request]) -> None:
        """Run once for this batch: emit, finish or fail its requests.

        An exception that escapes fails the whole batch; an engine that knows whose fault it
        was calls that request's `fail` instead."""

    def leave(self, request: Request) -> None:
        """Forget this request: it has finished, failed or died, and is in no later step."""

    def close(self) -> None:
        """Let go of the models."""


class Job(Protocol):
    """A request as its stage sees it. Everything here is called on the Trio thread."""

    def push(self, chunk: AudioChunk) -> None:
        """Hand in speech to convert; the chunk that `is_last` ends the input. Never waits:
        a segment's speech is bounded by its 200 characters, and by what its engine makes of
        them at most."""

    def __aiter__(self) -> AsyncIterator[Samples]:
        """The sound, as it comes off the engine.

        Raises `SynthesisError` where the engine gave up, `EngineGone` where the model thread
        hangs or died."""


class ModelThread(Protocol):
    """What a stage may ask of the executor."""

    def open(
        self, engine: Engine, segment: Segment, clock: PlaybackClock
    ) -> AbstractContextManager[Job]:
        """Queue a request, which is dropped when the context is left."""
