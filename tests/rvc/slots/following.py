"""A stream's conversion, block by block as slots have it, and the same blocks said in slots.

What a stream's networks are given is written down while it is converted: content features, pitch
and loudness of each window. `speak` gives them to `Speaking`, and the host's part of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from stages.conversion_settings import ConversionSettings
from stages.rvc.conversion import Converter
from stages.rvc.network.content import FEATURE_REACH
from stages.rvc.noise import Noise, places
from stages.rvc.slots.plan import SteadyShape
from stages.rvc.slots.speaking import Speaking, SpeakRows
from stages.rvc.speech import HOP
from stages.rvc.streaming import ConversionStream
from stages.rvc.voices.loaded import LoadedVoice
from tests.rvc.conversions import CPU, GivenPitch, content_encoder
from tests.rvc.voices import words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stages.audio.format import Samples
    from stages.neural.graphs import Graphs
    from stages.rvc.network.config import VoiceConfig
    from stages.rvc.network.synthesizer import Synthesizer
    from stages.rvc.schedule import Block
    from stages.rvc.voices.index import FeatureIndex

SHAPE = SteadyShape.of(32)
N_SLOTS = 4
GARBAGE = 777.0
"""What stands where nothing should look."""


class Window(NamedTuple):
    """What is known of a block's speech."""

    block: Block
    features: torch.Tensor
    drawn: torch.Tensor
    f0: torch.Tensor | None
    energy: torch.Tensor


@dataclass
class Followed:
    """A segment that was converted as a stream."""

    synthesizer: Synthesizer
    settings: ConversionSettings
    has_index: bool
    seed: int
    sound: Samples
    """At 48 kHz."""
    decoded: Samples
    """At the voice's rate, from the segment's start on."""
    windows: list[Window]

    @property
    def n_blocks(self) -> int:
        return len(self.windows)


class _Stream(ConversionStream):
    """With the blocks of slots, of which the last is not shortened."""

    def __init__(self, voice: LoadedVoice, *, lag: int, seed: int) -> None:
        super().__init__(voice, in_rate=16_000, block_frames=SHAPE.block, seed=seed)
        self._blocks = SHAPE.blocks(voice.synthesizer.decoder.left_frames, lag)
        self._next = next(self._blocks)
        self._n_right = self._lag = lag
        self.energy: dict[int, float] = {}
        self.decoded: list[Samples] = []

    @property
    def block(self) -> Block:
        return self._next

    @property
    def has_finished(self) -> bool:
        """In slots a stream may need another block, since sound comes in whole frames."""
        n_said = (self._next.push_from - self._lag) * 480
        return super().has_finished and n_said >= self._n_wanted

    def take(self, sound: Samples) -> Samples:
        self.decoded.append(sound[self._n_to_skip :])
        return super().take(sound)

    def take_speech(self) -> Samples:
        samples = super().take_speech()
        squares = np.square(samples[:-FEATURE_REACH].reshape(-1, HOP)).mean(axis=1)
        self.energy |= dict(enumerate(squares.tolist(), self.block.new_from))
        return samples


class _Converter(Converter):
    """It writes down what it was given."""

    def __init__(self, synthesizer: Synthesizer) -> None:
        super().__init__(content_encoder())
        self._version = synthesizer.config.version
        self.f0: torch.Tensor | None = None
        self.windows: list[Window] = []

    def _pitch(self, streams: Sequence[ConversionStream]) -> torch.Tensor:
        self.f0 = super()._pitch(streams)
        return self.f0

    def _convert(self, streams: Sequence[ConversionStream], local: torch.Tensor) -> list[Samples]:
        sounds = super()._convert(streams, local)
        (stream,) = streams
        assert isinstance(stream, _Stream)
        block = stream.block
        features = self._encoder.encode(local, self._version)
        settings, index = stream.voice.settings, stream.voice.index
        drawn = features
        if index is not None:
            blended = index.blend(features[0].numpy(), settings.index_rate)
            drawn = torch.from_numpy(blended)[None]
        energy = [stream.energy[frame] for frame in range(block.start, block.stop)]
        self.windows.append(Window(block, features, drawn, self.f0, torch.tensor([energy])))
        return sounds


@torch.inference_mode()
def followed(
    synthesizer: Synthesizer,
    n_samples: int,
    *,
    seed: int = 0,
    index: FeatureIndex | None = None,
    settings: ConversionSettings | None = None,
) -> Followed:
    """A segment of so many samples at 16 kHz, with a pitch that moves and is not always there."""
    settings = settings or ConversionSettings(rms_mix_rate=1.0)
    n_frames = n_samples // HOP + 1
    f0 = np.linspace(120, 320, n_frames, dtype=np.float32)
    f0[np.arange(n_frames) % 40 > 30] = 0
    pitch = GivenPitch(f0)
    voice = LoadedVoice(synthesizer, index, settings, 2.0, pitch)
    stream = pitch.stream = _Stream(voice, lag=lag_of(synthesizer), seed=seed)
    stream.push(np.roll(words(60_000), 5_000 * seed)[:n_samples])
    stream.end()
    converter, pieces = _Converter(synthesizer), []
    while stream.is_due:
        pieces += converter.advance([stream])
    return Followed(
        synthesizer,
        settings,
        index is not None,
        seed,
        np.concatenate(pieces),
        np.concatenate(stream.decoded),
        converter.windows,
    )


