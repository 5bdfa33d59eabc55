"""RVC as a converter: each listener's speech in the voice it chose, block by block.

A step converts one block of one listener on a CPU, where two at once take twice as long, and of
several on a GPU. Who else is converted changes nothing on a CPU. A voice that is not at hand is
read on a thread of its own while others are spoken with.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from stages.audio.format import PIPELINE_RATE
from stages.conversion_settings import ConversionSettings
from stages.engine import Engine
from stages.errors import ServerError, SynthesisError
from stages.neural import accelerator
from stages.rvc.conversion import Converter
from stages.rvc.network.content import ContentEncoder
from stages.rvc.network.content_file import read_content_model
from stages.rvc.streaming import ConversionStream, ConversionVoice
from stages.rvc.voices.cache import Wardrobe
from stages.rvc.warm_up import WarmUp

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from stages.engine import Request
    from stages.items import Segment, Style
    from stages.rvc.voices.cache import Outfit
    from stages.rvc.voices.library import VoiceEntry

ENGINE = "rvc"

MAX_BATCH = 32
"""Streams in a step on a GPU: what 320 ms of 200 listeners come to in seven steps. The state of
each is 0.2 MB, and what a step computes with some 20 MB."""


SEED_STEP = 1_000_003
"""A prime, larger than a conversation has segments."""


@dataclass(frozen=True, slots=True)
class RvcOptions:
    """How the engine is set."""

    content: Path
    """``hubert_base.pt``, or a folder with a contentvec of transformers' format."""
    rmvpe: Path
    """``rmvpe.pt``, which need not be there."""
    device: torch.device
    dtype: torch.dtype
    block_frames: int = 32
    """Of 10 ms, even."""
    max_voice_bytes: int = 2_000_000_000
    """Of voices that are kept at hand."""


@dataclass(slots=True, eq=False)
class _Conversion:
    """A request on its way."""

    outfit: Future[Outfit]
    voice: ConversionVoice | None = None
    """None: it is still being read."""
    stream: ConversionStream | None = None
    """None: no speech has come."""
    has_ended: bool = False
    """All its speech is in the stream."""


