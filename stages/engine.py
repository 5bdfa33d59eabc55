"""The contract between models, stages and the model thread.

An `Engine` is synchronous code that knows no Trio and no socket. It is driven by the
executor (``pipeline/executor.py``), which owns the one thread that every model runs on::

    load()        once, on a worker thread: read and check files, import what is slow
    install()     once, on the model thread: take the models over and warm them up
    load_voice()  for each request before it is queued, on the Trio thread
    can_step()    again and again, on the model thread: who could go on,
    choose()      who goes on together,
    step()        and one short step for them, which may leave a device at work,
    finish()      for what that device has done, step after step
    leave()       after a request has ended, for whatever reason, on the model thread
    close()       at the end, on the model thread

A `Request` is one segment on its way through one engine. A synthesizer's request has only
the segment; a converter's also gets the segment's speech, chunk by chunk.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from stages.text.normalise.letters import LetterStyle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from stages.audio.format import Samples
    from stages.errors import SynthesisError
    from stages.items import AudioChunk, Segment, Style


class SaidWord(NamedTuple):
    """A word, or a part of one, in an engine's sound."""

    begin: int
    """The place of its first character in the segment's `spoken`."""
    start: int
    """The first of its samples, of those that were emitted."""
    end: int
    """Behind the last of them."""


class Request(Protocol):
    """A request as its engine sees it. Everything here is called on the model thread."""

    voice: Any
    """The result of `Engine.load_voice`."""

    @property
    def segment(self) -> Segment:
        """The text to be spoken, or the text of the speech to convert."""

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
        """Hand out sound, if there is any, at the engine's rate. The listener gets it at once,
        also while the step goes on; the array must not be written to afterwards."""

    def tell_words(self, words: Sequence[SaidWord]) -> None:
        """Say when each word is said, in order, once all of them are known: before `finish`. An
        engine that does not know it does not call this, and the times are estimated."""

    def tell_length(self, n_samples: int) -> None:
        """Say how much sound will be emitted in all, as soon as that is known and before the first
        of it. A synthesizer that does not know it does not call this, and it is estimated."""

    def finish(self) -> None:
        """All of this segment's sound has been emitted."""

    def fail(self, error: SynthesisError) -> None:
        """Give this request up; the others of the batch go on."""


class Launched(Protocol):
    """A step's work that a device is still doing."""

    @property
    def is_done(self) -> bool:
        """The device has done it. Never waits: it is asked every fraction of a millisecond."""

    def finish(self) -> None:
        """Emit, finish or fail the step's requests, on the model thread. Called once, after the
        steps of its engine that were launched before; waits if it must."""


