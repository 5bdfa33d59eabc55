"""Stand-ins with real behaviour: engines whose sound says what they were given, and a peer
that is a pair of lists."""

from __future__ import annotations

import itertools
import math
import re
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
import trio

from pipeline.connection import hold_conversation
from pipeline.service import Service
from stages.engine import Engine
from stages.errors import Disconnected, SynthesisError
from stages.items import AudioChunk, ClientMessage, PcmFrame, Segment, Style, Timing, WordTimes
from stages.segmenter import SegmenterOptions
from stages.text.normalise import prepare
from stages.voices import Voice
from stages.word_clock import Word
from tests.inline_models import InlineModels

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from pipeline.close_code import CloseCode
    from pipeline.executor import Executor
    from stages.audio.format import Samples
    from stages.engine import Request
    from stages.items import Answer, Outgoing, Segmentation

T = TypeVar("T")

prepare("en")  # in a thread, as a server does, a clock that jumps would not wait for it

STYLE = Style("plain")
SAMPLES_PER_CHAR = 100


def segment(spoken: str, index: int = 0, style: Style = STYLE) -> Segment:
    """A segment that says this."""
    return Segment(index, spoken, spoken, style, Timing(arrived=0.0, cut=0.0))


def word_times(of: Segment, start_s: float, end_s: float, *, rate: int = 48_000) -> WordTimes:
    """The times of a segment's words, as if all characters but spaces took as long."""
    found = list(re.finditer(r"\S+", of.source))
    share = (end_s - start_s) / sum(len(word.group()) for word in found)
    words, at_s = [], start_s
    for word in found:
        ends_s = at_s + share * len(word.group())
        words.append(Word(word.group(), *word.span(), at_s, ends_s, is_exact=True))
        at_s = ends_s
    return WordTimes(of, tuple(words), rate)


def sound_of(text: str) -> Samples:
    """100 samples a character, each as loud as the character's number: legible sound."""
    levels = np.array([ord(char) % 1000 / 1000 for char in text], np.float32)
    return np.repeat(levels, SAMPLES_PER_CHAR)


def text_of(samples: Samples) -> str:
    """What `sound_of` was given, if it was ASCII."""
    return "".join(chr(round(float(level) * 1000)) for level in samples[::SAMPLES_PER_CHAR])


class TellingEngine(Engine):
    """Emits `sound_of` each segment, one character a step, and keeps a diary of its batches.

    Characters with a meaning: ``^`` raises, ``~`` fails its request only."""

    name = "telling"
    sample_rate = 48_000

    def __init__(self, width: int = 1) -> None:
        self.width = width
        self.batches: list[list[int]] = []
        self.threads: set[int] = set()
        self.left: list[Request] = []
        self._said: dict[Request, int] = {}

    def choose(self, requests: Sequence[Request]) -> Sequence[Request]:
        return requests[: self.width]

    def step(self, batch: Sequence[Request]) -> None:
        self.threads.add(threading.get_ident())
        self.batches.append([request.segment.index for request in batch])
        for request in batch:
            self._say(request)

    def _say(self, request: Request) -> None:
        text = request.segment.spoken
        position = self._said.get(request, 0)
        if position == len(text):
            request.finish()
            return
        if text[position] == "^":
            raise RuntimeError("an engine's own mistake")
        if text[position] == "~":
            request.fail(SynthesisError(f"cannot say {text!r}"))
            return
        self._said[request] = position + 1
        request.emit(sound_of(text[position]))

    def leave(self, request: Request) -> None:
        self.left.append(request)
        self._said.pop(request, None)


class HangingEngine(TellingEngine):
    """A step hangs until `release` is set."""

    name = "hanging"
    hangs_after_s = 0.05

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    def step(self, batch: Sequence[Request]) -> None:
        self.release.wait()
        self.hangs_after_s = 60  # or a busy machine would make it hang again
        super().step(batch)


class Negating(Engine):
    """A converter whose output is its input upside down, chunk by chunk."""

    name = "negating"
    sample_rate = 48_000

    def can_step(self, request: Request) -> bool:
        return request.has_input

    def step(self, batch: Sequence[Request]) -> None:
        for request in batch:
            for chunk in request.take_input():
                request.emit(-chunk.samples)
                if chunk.is_last:
                    request.finish()


