"""A voice's network in parts and in chunks makes what its one graph makes, with the same noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from stages.tts.piper.durations import frame_counts
from stages.tts.piper.network import VoiceNetwork
from stages.tts.piper.schedule import Chunk, chunks
from stages.tts.piper.stream import SoundStream, prior_of, rest_of
from tests.piper.speaking import whole_graph

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stages.audio.format import Samples
    from stages.tts.piper.voice_file import PiperVoiceFile

ROUNDING = 1e-5
"""-100 dB of full scale; 3e-6 is what was seen."""
IDS = [1, 0, *(number for place in range(60) for number in (14 + place * 7 % 100, 0)), 2]


def streamed(
    network: VoiceNetwork, speaker: int, seed: int, pieces: Iterable[Chunk] | None = None
) -> Samples:
    draws = np.random.default_rng(seed)
    reading = network.read_text(IDS, speaker, draws)
    counts = frame_counts(reading.w, 1.0)
    prior = prior_of(reading, counts, draws)
    return rest_of(SoundStream(network, prior, speaker, pieces or chunks(0, len(prior))))


def at_once(file: PiperVoiceFile, network: VoiceNetwork, speaker: int, seed: int) -> Samples:
    """The same draws, by the whole graph."""
    draws = np.random.default_rng(seed)
    reading = network.read_text(IDS, speaker, draws)
    n_frames, n_channels = int(np.ceil(reading.w).sum()), reading.means.shape[1]
    draws = np.random.default_rng(seed)
    shapes = [(len(IDS), 2), (n_frames, n_channels)]
    if file.name == "en_US-fixed-medium":
        del shapes[0]
    noises = [draws.standard_normal(shape, np.float32).T[None] for shape in shapes]
    has_speakers = file.config.num_speakers > 1
    return whole_graph(file, IDS, noises, speaker=speaker if has_speakers else None)


@pytest.mark.parametrize("kind", ["plain", "high", "speakers", "fixed durations", "other names"])
def test_chunks_are_what_the_whole_graph_makes(
    voices: dict[str, PiperVoiceFile], kind: str
) -> None:
    file = voices[kind]
    network = VoiceNetwork(file.model, file.config)
    speaker = file.config.num_speakers - 1
    expected = at_once(file, network, speaker, seed=7)
    made = streamed(network, speaker, seed=7)
    assert len(made) == len(expected) > 3 * 20 * network.hop, "there are several chunks"
    assert np.abs(expected).max() > 0.1, "something is heard"
    assert np.abs(made - expected).max() < ROUNDING


def test_a_human_voice_is_cut_as_exactly(joe: PiperVoiceFile) -> None:
    network = VoiceNetwork(joe.model, joe.config)
    assert network.hop == 256
    assert network.flow_reach == 32, "two frames a layer, of four layers in each of four"
    expected = at_once(joe, network, 0, seed=7)
    assert np.abs(streamed(network, 0, seed=7) - expected).max() < ROUNDING


def test_speakers_sound_different(voices: dict[str, PiperVoiceFile]) -> None:
    file = voices["speakers"]
    network = VoiceNetwork(file.model, file.config)
    sounds = [streamed(network, speaker, seed=7)[:5000] for speaker in range(3)]
    assert np.abs(sounds[0] - sounds[1]).max() > 0.01
    assert np.abs(sounds[1] - sounds[2]).max() > 0.01


def test_a_part_of_a_text_is_what_it_is_in_the_whole(voices: dict[str, PiperVoiceFile]) -> None:
    """Silence at the ends is left out, and what remains does not change."""
    file = voices["plain"]
    network = VoiceNetwork(file.model, file.config)
    whole = streamed(network, 0, seed=7)
    part = streamed(network, 0, seed=7, pieces=[Chunk(5, 20), Chunk(20, 75)])
    assert np.abs(part - whole[5 * network.hop : 75 * network.hop]).max() < ROUNDING
