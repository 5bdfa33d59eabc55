"""The law: a Piper voice's sound does not depend on the chunks that it is made in."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.tts.piper.network import VoiceNetwork
from stages.tts.piper.schedule import Chunk
from stages.tts.piper.stream import SoundStream, rest_of
from tests.random_piper import TINY_HIGH, build

if TYPE_CHECKING:
    from stages.audio.format import Samples

MOST_FRAMES = 150
ROUNDING = 1e-5
"""-100 dB of full scale; 3e-6 is what was seen."""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> VoiceNetwork:
    """Of the kind that looks furthest around."""
    file = build(tmp_path_factory.mktemp("piper"), size=TINY_HIGH)
    return VoiceNetwork(file.model, file.config)


@given(
    st.integers(0, 2**32),
    st.lists(st.integers(0, MOST_FRAMES), min_size=2, max_size=8, unique=True).map(sorted),
)
def test_any_chunks_make_the_same_sound(
    network: VoiceNetwork, seed: int, borders: list[int]
) -> None:
    prior = np.random.default_rng(seed).standard_normal((MOST_FRAMES, 16), np.float32)
    chunks = [Chunk(*each) for each in pairwise(borders)]
    whole: Samples = network.sound(network.latent(prior, 0), 0)
    heard = whole[borders[0] * network.hop : borders[-1] * network.hop]
    made = rest_of(SoundStream(network, prior, 0, chunks))
    assert len(made) == len(heard)
    assert np.abs(made - heard).max() < ROUNDING
