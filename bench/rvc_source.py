"""An RVC voice with random weights whose pitch can be heard, and how it follows speech.

What follows it is the voice's source, a sine at the pitch of the speech times the shift, which
drives the decoder. Random decoders hum at multiples of 100 Hz and bend every harmonic, so the
source is raised, and the pitch is sought only where that of the speech is.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from bench.judges import pitch_of
from stages.audio.pitch_shift import pitch_ratio
from stages.conversion_settings import ConversionSettings
from stages.rvc.conversion import Converter
from stages.rvc.network.content import ContentEncoder
from stages.rvc.network.content_file import read_content_model
from stages.rvc.network.synthesizer import Synthesizer
from stages.rvc.pitch.praat import PraatPitch
from stages.rvc.streaming import ConversionStream
from stages.rvc.voices.file import read_voice
from stages.rvc.voices.loaded import LoadedVoice
from tests import random_rvc, random_rvc_features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.common import Result
    from stages.audio.format import Samples

RAISED = 10.0
BLOCK_FRAMES = 32
VOICE_RATE = 48_000
LOW_HZ, HIGH_HZ = 65.0, 400.0
"""Where the speech's pitch is sought."""
ROOM = 1.2
"""The factor beyond the speech's own range within which the voice's pitch is sought."""
LAGS_S = np.arange(-5, 6) / 100


class RandomVoice:
    """A small v2 voice at 48 kHz."""

    def __init__(self) -> None:
        device, dtype = torch.device("cpu"), torch.float32
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            hubert = random_rvc_features.build_hubert(
                folder / "hubert_base.pt", random_rvc_features.TINY
            )
            encoder = ContentEncoder(read_content_model(hubert), dtype, device)
            file = read_voice(random_rvc.build_voice(folder / "a.pth", size=random_rvc.TINY))
        file.weights["dec.m_source.l_linear.weight"] *= RAISED
        file.weights["dec.conv_post.weight"] /= RAISED
        self._synthesizer = Synthesizer(file.config, file.weights, device, dtype)
        self._converter = Converter(encoder)

    def convert(self, pieces: Sequence[Samples], rate: int, semitones: float) -> Samples:
        """Speech as it comes from its engine, in this voice."""
        voice = LoadedVoice(self._synthesizer, None, ConversionSettings(), semitones, PraatPitch())
        stream = ConversionStream(voice, in_rate=rate, block_frames=BLOCK_FRAMES, seed=1)
        made: list[Samples] = []
        with torch.inference_mode():
            for piece in pieces:
                stream.push(piece)
                while stream.is_due:
                    made += self._converter.advance([stream])
            stream.end()
            while stream.is_due:
                made += self._converter.advance([stream])
        sound: Samples = np.concatenate(made)
        return sound


def following(speech: Samples, rate: int, converted: Samples, semitones: float) -> Result:
    """How far the pitch and the time of a voice are from those of the speech that went in."""
    ratio = pitch_ratio(semitones)
    at, wanted = pitch_of(speech, rate, LOW_HZ, HIGH_HZ)
    low, high = np.percentile(wanted[wanted > 0], [2, 98])
    heard_at, heard = pitch_of(converted, VOICE_RATE, low * ratio / ROOM, high * ratio * ROOM)
    wanted = np.where(wanted > 0, wanted * ratio, np.nan)

    def compared(lag_s: float) -> tuple[float, float]:
        should = np.interp(heard_at - lag_s, at, wanted)
        both = (heard > 0) & (should > 0)
        cents = 1200 * np.log2(heard[both] / should[both])
        return float(np.corrcoef(heard[both], should[both])[0, 1]), float(np.median(cents))

    follows = [compared(lag_s)[0] for lag_s in LAGS_S]
    best = int(np.argmax(follows))
    return {
        "cents": abs(compared(0.0)[1]),
        "follows": follows[best],
        "late_ms": 1000 * float(LAGS_S[best]),
        "onset_ms": 1000 * float(heard_at[heard > 0][0] - at[wanted > 0][0]),
        "length": len(converted) - round(len(speech) * VOICE_RATE / rate),
    }
