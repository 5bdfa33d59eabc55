"""Conversions without an engine: random models, pitch that is given, speech in pieces."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.utils import parametrize
from transformers import HubertModel

from stages.conversion_settings import ConversionSettings
from stages.rvc.conversion import Converter
from stages.rvc.network.content import ContentEncoder
from stages.rvc.network.content_file import ContentModel, read_content_model
from stages.rvc.network.synthesizer import Synthesizer
from stages.rvc.speech import HOP
from stages.rvc.streaming import ConversionStream
from stages.rvc.voices.file import VoiceFile, read_voice
from stages.rvc.voices.loaded import LoadedVoice
from tests.random_rvc import TINY
from tests.random_rvc import voice as random_voice
from tests.random_rvc_features import MINUTE, build_hubert
from tests.random_rvc_features import TINY as TINY_HUBERT
from tests.rvc_upstream import synthesizer as upstream_synthesizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stages.audio.format import Samples
    from stages.rvc.pitch.estimator import PitchEstimator
    from stages.rvc.voices.index import FeatureIndex
    from tests.random_rvc import Rate, Size, Version
    from tests.random_rvc_features import HubertSize

CPU = torch.device("cpu")
LEAST = replace(TINY, upsample_initial_channel=32)
"""The smallest decoder there can be: with five stages, its last has one channel."""


@lru_cache
def content_model(size: HubertSize = MINUTE) -> ContentModel:
    """Read from fairseq's file. `MINUTE` is enough for voices of v1; those of v2 take features of
    768, which `TINY` has."""
    with tempfile.TemporaryDirectory() as folder:
        return read_content_model(build_hubert(Path(folder) / "hubert_base.pt", size))


def hubert_of(read: ContentModel) -> HubertModel:
    """transformers' own network. ``(samples, output_hidden_states=True)`` gives
    (n - 400) // 320 + 1 frames of samples (b, n) at 16 kHz."""
    model = HubertModel(read.config)
    parametrize.remove_parametrizations(model.encoder.pos_conv_embed.conv, "weight")
    final_proj = {"final_proj.weight", "final_proj.bias"}
    assert model.load_state_dict(read.weights, strict=False).missing_keys == []
    assert read.weights.keys() - model.state_dict().keys() == final_proj
    model.eval()
    return model


@lru_cache
def content_encoder(size: HubertSize = MINUTE) -> ContentEncoder:
    return ContentEncoder(content_model(size), torch.float32, CPU)


@dataclass(frozen=True)
class Kind:
    """Of voice. The default is the cheapest at 48 kHz."""

    version: Version = "v1"
    rate: Rate = "48k"
    has_pitch: bool = True
    size: Size = LEAST
    seed: int = 0

    @property
    def hubert(self) -> HubertSize:
        return MINUTE if self.version == "v1" else TINY_HUBERT


@lru_cache
def saved_voice(kind: Kind) -> dict[str, Any]:
    """What is in the file."""
    return random_voice(
        kind.version, kind.rate, has_pitch=kind.has_pitch, size=kind.size, seed=kind.seed
    )


@lru_cache
def voice_file(kind: Kind) -> VoiceFile:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.pth"
        torch.save(saved_voice(kind), path)
        return read_voice(path)


@lru_cache
def synthesizer(kind: Kind) -> Synthesizer:
    file = voice_file(kind)
    return Synthesizer(file.config, file.weights, CPU, torch.float32)


@lru_cache
def upstream_network(kind: Kind) -> Any:  # noqa: ANN401 - without types
    """rvc-python's, with the same weights."""
    saved = saved_voice(kind)
    network = upstream_synthesizer(kind.version, saved["config"], has_pitch=kind.has_pitch)
    del network.enc_q  # not in the file: only training needs it
    network.load_state_dict({name: weight.float() for name, weight in saved["weight"].items()})
    network.dec.remove_weight_norm()
    network.flow.remove_weight_norm()
    return network


@lru_cache
def converter(size: HubertSize = MINUTE) -> Converter:
    """One for all: it holds nothing of those who use it."""
    return Converter(content_encoder(size))


def mirrored(values: NDArray[np.float32], frames: NDArray[np.int64]) -> NDArray[np.float32]:
    """The values of frames that may lie before the first or behind the last, where they come
    again backwards, as speech does there."""
    if len(values) == 1:
        return np.repeat(values, len(frames))
    period = 2 * (len(values) - 1)
    places = np.abs(frames) % period
    result: NDArray[np.float32] = values[np.minimum(places, period - places)]
    return result


class GivenPitch:
    """A pitch for each frame, whatever is said. It has to know whose block it is asked about."""

    name = "given"
    n_bytes = 0

    def __init__(self, f0_hz: NDArray[np.float32] | float) -> None:
        self._f0 = np.atleast_1d(np.asarray(f0_hz, np.float32))
        self.stream: ConversionStream | None = None

    def estimate(self, samples: Samples, filter_radius: int = 3) -> NDArray[np.float32]:
        n_frames = len(samples) // HOP
        if self.stream is None:
            if len(self._f0) > 1:
                raise ValueError("whose pitch?")
            return np.repeat(self._f0, n_frames)
        stop = self.stream.block.stop
        return mirrored(self._f0, np.arange(stop - n_frames, stop))


def start(
    synthesizer: Synthesizer,
    pitch: PitchEstimator | NDArray[np.float32] | float = 200.0,
    *,
    settings: ConversionSettings | None = None,
    index: FeatureIndex | None = None,
    semitones: float = 0.0,
    in_rate: int = 16_000,
    block_frames: int = 32,
    seed: int = 0,
) -> ConversionStream:
    """A stream whose pitch is given, or found."""
    estimator = GivenPitch(pitch) if isinstance(pitch, float | np.ndarray) else pitch
    voice = LoadedVoice(synthesizer, index, settings or ConversionSettings(), semitones, estimator)
    stream = ConversionStream(voice, in_rate=in_rate, block_frames=block_frames, seed=seed)
    if isinstance(estimator, GivenPitch):
        estimator.stream = stream
    return stream


def pieces_of(
    stream: ConversionStream, speech: Samples, cuts: Sequence[int] = (), size: HubertSize = MINUTE
) -> list[Samples]:
    """What comes out at each turn, when speech comes in pieces that end at `cuts`."""
    edges = [0, *sorted(min(cut, len(speech)) for cut in cuts), len(speech)]
    made: list[Samples] = []
    for a, b in itertools.pairwise(edges):
        stream.push(speech[a:b])
        while stream.is_due:
            made += converter(size).advance([stream])
    stream.end()
    while stream.is_due:
        made += converter(size).advance([stream])
    return made


def converted(
    stream: ConversionStream, speech: Samples, cuts: Sequence[int] = (), size: HubertSize = MINUTE
) -> Samples:
    """All of it."""
    whole: Samples = np.concatenate(
        [np.empty(0, np.float32), *pieces_of(stream, speech, cuts, size)]
    )
    return whole
