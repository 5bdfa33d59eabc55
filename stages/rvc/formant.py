"""A shift of the formants, which make a throat sound longer or shorter, but not of the pitch.

The decoder is given more frames than there were, or fewer, and its sound is then played so much
faster or slower that the time is right again. All of it moves up or down with that: the formants
stay moved, and the pitch was lowered or raised beforehand by as much.

    input frame i at i * 10 ms ─ stretched ▶ decoder frame j at j / factor * 10 ms
"""

from __future__ import annotations

import math

import torch

from stages.audio.pitch_shift import pitch_ratio


class Formant:
    """A shift of the formants by some semitones."""

    def __init__(self, semitones: float) -> None:
        self.factor = pitch_ratio(semitones)

    def frames_for(self, n_decoder_frames: int) -> int:
        """The input frames that make at least so many decoder frames."""
        return (
            n_decoder_frames if self.factor == 1 else math.ceil(n_decoder_frames / self.factor) + 1
        )

    def first(self, frame: int) -> int:
        """The first decoder frame that does not lie before an input frame."""
        return math.ceil(frame * self.factor)

    def stop(self, frame: int) -> int:
        """The end of the decoder frames that the input frames before `frame` decide."""
        return math.floor((frame - 1) * self.factor) + 1

    def latents(self, latents: torch.Tensor, first: int, start: int, stop: int) -> torch.Tensor:
        """Decoder frames `start` to `stop`, (batch, stop - start, channels), of latents (batch, n,
        channels) whose first is frame `first`: each lies between the two frames around it."""
        if self.factor == 1:
            return latents[:, start - first : stop - first]
        places = self._places(first, start, stop, latents.device)
        before = places.floor().long().clamp(0, latents.shape[1] - 1)
        after = (before + 1).clamp(max=latents.shape[1] - 1)
        part = (places - before)[:, None].to(latents.dtype)
        return torch.lerp(latents[:, before], latents[:, after], part)

    def f0(self, f0: torch.Tensor, first: int, start: int, stop: int) -> torch.Tensor:
        """Pitch of decoder frames, (batch, stop - start), of f0 (batch, n): that of the nearest
        frame, since there is nothing between voiced and unvoiced."""
        if self.factor == 1:
            return f0[:, start - first : stop - first]
        places = self._places(first, start, stop, f0.device)
        return f0[:, places.round().long().clamp(0, f0.shape[1] - 1)] / self.factor

    def _places(self, first: int, start: int, stop: int, device: torch.device) -> torch.Tensor:
        frames = torch.arange(start, stop, dtype=torch.float64, device=device)
        return frames / self.factor - first
