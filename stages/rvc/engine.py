"""RVC as a converter: each listener's speech in the voice it chose, block by block.

A step converts one block of one listener on a CPU, where two at once take twice as long, and of
several on a GPU. Who else is converted changes nothing on a CPU.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from stages import rvc
from stages.audio.format import PIPELINE_RATE
from stages.audio.stretch import Stretcher
from stages.engine import Engine
from stages.file_sizes import megabytes, size_of
from stages.neural import accelerator
from stages.rvc.conversion import Converter
from stages.rvc.network.content import ContentEncoder
from stages.rvc.network.content_file import read_content_model
from stages.rvc.pitch.choosing import PitchEstimators
from stages.rvc.streaming import ConversionStream
from stages.rvc.voices.cache import VoiceCache
from stages.rvc.warm_up import WarmUp

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from stages.engine import Request
    from stages.items import Segment, Style
    from stages.neural.fusing import CompileUse
    from stages.neural.graphs import GraphUse
    from stages.rvc.voices.library import VoiceEntry
    from stages.rvc.voices.loaded import LoadedVoice

MAX_BATCH = 32
"""Streams in a step on a GPU: what 320 ms of 200 listeners come to in seven steps. The state of
each is 0.2 MB, and what a step computes with some 20 MB."""


SEED_STEP = 1_000_003
"""A prime, larger than a conversation has segments."""


@dataclass(frozen=True, slots=True)
class RvcOptions:
    """Settings of the engine."""

    content: Path
    """``hubert_base.pt``, or a folder with a contentvec of transformers' format."""
    rmvpe: Path
    """``rmvpe.pt``, which need not be there."""
    device: torch.device
    dtype: torch.dtype
    block_frames: int = 32
    """A block's length in frames of 10 ms; even."""
    max_voice_bytes: int = 2_000_000_000
    """The bound for voices that are kept loaded, and for networks that find pitch."""
    graphs: GraphUse = "auto"
    """Whether functions run as graphs on a GPU."""
    torch_compile: CompileUse = "auto"
    """Whether chains of operators are compiled for a GPU."""


@dataclass(slots=True, eq=False)
class _Conversion:
    """A request on its way."""

    stream: ConversionStream | None = None
    """None: no speech has come."""
    stretcher: Stretcher | None = None
    """What brings speech to the speed asked for; None: it has it."""
    has_ended: bool = False
    """All its speech is in the stream."""

    @property
    def due(self) -> ConversionStream | None:
        """The stream, if its next block can be converted."""
        return self.stream if self.stream is not None and self.stream.is_due else None

    @property
    def has_finished(self) -> bool:
        """All its sound has been handed out."""
        return self.has_ended and (self.stream is None or self.stream.has_finished)


class RvcEngine(Engine):
    """All RVC voices there are."""

    name = rvc.ENGINE
    sample_rate = PIPELINE_RATE
    can_use_gpu = True

    _converter: Converter
    _warmth: WarmUp

    def __init__(self, entries: Mapping[str, VoiceEntry], options: RvcOptions) -> None:
        """`entries` may change while the engine runs."""
        self._entries = entries
        self._options = options
        self.runs_on = accelerator.describe(options.device, options.dtype)
        self._voices = VoiceCache(
            max_bytes=options.max_voice_bytes,
            device=options.device,
            dtype=options.dtype,
            estimators=PitchEstimators(options.rmvpe, options.device, options.dtype),
            warm_up=self._warm_up,
        )
        self._conversions: dict[Request, _Conversion] = {}

    @property
    def reads(self) -> str:
        return f"RVC's content model, {megabytes(size_of([self._options.content]))}"

    @torch.inference_mode()
    def load(self) -> None:
        """Read and check the content model. Raises `UnusableModel`."""
        model = read_content_model(self._options.content)
        encoder = ContentEncoder(model, self._options.dtype, self._options.device)
        self._converter = Converter(encoder)
        self._warmth = WarmUp(self._converter, self._options.block_frames)

    def load_voice(
        self, user: Hashable, style: Style, *, ahead: bool = False
    ) -> Future[LoadedVoice]:
        return self._voices.load(user, self._entries[style.voice], style, ahead=ahead)

    def to_read(self, style: Style) -> int:
        return self._voices.to_read(self._entries[style.voice])

    def release_voice(self, user: Hashable) -> None:
        self._voices.release(user)

    def can_step(self, request: Request) -> bool:
        """There is speech to take, or enough to convert."""
        conversion = self._conversions.get(request)
        is_due = conversion is not None and conversion.due is not None
        return is_due or request.has_input or request.input_ended

    def choose(self, requests: Sequence[Request]) -> Sequence[Request]:
        """The most urgent, and on a GPU those whose next block is of its shape."""
        if self._options.device.type == "cpu":
            return requests[:1]
        shapes: dict[Request, Hashable] = {}
        for request in requests:
            if (stream := self._take_in(request).due) is not None:
                shapes[request] = stream.block.shape
        if not shapes:
            return requests[:1]
        shape = next(iter(shapes.values()))
        return [request for request, own in shapes.items() if own == shape][:MAX_BATCH]

    @torch.inference_mode()
    def step(self, batch: Sequence[Request]) -> None:
        """Convert a block of each, where enough of its speech is there."""
        conversions = {request: self._take_in(request) for request in batch}
        due = {request: own.due for request, own in conversions.items() if own.due is not None}
        if due:
            for request, sound in zip(due, self._converter.advance([*due.values()]), strict=True):
                request.emit(sound)
        for request, conversion in conversions.items():
            if conversion.has_finished:
                request.finish()
                self.leave(request)

    def leave(self, request: Request) -> None:
        """Forget the request's state."""
        self._conversions.pop(request, None)

    def close(self) -> None:
        """Load no more voices."""
        self._voices.close()
        self._conversions.clear()

    def _warm_up(self, voice: LoadedVoice) -> None:
        self._warmth.meet(voice)

    def _take_in(self, request: Request) -> _Conversion:
        """Give its stream the speech that has come."""
        conversion = self._conversions.setdefault(request, _Conversion())
        # Asked before taking: what is pushed in between is then taken by the next step.
        ended = request.input_ended
        for chunk in request.take_input():
            if len(chunk.samples):  # the end may come as an empty chunk of any rate
                if conversion.stream is None:
                    conversion.stream = ConversionStream(
                        request.voice,
                        in_rate=chunk.sample_rate,
                        block_frames=self._options.block_frames,
                        seed=_seed(request.segment),
                    )
                    speed = request.segment.style.speed
                    if speed != 1.0:
                        conversion.stretcher = Stretcher(1.0 / speed, chunk.sample_rate)
                stretcher = conversion.stretcher
                samples = chunk.samples if stretcher is None else stretcher.push(chunk.samples)
                conversion.stream.push(samples)
        if ended and not conversion.has_ended:
            conversion.has_ended = True
            if conversion.stream is not None:
                if conversion.stretcher is not None:
                    conversion.stream.push(conversion.stretcher.flush())
                conversion.stream.end()
        return conversion


def _seed(segment: Segment) -> int:
    """The seed of a segment's noise: its own, so that segments do not hiss alike."""
    seed = segment.style.seed
    return secrets.randbits(63) if seed is None else seed * SEED_STEP + segment.index