class ListPeer:
    """Says what is in `say`, then waits (or, if told to, ends), and keeps what it hears."""

    def __init__(
        self,
        *say: ClientMessage | Exception,
        ends: bool = True,
        delays: Iterator[float] | None = None,
    ) -> None:
        self.heard: list[Outgoing | Answer] = []
        self._reads = trio.Event()
        self._reads.set()
        self._say = list(say)
        self._ends = ends
        self._delays = delays or itertools.repeat(0.0)
        self._more = trio.lowlevel.ParkingLot()

    def say(self, *messages: ClientMessage | Exception) -> None:
        """Say more."""
        self._say.extend(messages)
        self._more.unpark_all()

    def hang_up(self) -> None:
        """Say no more, and hear what is left."""
        self._ends = True
        self._more.unpark_all()

    def vanish(self) -> None:
        """Be gone."""
        self.say(Disconnected())

    def stop_reading(self) -> None:
        """Let the next send wait."""
        self._reads = trio.Event()

    def go_on_reading(self) -> None:
        """Let it go on."""
        self._reads.set()

    async def receive(self) -> ClientMessage | None:
        while not self._say:
            if self._ends:
                return None
            await self._more.park()
        await trio.sleep(next(self._delays))
        message = self._say.pop(0)
        if isinstance(message, Exception):
            raise message
        return message

    async def send(self, item: Outgoing | Answer) -> None:
        await trio.sleep(next(self._delays))
        await self._reads.wait()
        self.heard.append(item)

    @property
    def unread(self) -> int:
        """Messages that the server has not taken."""
        return len(self._say)

    @property
    def pcm(self) -> Samples:
        """All sound heard, as float32; the stream must be f32le mono."""
        data = b"".join(item.data for item in self.heard if isinstance(item, PcmFrame))
        return np.frombuffer(data, "<f4")

    def heard_of(self, kind: type[T]) -> list[T]:
        """What was heard of one kind."""
        return [item for item in self.heard if isinstance(item, kind)]


def chunk(samples: Samples, of: Segment, *, is_last: bool = False) -> AudioChunk:
    """A chunk at 48 kHz."""
    return AudioChunk(of, samples, 48_000, is_last)


VOICES = {
    name: Voice(name, "telling", "en", None, "a voice for tests", 48_000)
    for name in ("plain", "other")
}


def service(
    models: InlineModels | Executor | None = None,
    synthesizer: Engine | None = None,
    *,
    voice_converters: Sequence[Engine] = (),
    options: SegmenterOptions = SegmenterOptions(),  # noqa: B008 - frozen
    segmentation: Segmentation | None = None,
    max_listeners: int = 10,
    max_pending_bytes: int = 1 << 18,
    idle_timeout_s: float = math.inf,
) -> Service:
    """A service on fake engines."""
    synthesizer = synthesizer or TellingEngine()
    return Service(
        executor=cast("Executor", models or InlineModels()),
        synthesizers=[synthesizer],
        converter=Negating(),
        voice_converters=voice_converters,
        voices={name: replace(voice, engine=synthesizer.name) for name, voice in VOICES.items()},
        style=STYLE,
        segmentation=segmentation,
        segmenter_options=options,
        max_listeners=max_listeners,
        max_pending_bytes=max_pending_bytes,
        idle_timeout_s=idle_timeout_s,
    )


async def converse(peer: ListPeer, server: Service | None = None, **config: object) -> CloseCode:
    """Hold a conversation, with events unless the config says otherwise."""
    server = server or service()
    conversation = server.new_conversation("eager")
    conversation.configure({"events": True, **config})
    return await hold_conversation(peer, server, conversation)


def sound_to(
    play: Callable[[bytes], Awaitable[None]],
) -> Callable[[Outgoing], Awaitable[None]]:
    """A listener of `speak_text` who plays the sound and minds nothing else."""

    async def hear(item: Outgoing) -> None:
        if isinstance(item, PcmFrame):
            await play(item.data)

    return hear


def token(text: str, pitch_shift: float | None = None) -> ClientMessage:
    """A token, as a client sends it."""
    return ClientMessage(text, pitch_shift)


FLUSH = ClientMessage(flush=True)
CANCEL = ClientMessage(cancel=True)