class Engine(ABC):
    """A model, or a set of models, that lives on the model thread."""

    name: str
    sample_rate: int
    """Hertz, of what is emitted."""
    runs_on: str = "cpu"
    """The device, and the precision where there is a choice, in words."""
    can_use_gpu: bool = False
    """It would run on a GPU, where there is one."""
    least_chars: int = 0
    """The shortest text that it speaks well, which ``auto`` segmentation goes by."""
    letters: LetterStyle = LetterStyle.HYPHENED
    """How letters are written that it is to name one by one."""
    takes_sounds: bool = False
    """It says pronunciations that stand in a text: ``[Worcester](/ˈwʊstɚ/)``."""
    hangs_after_s: float = 30.0
    """A step that takes longer than this is taken for hung, and readiness is withdrawn.
    The slowest step known (ten seconds of speech through RVC on a slow laptop) takes 6 s."""
    wake: Callable[[], None] = staticmethod(lambda: None)
    """Has `can_step` asked again. An engine calls it, on any thread, when what a thread of its own
    has done lets a request go on. Set by the executor, before `load`."""

    @property
    def pid(self) -> int | None:
        """The process of its own that it works in, if it has one at the moment."""
        return None

    @property
    def n_restarts(self) -> int:
        """How often a process of its own ended and was started anew."""
        return 0

    @property
    def reads(self) -> str:
        """What `load` reads, and its size, for whoever waits for it: ``Soprano, 280 MB``; empty
        where nobody has to."""
        return ""

    def load(self) -> None:
        """Read and check what is slow to read, on a worker thread."""

    def install(self) -> None:
        """Take over what was loaded and warm up, on the model thread."""

    def batch_costs(self) -> Mapping[int, float]:
        """What it takes to speak to listeners together, by how many they are: seconds of the
        device for one second of sound for each of them, as measured by `install`. It is asked for
        once, after that. Empty: the more there are, the more it takes, in proportion."""
        return {}

    def own_speed(self, speed: float) -> float:
        """The speed that it speaks at by itself where this one is asked for; stretching makes up
        for the rest. 1: it has only one."""
        del speed
        return 1.0

    def legible(self, text: str, language: str) -> str:
        """A segment's text without the letters that it cannot read in a voice of this language, a
        tag; empty where it can read none of them. Costs microseconds."""
        del language
        return text

    def load_voice(self, user: Hashable, style: Style, *, ahead: bool = False) -> Future[Any]:
        """The style's voice, loaded: at once, unless the engine loads its voices on demand.

        Called on the Trio thread, which it does not hold up; the future is done on any thread.
        A *user* is a request, which gets the result as its `voice`, or a listener who has just
        chosen the style and may speak soon. For the latter voices are loaded `ahead`: when
        nobody needs another, and only the newest choice. What is wrong with a voice is the
        future's exception."""
        del user, style, ahead
        voice = Future[Any]()
        voice.set_result(None)
        return voice

    def to_read(self, style: Style) -> int:
        """The bytes of files that `load_voice` would have to read for this style now; 0: the voice
        is there."""
        del style
        return 0

    def release_voice(self, user: Hashable) -> None:
        """This user needs no voice any more: what has not begun to be loaded for it need not be,
        and its future is then never done. On the Trio thread."""

    def can_step(self, request: Request) -> bool:
        """Whether a step could do something for this request now. Only a look at the engine's
        state and the request's: it is asked before every step of any engine."""
        return True

    def choose(self, requests: Sequence[Request]) -> Sequence[Request]:
        """The requests that the next step runs together, one at least; `requests` has the most
        urgent first."""
        return requests[:1]

    @abstractmethod
    def step(self, batch: Sequence[Request]) -> Launched | None:
        """Run once for this batch: emit, finish or fail its requests.

        Where a device goes on with it, what is `Launched` is returned, and finished as soon as it
        is done; None: all is done. Meanwhile its requests are in no other step, and one more step,
        for others, may be launched behind it; an engine that would rather have all together in the
        next one says so by `can_step`.

        An exception that escapes, here or from `Launched.finish`, fails the whole batch; an engine
        that knows whose fault it was calls that request's `fail` instead."""

    @property
    def is_lost(self) -> bool:
        """Whether its device does nothing more in this process: CUDA answers every call with the
        same error once a kernel has failed. Asked for after a step has raised something."""
        return False

    def leave(self, request: Request) -> None:
        """Forget this request: it has finished, failed or died, and is in no later step, nor in
        one that is launched."""

    def close(self) -> None:
        """Let go of the models."""


class Playback(Protocol):
    """How far a listener has played what it was sent. The scheduler asks on the model thread."""

    @property
    def has_left(self) -> bool:
        """The listener will want nothing more."""

    def deadline(self, arrived: float) -> float:
        """When work that arrived then is late, in seconds on Trio's clock."""


class Job(Protocol):
    """A request as its stage sees it. Everything here is called on the Trio thread."""

    def push(self, chunk: AudioChunk) -> None:
        """Hand in speech to convert; the chunk that `is_last` ends the input. Never waits:
        a segment's speech is bounded by its 200 characters, and by what its engine makes of
        them at most."""

    @property
    def words(self) -> Sequence[SaidWord]:
        """What the engine told of its words; empty before, and where it does not know."""

    @property
    def length_s(self) -> float | None:
        """The length of all its sound in seconds, as the engine told it; None: it did not."""

    def __aiter__(self) -> AsyncIterator[Samples]:
        """The sound, as it comes off the engine.

        Raises `SynthesisError` where the engine gave up, `EngineGone` where the model thread
        hangs or died."""


class ModelThread(Protocol):
    """The executor, as far as stages know it."""

    def open(
        self, engine: Engine, segment: Segment, playback: Playback
    ) -> AbstractContextManager[Job]:
        """Queue a request, which is dropped when the context is left."""
