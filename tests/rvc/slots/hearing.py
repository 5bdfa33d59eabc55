"""Segments that are heard in slots, and by streams with the same blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from stages.audio.pitch_shift import pitch_ratio
from stages.rvc.network.content import FEATURE_REACH
from stages.rvc.pitch.scale import shifted
from stages.rvc.schedule import PITCH_FRAMES
from stages.rvc.slots.listening import ListenRows
from stages.rvc.slots.plan import SlotStream, SteadyShape
from stages.rvc.speech import HOP, FilteredSpeech
from stages.rvc.streaming import ConversionStream
from tests.rvc.conversions import content_encoder, start, synthesizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from stages.audio.format import Samples
    from stages.rvc.network.content import ContentState
    from stages.rvc.pitch.estimator import PitchEstimator
    from stages.rvc.schedule import Block
    from stages.rvc.slots.listening import Listening
    from stages.rvc.slots.plan import PlannedBlock
    from tests.rvc.conversions import Kind

SHAPE = SteadyShape.of(32)
LEFT, LAG = 14, 13
"""Frames of a decoder's context, as the blocks know them."""
SEMITONES = 3.0
N_SLOTS = 5
"""And a spare one."""


def blocks() -> Iterator[Block]:
    return SHAPE.blocks(LEFT, LAG)


def pitch_found(block: Block, start: int) -> NDArray[np.float32]:
    """The pitch from a frame on, in Hz. Each block finds another, so that who does not keep what it
    had found is caught."""
    frames = np.arange(start, block.stop)
    found: NDArray[np.float32] = (200 + frames + 0.1 * block.stop).astype(np.float32)
    return np.where(frames % 7 == 0, np.float32(0), found)


class Window(NamedTuple):
    """What is known of the speech of a window, from its first frame that counts."""

    features: torch.Tensor
    f0: torch.Tensor
    energy: torch.Tensor
    """Of the frames from the segment's start on."""


class _SteadyStream(ConversionStream):
    """A stream with the blocks of slots, whose last one is as long as the others."""

    @property
    def block(self) -> Block:
        return self._next


def streamed(
    speech: Samples, kind: Kind, estimator: PitchEstimator | None = None
) -> Iterator[Window]:
    """What a stream knows of speech at 16 kHz in each of its blocks."""
    encoder = content_encoder(kind.hubert)
    stream = start(synthesizer(kind))
    stream.__class__ = _SteadyStream
    stream._blocks = blocks()  # noqa: SLF001 - where its blocks come from
    stream._next = next(stream._blocks)  # noqa: SLF001
    stream.push(speech)
    stream.end()
    recording = FilteredSpeech()
    recording.push(speech)
    state: ContentState = encoder.start()
    known = torch.empty(1, 0, encoder.n_channels)
    energy = torch.empty(0)
    while True:
        block = stream.block
        new_speech = stream.take_speech()
        new, state = encoder.local(torch.from_numpy(new_speech)[None], state)
        known = torch.cat([known, new], dim=1)[:, -(block.stop - block.start) // 2 :]
        frames = torch.from_numpy(new_speech)[:-FEATURE_REACH].view(-1, HOP)
        energy = torch.cat([energy, frames[-min(block.new_from, 0) :].square().mean(1)])
        n_frames = len(stream.speech_for_pitch()) // HOP
        if estimator is None:
            found = pitch_found(block, block.stop - n_frames)
        else:  # in slots, all that is before a young segment is mirrored
            pitch_speech = recording.filtered((block.stop - PITCH_FRAMES) * HOP, block.stop * HOP)
            found = estimator.estimate(pitch_speech)[-n_frames:]
        yield Window(
            encoder.encode(known, kind.version)[0],
            shifted(torch.from_numpy(stream.pitch(found)), SEMITONES),
            energy[max(block.start, 0) :],
        )
        stream._next = next(stream._blocks)  # noqa: SLF001


class Slots:
    """Segments in slots. What listens to them can be put behind a graph."""

    def __init__(
        self,
        listening: Listening,
        in_rate: int = 16_000,
        *,
        size: int = 4,
        launch: Callable[[ListenRows], object] | None = None,
        is_pitch_given: bool = True,
    ) -> None:
        """`size`: of all batches."""
        self.memory = listening.memory
        self._needed = listening.needed
        self._launch = launch or listening
        self._in_rate = in_rate
        self._size = size
        self._is_pitch_given = is_pitch_given
        self._streams: dict[int, SlotStream] = {}

    def begin(self, slot: int, speech: Samples) -> None:
        """A segment, all of which is there."""
        stream = SlotStream(blocks(), in_rate=self._in_rate, lag=LAG, needed=self._needed)
        stream.push(speech)
        stream.end()
        self._streams[slot] = stream

    def has_more(self, slot: int) -> bool:
        return not self._streams[slot].is_planned

    def step(self, slots: Sequence[int]) -> dict[int, Window]:
        """The next block of each, in the order of the rows; others are spare."""
        raw = np.zeros((self._size, SHAPE.max_in(self._in_rate)), np.float32)
        planned = [self._streams[slot].take(own) for slot, own in zip(slots, raw, strict=False)]
        self._launch(self._rows(slots, planned, raw))
        return {
            slot: self._window(slot, own.block) for slot, own in zip(slots, planned, strict=True)
        }

    def _rows(
        self, slots: Sequence[int], planned: Sequence[PlannedBlock], raw: NDArray[np.float32]
    ) -> ListenRows:
        n_spare = self._size - len(slots)
        f0 = np.zeros((self._size, SHAPE.window), np.float32)
        for own, row in zip(f0, planned, strict=False):
            own[:] = pitch_found(row.block, row.block.stop - SHAPE.window)

        def column(values: Sequence[float], dtype: torch.dtype = torch.int64) -> torch.Tensor:
            return torch.tensor([*values, *[values[0]] * n_spare], dtype=dtype)

        return ListenRows(
            slot=torch.tensor([*slots, *[len(self.memory.f0) - 1] * n_spare]),
            is_first=torch.tensor([*(row.is_first for row in planned), *[True] * n_spare]),
            raw=torch.from_numpy(raw),
            n_raw=column([row.n_raw for row in planned]),
            n_in=column([row.n_in for row in planned]),
            n_total=column([row.n_total for row in planned]),
            start=column([row.block.start for row in planned]),
            stop=column([row.block.stop for row in planned]),
            n_new=column([row.n_new for row in planned]),
            keep_pitch_from=column([row.keep_pitch_from for row in planned]),
            f0_given=torch.from_numpy(f0),
            has_f0_given=torch.full((self._size,), fill_value=self._is_pitch_given),
            ratio=column([pitch_ratio(SEMITONES)] * len(planned), torch.float32),
        )

    def _window(self, slot: int, block: Block) -> Window:
        memory, n_frames = self.memory, block.stop - block.start
        return Window(
            memory.features[slot, -(n_frames // 2) :].clone(),
            memory.f0[slot, -n_frames:].clone(),
            memory.speech_energy[slot, -(block.stop - max(block.start, 0)) :].clone(),
        )