class Memory(NamedTuple):
    """What graph A leaves of each slot."""

    features: torch.Tensor
    drawn: torch.Tensor
    f0: torch.Tensor
    speech_energy: torch.Tensor

    @classmethod
    def of(
        cls,
        config: VoiceConfig,
        device: torch.device = CPU,
        dtype: torch.dtype = torch.float32,
    ) -> Memory:
        def full(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
            return torch.full((N_SLOTS + 1, *shape), GARBAGE, dtype=dtype, device=device)

        units = SHAPE.window // 2, config.content_width
        return cls(
            full(*units, dtype=dtype), full(*units, dtype=dtype), full(SHAPE.window),
            full(SHAPE.window),
        )  # fmt: skip

    def take(self, slot: int, window: Window) -> None:
        """Behind garbage, where the window is not full."""
        for kept, own in (
            (self.features, window.features),
            (self.drawn, window.drawn),
            (self.f0, window.f0),
            (self.speech_energy, window.energy),
        ):
            kept[slot] = GARBAGE
            if own is not None:
                kept[slot, kept.shape[1] - own.shape[1] :] = own[0]


def speaking(config: VoiceConfig, memory: Memory) -> Speaking:
    device = memory.features.device
    return Speaking(config, memory, N_SLOTS, SHAPE, (Noise(0, device), Noise(1, device)))


def lag_of(synthesizer: Synthesizer) -> int:
    return speaking(synthesizer.config, Memory.of(synthesizer.config)).lag


def rows_for(blocks: Mapping[int, tuple[Followed, int]], size: int) -> SpeakRows:
    """The rows of the blocks with these numbers, by slot; and spare ones."""
    slots = [*blocks, *[N_SLOTS] * (size - len(blocks))]
    given = [*blocks.values()]
    given += given[:1] * (size - len(blocks))
    own = [segment.windows[number].block for segment, number in given]
    segments = [segment for segment, _ in given]
    seeds = [segment.seed for segment in segments]
    config = segments[0].synthesizer.config
    push_from = [block.push_from for block in own]
    flow_from = [block.stop - SHAPE.flow for block in own]
    latent_at = places(seeds, flow_from, SHAPE.flow, config.inter_channels)
    source_at = places(seeds, push_from, SHAPE.pushed, config.hop)
    shares = [segment.settings.unvoiced_share for segment in segments]
    return SpeakRows(
        slot=torch.tensor(slots),
        is_first=torch.tensor([number == 0 for _, number in given]),
        start=torch.tensor([block.start for block in own]),
        stop=torch.tensor([block.stop for block in own]),
        push_from=torch.tensor(push_from),
        n_pushed=torch.tensor([block.push_to - block.push_from for block in own]),
        latent_noise_at=torch.from_numpy(latent_at),
        source_noise_at=torch.from_numpy(source_at),
        unvoiced_share=torch.tensor(shares),
        has_index=torch.tensor([float(segment.has_index) for segment in segments]),
        loudness_exponent=torch.tensor([1 - own.settings.rms_mix_rate for own in segments]),
    )


def heard(segment: Followed, number: int, lag: int, row: torch.Tensor) -> Samples:
    """What goes out of a row's sound, but for the end."""
    block = segment.windows[number].block
    first = max(0, lag - block.push_from) * 480
    return row[first : (block.push_to - block.push_from) * 480].numpy()


Turn = tuple[int, int]
"""The step of the batch in which a segment begins, and its slot."""


@torch.inference_mode()
def said(segments: Mapping[Turn, Followed], graphs: Graphs, size: int = 4) -> list[Samples]:
    """The sound of segments, each of which has a block in each step from its first on. Those of
    different voices are said one after the other."""
    config = next(iter(segments.values())).synthesizer.config
    memory = Memory.of(config)
    speaker = speaking(config, memory)

    def say(*rows: torch.Tensor) -> torch.Tensor:
        return speaker(SpeakRows(*rows))

    pieces: dict[Turn, list[Samples]] = {turn: [] for turn in segments}
    n_steps = max(first + len(own.windows) for (first, _), own in segments.items())
    with graphs.stream():
        any_rows = rows_for({0: (next(iter(segments.values())), 0)}, size)
        graphs.run(size, say, *any_rows._replace(slot=torch.full((size,), N_SLOTS)))
        for step in range(n_steps):
            now = {
                turn: own for turn, own in segments.items() if 0 <= step - turn[0] < own.n_blocks
            }
            for (first, slot), segment in now.items():
                memory.take(slot, segment.windows[step - first])
                if step == first:
                    speaker.begin(slot, segment.synthesizer.speaker(0))
            for voice in dict.fromkeys(segment.synthesizer for segment in now.values()):
                turns = [turn for turn, own in now.items() if own.synthesizer is voice]
                speaker.use(voice)
                rows = rows_for({turn[1]: (now[turn], step - turn[0]) for turn in turns}, size)
                (sound,) = graphs.fetch(graphs.run(size, say, *rows)).result()
                for row, turn in zip(sound, turns, strict=False):
                    pieces[turn].append(heard(now[turn], step - turn[0], speaker.lag, row))
    return [
        np.concatenate(pieces[turn])[: len(segment.sound)] for turn, segment in segments.items()
    ]
