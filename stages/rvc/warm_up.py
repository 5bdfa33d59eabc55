"""Warming up: running every length of block before somebody listens.

For each convolution of each length oneDNN compiles a kernel, which it caches. A block of a new
length takes 0.1 s longer for that, enough for a listener to run dry. The schedule has all lengths;
kernels do not depend on weights, so voices of one architecture share them.

Left out are the lengths of a shifted formant, of which there are too many.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import structlog
import torch

from stages.rvc import schedule
from stages.rvc.speech import HOP, RATE
from stages.rvc.streaming import ConversionStream

if TYPE_CHECKING:
    from stages.rvc.conversion import Converter
    from stages.rvc.network.config import VoiceConfig
    from stages.rvc.network.decoder import Decoder
    from stages.rvc.voices.loaded import LoadedVoice

log = structlog.stdlib.get_logger(__name__)


class WarmUp:
    """The architectures that have been run. Not for several threads at once."""

    def __init__(self, converter: Converter, block_frames: int) -> None:
        self._converter = converter
        self._block_frames = block_frames
        self._met: set[VoiceConfig] = set()

    @torch.inference_mode()
    def meet(self, voice: LoadedVoice) -> None:
        """Have a voice say noise, unless one of its architecture has; 1 s on two cores."""
        kind = replace(voice.synthesizer.config, n_speakers=1)
        if kind in self._met:
            return
        began = time.perf_counter()
        self._decode(voice)
        if not self._met:  # the first voice runs what all share, too
            self._converse(voice)
        self._met.add(kind)
        log.info(
            "RVC is warm for %s at %d Hz, after %.1f s",
            kind.version,
            kind.sample_rate,
            time.perf_counter() - began,
        )

    def _converse(self, voice: LoadedVoice) -> None:
        """A sentence that is long enough for a window to be full."""
        n_samples = (schedule.WINDOW + 2 * self._block_frames) * HOP
        noise = np.random.default_rng(0).normal(scale=0.1, size=n_samples).astype(np.float32)
        stream = ConversionStream(voice, in_rate=RATE, block_frames=self._block_frames, seed=0)
        stream.push(noise)
        stream.end()
        while stream.is_due:
            self._converter.advance([stream])

    def _decode(self, voice: LoadedVoice) -> None:
        decoder = voice.synthesizer.decoder
        first, later = schedule.pushed_lengths(
            self._block_frames, decoder.left_frames, decoder.right_frames
        )
        for n_first in sorted(first):
            state = decoder.start()
            for n in (n_first, *(sorted(later) if n_first == max(first) else ())):
                latents, source = _silence(voice, decoder, n)
                _, state = decoder(latents, source, voice.speaker.decoder, state)


def _silence(
    voice: LoadedVoice, decoder: Decoder, n_frames: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Latent frames and the excitation of as many, where the voice has any."""
    synthesizer = voice.synthesizer
    latents = torch.zeros(
        (1, n_frames, synthesizer.config.inter_channels),
        dtype=synthesizer.dtype,
        device=synthesizer.device,
    )
    n_samples = n_frames * decoder.hop if synthesizer.config.has_pitch else 0
    # Laid out as in a conversion.
    return latents.transpose(1, 2).unsqueeze(2), latents.new_zeros(1, 1, 1, n_samples)