class RvcEngine(Engine):
    """All RVC voices there are."""

    name = ENGINE
    sample_rate = PIPELINE_RATE

    _converter: Converter
    _warmth: WarmUp

    def __init__(self, entries: Mapping[str, VoiceEntry], options: RvcOptions) -> None:
        """`entries` may change while the engine runs."""
        self._entries = entries
        self._options = options
        self.runs_on = accelerator.in_words(options.device, options.dtype)
        self._wardrobe = Wardrobe(
            max_bytes=options.max_voice_bytes,
            device=options.device,
            dtype=options.dtype,
            rmvpe_path=options.rmvpe,
            when_read=lambda: self.wake(),  # noqa: PLW0108 - which is set later
            warm_up=self._warm_up,
        )
        self._conversions: dict[Request, _Conversion] = {}

    @torch.inference_mode()
    def load(self) -> None:
        """Read and check the content model. Raises `UnusableModel`."""
        model = read_content_model(self._options.content)
        encoder = ContentEncoder(model, self._options.dtype, self._options.device)
        self._converter = Converter(encoder)
        self._warmth = WarmUp(self._converter, self._options.block_frames)

    def prepare(self, voice: str) -> None:
        """Read a voice, as it is set by itself, and warm up. Raises `UnusableModel`."""
        entry = self._entries[voice]
        self._wardrobe.prepare(entry, entry.settings.filter_radius)

    def expect(self, listener: Hashable, style: Style) -> None:
        """Read the style's voice, if there is room for it."""
        entry = self._entries.get(style.voice)
        if entry is not None:
            self._wardrobe.expect(listener, entry, _settings(entry, style).filter_radius)

    def forget(self, listener: Hashable) -> None:
        """Read nothing for this listener."""
        self._wardrobe.leave(listener)

    def can_step(self, request: Request) -> bool:
        """Its voice is at hand, and there is speech to take, or enough to convert. Raises
        `SynthesisError` for a voice that cannot be had."""
        conversion = self._conversions.get(request)
        if conversion is None:
            conversion = self._conversions[request] = _Conversion(self._outfit_for(request))
        if conversion.voice is None:
            if not conversion.outfit.done():
                return False
            conversion.voice = self._voice(request, conversion.outfit)
        return request.has_input or request.input_ended or _is_due(conversion)

    def choose(self, requests: Sequence[Request]) -> Sequence[Request]:
        """The most urgent, and on a GPU those whose next block is of its shape."""
        if self._options.device.type == "cpu":
            return requests[:1]
        shapes: dict[Request, Hashable] = {}
        for request in requests:
            conversion = self._take_in(request)
            if conversion.stream is not None and conversion.stream.is_due:
                shapes[request] = conversion.stream.block.shape
        if not shapes:
            return requests[:1]
        shape = next(iter(shapes.values()))
        return [request for request, own in shapes.items() if own == shape][:MAX_BATCH]

    @torch.inference_mode()
    def step(self, batch: Sequence[Request]) -> None:
        """Convert a block of each, where enough of its speech is there."""
        conversions = {request: self._take_in(request) for request in batch}
        due = {
            request: conversion.stream
            for request, conversion in conversions.items()
            if conversion.stream is not None and conversion.stream.is_due
        }
        if due:
            for request, sound in zip(due, self._converter.advance([*due.values()]), strict=True):
                request.emit(sound)
        for request, conversion in conversions.items():
            if conversion.has_ended and (
                conversion.stream is None or conversion.stream.has_finished
            ):
                request.finish()
                self.leave(request)

    def leave(self, request: Request) -> None:
        """Forget the request's state."""
        self._conversions.pop(request, None)
        self._wardrobe.leave(request)

    def close(self) -> None:
        """Read no more voices."""
        self._wardrobe.close()
        self._conversions.clear()

    def _warm_up(self, outfit: Outfit) -> None:
        plain = ConversionSettings()
        self._warmth.meet(ConversionVoice(outfit.synthesizer, None, plain, 0.0, outfit.pitch))

    def _outfit_for(self, request: Request) -> Future[Outfit]:
        entry = self._entry(request)
        settings = _settings(entry, request.segment.style)
        return self._wardrobe.outfit(request, entry, settings.filter_radius)

    def _entry(self, request: Request) -> VoiceEntry:
        name = request.segment.style.voice
        entry = self._entries.get(name)
        if entry is None:
            raise SynthesisError(f"the voice {name!r} is no longer there")
        return entry

    def _voice(self, request: Request, outfit: Future[Outfit]) -> ConversionVoice:
        try:
            worn = outfit.result()
        except ServerError as error:
            raise SynthesisError(str(error)) from error
        entry = self._entry(request)
        settings = _settings(entry, request.segment.style)
        n_speakers = worn.synthesizer.config.n_speakers
        if settings.speaker >= n_speakers:
            msg = f"speaker: {entry.name} has {n_speakers}, of which the last is {n_speakers - 1}"
            raise SynthesisError(msg)
        semitones = request.segment.style.pitch_shift + entry.settings.pitch_shift
        return ConversionVoice(worn.synthesizer, worn.index, settings, semitones, worn.pitch)

    def _take_in(self, request: Request) -> _Conversion:
        """Give its stream the speech that has come."""
        conversion = self._conversions[request]
        # Asked before taking: what is pushed in between is then taken by the next step.
        ended = request.input_ended
        for chunk in request.take_input():
            # The end may come as an empty chunk of any rate.
            if len(chunk.samples):
                self._stream(request, conversion, chunk.sample_rate).push(chunk.samples)
        if ended and not conversion.has_ended:
            conversion.has_ended = True
            if conversion.stream is not None:
                conversion.stream.end()
        return conversion

    def _stream(self, request: Request, conversion: _Conversion, in_rate: int) -> ConversionStream:
        if conversion.stream is None:
            if conversion.voice is None:
                raise RuntimeError("a step of a request that cannot be stepped")
            conversion.stream = ConversionStream(
                conversion.voice,
                in_rate=in_rate,
                block_frames=self._options.block_frames,
                seed=_seed(request.segment),
            )
        return conversion.stream


def _settings(entry: VoiceEntry, style: Style) -> ConversionSettings:
    return entry.settings.model_copy(update=style.conversion)


def _is_due(conversion: _Conversion) -> bool:
    return conversion.stream is not None and conversion.stream.is_due


def _seed(segment: Segment) -> int:
    """Of a segment's noise: its own, so that segments do not hiss alike."""
    seed = segment.style.seed
    return secrets.randbits(63) if seed is None else seed * SEED_STEP + segment.index
