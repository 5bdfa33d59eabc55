"""A Piper voice in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from stages.errors import UnusableModel
from stages.tts.piper.phonemes import Alphabet
from stages.tts.piper.schedule import FRAMES, chunks
from stages.tts.piper.stream import SoundStream, rest_of

if TYPE_CHECKING:
    from stages.tts.piper.config import PiperConfig
    from stages.tts.piper.network import VoiceNetwork
    from stages.tts.piper.voice_file import PiperVoiceFile

MAX_DEVIATION = 1e-3
"""Of a voice's chunks from its sound in one: -60 dB of full scale. What we cut right differs by
rounding, 1e-6; what we do not, by much of its loudness."""


@dataclass(frozen=True, slots=True)
class PiperVoice:
    """A voice that is ready to speak."""

    network: VoiceNetwork
    alphabet: Alphabet
    config: PiperConfig
    speaker: int = 0

    @property
    def n_bytes(self) -> int:
        """Its memory."""
        return self.network.n_bytes

    def spoken_by(self, speaker: int) -> PiperVoice:
        """The same with another of its speakers."""
        return replace(self, speaker=speaker)


def read_voice(file: PiperVoiceFile, n_threads: int) -> PiperVoice:
    """Read, check and warm up a voice; 0.7 s for one of 60 MB. Raises `UnusableModel`."""
    # Here, since onnx and onnxruntime take half a second to import, and who only lists voices or
    # speaks with another engine needs neither.
    from stages.tts.piper.network import VoiceNetwork  # noqa: PLC0415

    network = VoiceNetwork(file.model, file.config, n_threads)
    try:
        _try_out(network, file.config)
    except Exception as error:
        # Whatever onnxruntime raises, for which it has a class for each status.
        raise UnusableModel(f"{file.model.name} does not work as a Piper voice: {error}") from error
    return PiperVoice(network, Alphabet(file.name, file.config), file.config)


def _try_out(network: VoiceNetwork, config: PiperConfig) -> None:
    """Run it with all that its config promises, and compare its chunks with the whole. What was
    not noticed as its graph was taken apart shows here; and it is warm then."""
    speaker = config.num_speakers - 1
    draws = np.random.default_rng(0)
    ids = sorted({number for numbers in config.phoneme_id_map.values() for number in numbers})
    reading = network.read_text(ids, speaker, draws)
    n_ids, n_channels = reading.means.shape
    if not len(reading.w) == n_ids == len(ids) or reading.scales.shape != reading.means.shape:
        raise UnusableModel("it does not make a duration, a mean and a scale for each phoneme")
    n_frames = 2 * FRAMES[0] + network.flow_reach + network.decoder_reach
    prior = draws.standard_normal((n_frames, n_channels), np.float32)
    whole = network.sound(network.latent(prior, speaker), speaker)
    if len(whole) != n_frames * network.hop:
        raise UnusableModel(f"{n_frames} frames become {len(whole)} samples")
    streamed = rest_of(SoundStream(network, prior, speaker, chunks(0, n_frames)))
    if np.abs(streamed - whole).max() > MAX_DEVIATION:
        raise UnusableModel("its sound depends on more of its text than it can be streamed with")
