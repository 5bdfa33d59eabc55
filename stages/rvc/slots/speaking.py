"""From content features and pitch to sound at 48 kHz, for a batch of slots: graph B.

    features, pitch ▶ latent frames ─ the pushed ones ▶ decoder ▶ voice's rate ▶ 48 kHz ▶ loudness
                                         excitation ────┘

It is `Converter._convert` and `ConversionStream.take` as tensors of one shape, whatever the
positions of the rows. A row's sound lags behind its frames: by what the decoder and the filter that
brings it to 48 kHz look ahead, rounded up to whole frames. What a stream keeps between two blocks
lies in tensors that are indexed by slot.
"""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch

from stages.audio.format import PIPELINE_RATE
from stages.neural.fusing import fused
from stages.rvc.loudness import FRAME
from stages.rvc.network.config import tensor_shapes
from stages.rvc.network.synthesizer import Synthesizer
from stages.rvc.slots.loudness import SlotLoudness
from stages.rvc.slots.plan import lag_frames
from stages.rvc.slots.polyphase import Polyphase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stages.neural.fusing import CompileUse, Out
    from stages.rvc.network.config import VoiceConfig
    from stages.rvc.network.synthesizer import Speaker
    from stages.rvc.noise import Noise
    from stages.rvc.slots.plan import SteadyShape
F0 = 1
"""Which argument of `Synthesizer.latents` is the pitch."""


class Heard(Protocol):
    """What is known of the speech of each slot's window; of `listening.SpeechMemory`."""

    @property
    def features(self) -> torch.Tensor:
        """(slots, window / 2, content_width), in the networks' dtype: content features."""

    @property
    def drawn(self) -> torch.Tensor:
        """The same, drawn to the voice's index."""

    @property
    def f0(self) -> torch.Tensor:
        """(slots, window) float32: the pitch, shifted, in hertz; 0 where there is none."""

    @property
    def speech_energy(self) -> torch.Tensor:
        """(slots, window) float32: the mean square of each frame's speech."""


class SpeakRows(NamedTuple):
    """A block of each of a batch's streams. Frames are 10 ms, counted from a segment's start. A row
    that is not used has the spare slot, and anything in range elsewhere."""

    slot: torch.Tensor
    """(batch,) int64."""
    is_first: torch.Tensor
    """(batch,) bool: the segment's first block, to which nothing in the slot counts."""
    start: torch.Tensor
    """(batch,) int64: the window's first frame that counts."""
    stop: torch.Tensor
    """(batch,) int64: the frame behind the window's last."""
    push_from: torch.Tensor
    """(batch,) int64: the first frame that the decoder gets."""
    n_pushed: torch.Tensor
    """(batch,) int64: the frames of those it gets that count."""
    latent_noise_at: torch.Tensor
    """(batch, flow) int64: places of the noise of the window's last frames."""
    source_noise_at: torch.Tensor
    """(batch, pushed) int64: places of the noise of the excitation from `push_from` on."""
    unvoiced_share: torch.Tensor
    """(batch,) float32: the setting's `unvoiced_share`."""
    has_index: torch.Tensor
    """(batch,) float32: 1 where drawn features are used, else 0."""
    loudness_exponent: torch.Tensor
    """(batch,) float32: 1 less the voice's `rms_mix_rate`."""


