"""The conversion of the next block of several streams: content features for all of them at once,
then each voice for its own streams.

    speech ▶ content ─┬▶ index, protect ▶ latents ▶ decoder ▶ sound
       └───▶ pitch ───┴────────────────────────────▶ source ┘
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import torch

from stages.rvc.network.config import FLOW_REACH
from stages.rvc.network.content import ContentState
from stages.rvc.network.synthesizer import SynthesizerState
from stages.rvc.noise import Noise
from stages.rvc.pitch.estimator import BatchEstimator
from stages.rvc.pitch.scale import shifted

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from stages.audio.format import Samples
    from stages.rvc.network.content import ContentEncoder
    from stages.rvc.streaming import ConversionStream


class Converter:
    """The content encoder and the noise, which all voices share."""

    def __init__(self, encoder: ContentEncoder) -> None:
        self._encoder = encoder
        self._device = encoder.device
        self._latent_noise = Noise(0, self._device)
        self._source_noise = Noise(1, self._device)

    def advance(self, streams: Sequence[ConversionStream]) -> list[Samples]:
        """Convert the next block of each stream; their blocks must be of one shape. Returns the
        sound at 48 kHz that each of them makes final."""
        windows = self._content(streams)
        sounds: dict[ConversionStream, Samples] = {}
        rows = sorted(range(len(streams)), key=lambda row: hash(_kind(streams[row])))
        for _, alike in groupby(rows, key=lambda row: _kind(streams[row])):
            group = list(alike)
            made = self._convert([streams[row] for row in group], windows[group])
            sounds |= {streams[row]: sound for row, sound in zip(group, made, strict=True)}
        return [stream.take(sounds[stream]) for stream in streams]

    def _content(self, streams: Sequence[ConversionStream]) -> torch.Tensor:
        """The local content features of each stream's window: (batch, units, channels)."""
        encoder = self._encoder
        speech = torch.from_numpy(np.stack([stream.take_speech() for stream in streams]))
        state = ContentState.joined([stream.content or encoder.start() for stream in streams])
        new, state = encoder.local(speech.to(self._device), state)
        block = streams[0].block
        n_known = (block.new_from - block.start) // 2
        # The last windows may have had other lengths: a stream's windows grow at first.
        known = [
            stream.local[:, stream.local.shape[1] - n_known :]
            for stream in streams
            if stream.local is not None
        ]
        local = torch.cat([torch.cat(known), new], dim=1) if known else new
        for row, (stream, own) in enumerate(zip(streams, state.split(), strict=True)):
            stream.local, stream.content = local[row : row + 1], own
        return local

    def _convert(self, streams: Sequence[ConversionStream], local: torch.Tensor) -> list[Samples]:
        """The decoder's sound of streams with one voice, from their content features (batch, units,
        channels)."""
        synthesizer, formant = streams[0].voice.synthesizer, streams[0].formant
        config, decoder = synthesizer.config, synthesizer.decoder
        blocks = [stream.block for stream in streams]
        seeds = [stream.seed for stream in streams]
        speakers = [stream.voice.speaker for stream in streams]
        state = SynthesizerState.joined([stream.state for stream in streams])
        n_pushed = blocks[0].push_to - blocks[0].push_from
        n_before = min(FLOW_REACH, blocks[0].push_from - blocks[0].start)

        f0 = self._pitch(streams) if config.has_pitch else None
        features = self._encoder.encode(local, config.version)
        features = _drawn_to_index(streams, features, f0)
        latents = synthesizer.latents(
            features,
            f0,
            self._latent_noise.frames(
                seeds,
                [block.push_from - n_before for block in blocks],
                blocks[0].stop - blocks[0].push_from + n_before,
                config.inter_channels,
            ),
            torch.cat([speaker.flow for speaker in speakers]),
        )[:, n_before : n_before + n_pushed]

        # Decoder frames, which are the same but for a formant shift. One may lie between the last
        # block's frames and these.
        first = blocks[0].push_from
        start, stop = formant.first(first), formant.stop(blocks[0].push_to)
        if state.latents.shape[1]:
            latents = torch.cat([state.latents, latents], dim=1)
            start, first = formant.stop(first), first - 1
        last_latents = latents[:, -1:]
        latents = formant.latents(latents, first, start, stop)

        source, phase = latents.new_empty(len(streams), 1, 1, 0), state.phase
        if f0 is not None and synthesizer.excitation is not None:
            f0 = formant.f0(f0[:, first - blocks[0].start :], first, start, stop)
            if not phase.shape[1]:  # the sine begins where the segment does
                phase = -synthesizer.excitation.phase_after(f0[:, :-start])
            firsts = [start + block.push_from - blocks[0].push_from for block in blocks]
            noise = self._source_noise.frames(seeds, firsts, stop - start, config.hop)
            source, phase = synthesizer.excitation(f0, noise, phase)

        sound, decoder_state = decoder(
            latents.transpose(1, 2).unsqueeze(2),
            source,
            torch.cat([speaker.decoder for speaker in speakers]),
            state.decoder,
        )
        state = SynthesizerState(last_latents, phase, decoder_state)
        for stream, own in zip(streams, state.split(), strict=True):
            stream.state = own
        return list(sound.cpu().numpy())

    def _pitch(self, streams: Sequence[ConversionStream]) -> torch.Tensor:
        """The shifted pitch of each frame of the windows: (batch, n), in Hz."""
        estimator = streams[0].voice.pitch
        speech = [stream.speech_for_pitch() for stream in streams]
        estimates: Sequence[NDArray[np.float32]]
        if isinstance(estimator, BatchEstimator):
            batch = torch.from_numpy(np.stack(speech)).to(self._device)
            estimates = list(estimator.estimate_batch(batch).cpu().numpy())
        else:
            radii = [stream.voice.settings.filter_radius for stream in streams]
            estimates = [*map(estimator.estimate, speech, radii)]
        found = [stream.pitch(own) for stream, own in zip(streams, estimates, strict=True)]
        semitones = [stream.voice.semitones for stream in streams]
        rows = zip(torch.from_numpy(np.stack(found)), semitones, strict=True)
        return torch.stack([shifted(f0, by) for f0, by in rows]).to(self._device)


def _kind(stream: ConversionStream) -> Hashable:
    """The key of streams that go through a voice and its pitch estimator together. Where formants
    are shifted, how many frames a decoder gets depends on their position, too."""
    factor = stream.formant.factor
    voice = stream.voice
    return id(voice.synthesizer), id(voice.pitch), factor, factor == 1 or stream.block


def _drawn_to_index(
    streams: Sequence[ConversionStream], features: torch.Tensor, f0: torch.Tensor | None
) -> torch.Tensor:
    """Content features (batch, units, width) as each stream's index and settings want them, for
    each frame: (batch, 2 * units, width)."""
    frames = features.repeat_interleave(2, dim=1)
    for row, stream in enumerate(streams):
        index, settings = stream.voice.index, stream.voice.settings
        if index is None or settings.index_rate == 0:
            continue
        drawn = index.blend(features[row].float().cpu().numpy(), settings.index_rate)
        drawn_frames = torch.from_numpy(drawn).to(features).repeat_interleave(2, dim=0)
        if f0 is not None and settings.unvoiced_share < 1:
            # Breaths and hisses keep most of what they were.
            part = torch.where(f0[row] < 1, settings.unvoiced_share, 1.0)[:, None].to(features)
            drawn_frames = torch.lerp(frames[row], drawn_frames, part)
        frames[row] = drawn_frames
    return frames
