"""The weights of a voice in one piece of memory: as they were, and where another's would lie."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from stages.neural.linear import can_pack
from stages.rvc.network.synthesizer import Synthesizer
from tests.random_rvc import TINY
from tests.rvc.conversions import CPU, LEAST, Kind, voice_file

ONE_SPEAKER = replace(LEAST, n_speakers=1)


def read(kind: Kind) -> Synthesizer:
    file = voice_file(kind)
    return Synthesizer(file.config, file.weights, CPU, torch.float32)


def sound_of(voice: Synthesizer) -> torch.Tensor:
    """What it makes of the same noise."""
    generator = torch.Generator().manual_seed(0)
    config, speaker = voice.config, voice.speaker(0)
    features = torch.randn(1, 60, config.content_width, generator=generator)
    noise = torch.randn(1, 60, config.inter_channels, generator=generator)
    f0 = torch.full((1, 60), 200.0)
    latents = voice.latents(features, f0, noise, speaker.flow)
    assert voice.excitation is not None
    source_noise = torch.randn(1, 60, config.hop, generator=generator)
    source, _ = voice.excitation(f0, source_noise, torch.zeros(1, 1, dtype=torch.float64))
    latents = latents.transpose(1, 2).unsqueeze(2)
    sound, _ = voice.decoder(latents, source, speaker.decoder, voice.decoder.start())
    return sound


@pytest.mark.usefixtures("unpacked")
def test_a_voice_takes_another_ones_place_in_one_copy() -> None:
    """Back and forth, whatever the number of speakers they know: bit for bit."""
    first, second = read(Kind()), read(Kind(seed=1, size=ONE_SPEAKER))
    sounds = [sound_of(voice) for voice in (first, second)]
    assert not torch.equal(*sounds)
    live = read(Kind(seed=2))
    assert live.flat is not None
    for voice, sound in ((first, sounds[0]), (second, sounds[1]), (first, sounds[0])):
        assert voice.flat is not None
        live.flat.copy_(voice.flat)
        live.speaker = voice.speaker
        assert torch.equal(sound_of(live), sound)


@pytest.mark.usefixtures("unpacked")
def test_a_voice_takes_no_more_memory_than_its_weights() -> None:
    kind = Kind(size=TINY)
    voice, weights = read(kind), voice_file(kind).weights.values()
    n_bytes = sum(weight.nbytes for weight in weights)
    n_parts = 2 * len(weights)
    assert voice.flat is not None
    # Each part begins at a multiple of 256.
    assert n_bytes <= voice.n_bytes <= n_bytes + 256 * n_parts
    assert voice.n_bytes == voice.flat.nbytes + weights_of_speakers(voice)


def weights_of_speakers(voice: Synthesizer) -> int:
    return voice.config.n_speakers * voice.config.gin_channels * 4


@pytest.mark.skipif(not can_pack(torch.zeros(1)), reason="this CPU's torch packs nothing")
def test_packed_weights_stay_where_they_are() -> None:
    """As on a CPU, where nothing is captured."""
    voice = read(Kind())
    assert voice.flat is None
    assert voice.n_bytes == sum(weight.nbytes for weight in voice_file(Kind()).weights.values())