class Speaking:
    """Graph B of one voice architecture, with networks whose weights are those of the voice that
    was last used."""

    def __init__(
        self,
        config: VoiceConfig,
        heard: Heard,
        n_slots: int,
        shape: SteadyShape,
        noises: tuple[Noise, Noise],
        *,
        torch_compile: CompileUse = "auto",
    ) -> None:
        """`n_slots`: besides the spare one, which is the last. `noises`: of latents and of the
        source."""
        self._config = replace(config, n_speakers=1)
        self._heard = heard
        self._shape = shape
        self._latent_noise, self._source_noise = noises
        self._torch_compile: CompileUse = torch_compile
        device, dtype = heard.features.device, heard.features.dtype
        self._device = device
        own = _without_weights(self._config, device, dtype)
        self._adopt(own)
        self._flat = own.flat
        self._used: weakref.ref[Synthesizer] | None = None

        decoder = own.decoder
        self._to_48k = Polyphase(config.sample_rate, PIPELINE_RATE, device)
        reach = self._to_48k.half_width
        self.lag = lag_frames(decoder.right_samples, reach, decoder.hop)
        """D: frames by which sound lags behind what the decoder gets."""
        n_tail = self.lag * decoder.hop + reach - decoder.right_samples

        def zeros(*shape: int, dtype: torch.dtype) -> torch.Tensor:
            return torch.zeros(n_slots + 1, *shape, dtype=dtype, device=device)

        speaker = own.speaker(0)
        self._flow_speakers = zeros(speaker.flow.numel(), dtype=dtype)
        self._decoder_speakers = zeros(speaker.decoder.numel(), dtype=dtype)
        self._decoder_states = zeros(decoder.state_size, dtype=dtype)
        self._phases = zeros(1, dtype=torch.float64)
        self._tails = zeros(n_tail, dtype=torch.float32)
        self._loudness = SlotLoudness(n_slots + 1, device)

    @property
    def n_bytes(self) -> int:
        """The memory of its weights and of all slots, about."""
        states = (
            self._flow_speakers, self._decoder_speakers, self._decoder_states, self._phases,
            self._tails,
        )  # fmt: skip
        own = 0 if self._flat is None else self._flat.nbytes
        return own + self._loudness.n_bytes + sum(state.nbytes for state in states)

    def use(self, voice: Synthesizer) -> None:
        """Speak as this voice from now on: one copy, on the stream of whoever calls."""
        if self._used is not None and self._used() is voice:
            return
        if self._flat is None or voice.flat is None:
            self._adopt(voice)
        else:
            self._flat.copy_(voice.flat)
            if voice.flat.is_cuda:  # it may be given up before it has been copied
                voice.flat.record_stream(torch.cuda.current_stream(self._device))
        self._used = weakref.ref(voice)

    def begin(self, slot: int, speaker: Speaker) -> None:
        """Let a stream begin in this slot, as this speaker of its voice."""
        self._flow_speakers[slot] = speaker.flow.flatten()
        self._decoder_speakers[slot] = speaker.decoder.flatten()

    def __call__(self, rows: SpeakRows) -> torch.Tensor:
        """The sound at 48 kHz, (batch, pushed * 480) float32, of which a row's first n_pushed
        frames are new: from `lag` frames before `push_from` on. Those before 0 are silent."""
        pushed = torch.arange(self._shape.pushed, device=self._device)
        f0 = self._heard.f0.index_select(0, rows.slot) if self._config.has_pitch else None
        latents = self._pushed_latents(rows, f0, pushed)
        source = self._source(rows, f0, pushed)
        state = self._decoder_states.index_select(0, rows.slot)
        sound, state = self._decode(
            latents,
            source,
            self._decoder_speakers.index_select(0, rows.slot)[:, :, None, None],
            rows.n_pushed,
            state.masked_fill(rows.is_first[:, None], 0.0),
        )
        self._decoder_states.index_copy_(0, rows.slot, state)
        return self._loud(rows, self._at_48k(rows, sound), pushed)

    def _adopt(self, synthesizer: Synthesizer) -> None:
        """Run the networks of this one."""
        self._excitation = synthesizer.excitation
        arguments = range(5)
        self._decode = self._fused(synthesizer.decoder.step, arguments)
        without = () if self._config.has_pitch else (F0,)
        self._latents = self._fused(synthesizer.latents, [n for n in arguments if n not in without])

    def _fused(self, function: Callable[..., Out], batched: Sequence[int]) -> Callable[..., Out]:
        return fused(function, self._device, wanted=self._torch_compile, batched=batched)

    def _pushed_latents(
        self, rows: SpeakRows, f0: torch.Tensor | None, pushed: torch.Tensor
    ) -> torch.Tensor:
        """(batch, inter_channels, 1, pushed): what the decoder gets."""
        shape, n_channels = self._shape, self._config.inter_channels
        frames = (rows.stop - shape.window)[:, None] + torch.arange(
            shape.window, device=self._device
        )
        # An unused row may have nothing that counts; but attention needs something.
        is_there = (frames >= torch.minimum(rows.start, rows.stop - 1)[:, None])[:, :, None]
        latents = self._latents(
            self._drawn(rows, f0).masked_fill(~is_there, 0.0),
            f0,
            self._latent_noise.at(rows.latent_noise_at, n_channels),
            self._flow_speakers.index_select(0, rows.slot)[:, None],
            is_there,
        )
        columns = (rows.push_from - rows.stop + shape.flow)[:, None] + pushed
        columns = columns.clamp(0, shape.flow - 1)[:, :, None].expand(-1, -1, n_channels)
        return latents.gather(1, columns).transpose(1, 2).unsqueeze(2)

    def _drawn(self, rows: SpeakRows, f0: torch.Tensor | None) -> torch.Tensor:
        """Content features of each frame, (batch, window, width), as index and settings want
        them."""
        features = self._heard.features.index_select(0, rows.slot)
        drawn = self._heard.drawn.index_select(0, rows.slot)
        part = rows.has_index[:, None].expand(-1, self._shape.window)
        if f0 is not None:  # breaths and hisses keep most of what they were
            part = torch.where(f0 < 1, part * rows.unvoiced_share[:, None], part)
        return torch.lerp(_by_frame(features), _by_frame(drawn), part.to(features)[:, :, None])

    def _source(
        self, rows: SpeakRows, f0: torch.Tensor | None, pushed: torch.Tensor
    ) -> torch.Tensor:
        """(batch, 1, 1, samples): the excitation of what the decoder gets, and none for a voice
        without pitch."""
        excitation = self._excitation
        if f0 is None or excitation is None:
            return self._decoder_states.new_empty(len(rows.slot), 1, 1, 0)
        f0 = f0.gather(1, self._columns(rows.push_from, rows, pushed))
        frames = rows.push_from[:, None] + pushed
        # The sine begins where the segment does.
        before = -excitation.phase_after(f0.masked_fill(frames >= 0, 0.0))
        phase = torch.where(rows.is_first[:, None], before, self._phases.index_select(0, rows.slot))
        noise = self._source_noise.at(rows.source_noise_at, self._config.hop)
        source, _ = excitation(f0, noise, phase)
        counting = f0.masked_fill(pushed >= rows.n_pushed[:, None], 0.0)
        phase = (phase + excitation.phase_after(counting)) % 1
        self._phases.index_copy_(0, rows.slot, phase)
        return source

    def _at_48k(self, rows: SpeakRows, sound: torch.Tensor) -> torch.Tensor:
        """The decoder's sound, (batch, pushed * hop), as (batch, pushed, 480): from `lag` frames
        before `push_from` on, and silent before the segment."""
        hop, reach = self._config.hop, self._to_48k.half_width
        window = torch.cat([self._tails.index_select(0, rows.slot), sound], dim=1)
        first = (rows.push_from - self.lag) * hop - reach
        steps = torch.arange(window.shape[1], device=self._device)
        window = window.masked_fill(first[:, None] + steps < 0, 0.0)
        tail = steps[: self._tails.shape[1]] + (rows.n_pushed * hop)[:, None]
        self._tails.index_copy_(0, rows.slot, window.gather(1, tail))
        n_needed = self._shape.pushed * hop + 2 * reach
        made = self._to_48k.resampled(window[:, :n_needed])
        return made.reshape(len(rows.slot), -1, FRAME)

    def _loud(self, rows: SpeakRows, sound: torch.Tensor, pushed: torch.Tensor) -> torch.Tensor:
        """The sound, as loud as it should be, (batch, pushed * 480)."""
        first = rows.push_from - self.lag
        energy = self._heard.speech_energy.index_select(0, rows.slot)
        speech = energy.gather(1, self._columns(first, rows, pushed))
        matched = self._loudness.matched(
            rows.slot,
            sound,
            speech,
            first=first,
            n_new=rows.n_pushed,
            exponent=rows.loudness_exponent,
        )
        return matched.flatten(1)

    def _columns(self, first: torch.Tensor, rows: SpeakRows, steps: torch.Tensor) -> torch.Tensor:
        """The columns of the windows, (batch, steps), in which the frames from `first` on are."""
        columns = (first - rows.stop + self._shape.window)[:, None] + steps
        return columns.clamp(0, self._shape.window - 1)


def _by_frame(units: torch.Tensor) -> torch.Tensor:
    """A feature of 20 ms (batch, n, width) for both of its frames: (batch, 2 * n, width)."""
    return units[:, :, None].expand(-1, -1, 2, -1).flatten(1, 2)


def _without_weights(config: VoiceConfig, device: torch.device, dtype: torch.dtype) -> Synthesizer:
    """Networks to which a voice's weights will be copied."""
    weights = {
        name.replace("weight_v", "weight"): torch.zeros(shape)
        for name, shape in tensor_shapes(config)
        if not name.endswith("weight_g")
    }
    return Synthesizer(config, weights, device, dtype)
