"""A whole recording converted at once, from the same parts that a stream uses.

It goes the way of upstream's `Pipeline.pipeline`, which it is held against in `test_parity.py`;
streams are held against it. Noise and pitch are given, so that both can have the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import signal
from torch import nn

from stages.conversion_settings import MAX_PROTECT
from stages.rvc.network.content import FEATURE_REACH
from stages.rvc.speech import HIGH_PASS, HOP, RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stages.audio.format import Samples
    from stages.conversion_settings import ConversionSettings
    from stages.rvc.network.content import ContentEncoder
    from stages.rvc.network.synthesizer import Synthesizer
    from stages.rvc.voices.index import FeatureIndex

PAD = 100
"""Frames that are mirrored at each end: upstream's second."""


@dataclass(frozen=True)
class Given:
    """What is drawn or measured elsewhere, of the frames of the padded recording; there may be
    more of them than it has."""

    latent_noise: torch.Tensor
    """(1, n, inter_channels)"""
    source_noise: torch.Tensor
    """(1, n, hop)"""
    f0_hz: NDArray[np.float32] | None
    """(n,): 0 where it is not voiced; None for a voice without pitch."""
    begins_at: int = 0
    """The frame in which the source's sine begins: upstream's at the padding's start, a stream's
    where the speech starts."""


def convert(
    encoder: ContentEncoder,
    synthesizer: Synthesizer,
    speech: Samples,
    given: Given,
    settings: ConversionSettings,
    *,
    index: FeatureIndex | None = None,
    pads: tuple[int, int] = (PAD, PAD),
    loses_end: bool = False,
    is_window: bool = False,
) -> Samples:
    """Speech (n,) at 16 kHz to sound (n // 160 * hop,) at the voice's rate.

    `pads`: frames that are mirrored before and behind it. `loses_end`: without the last 10 or 20
    ms, as upstream, which has no features for them; here the last are taken twice. `is_window`: as
    if more came behind the padding, which is how a stream sees its windows."""
    config = synthesizer.config
    audio = signal.filtfilt(*HIGH_PASS, speech)
    before, after = pads
    n_seen = FEATURE_REACH if is_window else 0
    padded = np.pad(audio, (before * HOP, after * HOP + n_seen), "reflect").astype(np.float32)
    local, _ = encoder.local(torch.from_numpy(padded)[None], encoder.start(), is_all=not is_window)
    features = encoder.encode(local, config.version)
    n_frames = len(padded) // HOP
    if loses_end:
        n_frames = min(n_frames, 2 * features.shape[1])
    else:
        missing = -(-n_frames // 2) - features.shape[1]
        features = torch.cat([features, *[features[:, -1:]] * missing], dim=1)
    f0 = None if given.f0_hz is None else torch.from_numpy(given.f0_hz[:n_frames].copy())[None]

    speaker = synthesizer.speaker(settings.speaker)
    latents = synthesizer.latents(
        _drawn(features, index, f0, settings)[:, :n_frames],
        f0,
        given.latent_noise[:, :n_frames],
        speaker.flow,
    )
    source = latents.new_empty(1, 1, 1, 0)
    if f0 is not None and synthesizer.excitation is not None:
        phase = -synthesizer.excitation.phase_after(f0[:, : given.begins_at])
        source, _ = synthesizer.excitation(f0, given.source_noise[:, :n_frames], phase)
    decoder = synthesizer.decoder
    sound, _ = decoder(
        latents.transpose(1, 2).unsqueeze(2), source, speaker.decoder, decoder.start()
    )
    start = before * config.hop - decoder.left_samples
    stop = (n_frames - after) * config.hop - decoder.left_samples
    made: Samples = sound[0, start:stop].numpy()
    if settings.rms_mix_rate == 1:
        return made
    return _as_loud(made, config.sample_rate, audio, settings.rms_mix_rate)


def _drawn(
    features: torch.Tensor,
    index: FeatureIndex | None,
    f0: torch.Tensor | None,
    settings: ConversionSettings,
) -> torch.Tensor:
    """Features (1, units, width) as index and settings want them, of each frame."""
    own = features.repeat_interleave(2, dim=1)
    if index is None or settings.index_rate == 0:
        return own
    blended = torch.from_numpy(index.blend(features[0].numpy(), settings.index_rate))[None]
    drawn = blended.repeat_interleave(2, dim=1)
    if f0 is None or settings.protect == MAX_PROTECT:
        return drawn
    drawn, own = drawn[:, : f0.shape[1]], own[:, : f0.shape[1]]
    return torch.where(f0[..., None] > 0, drawn, own + settings.protect * (drawn - own))


def _as_loud(sound: Samples, rate_hz: int, speech: NDArray[np.float64], mix: float) -> Samples:
    """Upstream's `change_rms`."""
    wanted = _loudness(speech, RATE, len(sound))
    own = np.maximum(_loudness(sound, rate_hz, len(sound)), 1e-6)
    matched: Samples = (sound * (wanted / own) ** (1 - mix)).astype(np.float32)
    return matched


def _loudness(sound: NDArray[np.floating], rate_hz: int, n_wanted: int) -> NDArray[np.float64]:
    """The root of the mean square of the second around each half second, silence being around
    all; stretched over so many samples."""
    half = rate_hz // 2
    squares = np.pad(np.square(sound, dtype=np.float64), half)
    at = range(0, len(sound) + 1, half)
    means = [np.sqrt(squares[start : start + 2 * half].sum() / (2 * half)) for start in at]
    stretched = nn.functional.interpolate(
        torch.tensor(means)[None, None], size=n_wanted, mode="linear"
    )
    result: NDArray[np.float64] = stretched[0, 0].numpy()
    return result
