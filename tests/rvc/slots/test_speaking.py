"""What graph B says is what streams say, whoever else is in the batch, and at whatever position."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from stages.conversion_settings import ConversionSettings
from stages.neural.graphs import Graphs
from stages.rvc.network.synthesizer import Synthesizer
from stages.rvc.slots.polyphase import Polyphase
from stages.rvc.slots.speaking import SpeakRows
from stages.rvc.voices.index import FeatureIndex
from tests.neural.recorded_graphs import RecordedGraphs
from tests.neural.stand_in_device import DEVICE, StandInGraphs
from tests.rvc.conversions import CPU, Kind, synthesizer, voice_file
from tests.rvc.slots.following import (
    Memory,
    followed,
    rows_for,
    said,
    speaking,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stages.audio.format import Samples
    from tests.random_rvc import Rate
    from tests.rvc.slots.following import Followed, Turn

EXACT = 1e-6
"""Of sound up to 1, where the resamplers do not differ."""


def by_call(segments: Mapping[Turn, Followed]) -> list[Samples]:
    return said(segments, Graphs(CPU))


@pytest.mark.parametrize("kind", [Kind(), Kind(has_pitch=False)], ids=str)
def test_a_segment_sounds_as_a_stream(kind: Kind) -> None:
    """Over the blocks that grow at first, full windows, and an end that is no block's. What stood
    in the window before its speech changes nothing."""
    segment = followed(synthesizer(kind), 34_567, seed=3)
    assert len(segment.windows) > 6
    (sound,) = by_call({(0, 1): segment})
    assert np.abs(segment.sound).max() > 0.05
    np.testing.assert_allclose(sound, segment.sound, rtol=0, atol=EXACT)


@pytest.mark.parametrize("rate", ["32k", "40k"])
def test_other_rates_are_resampled_across_blocks(rate: Rate) -> None:
    """As the whole would be, with silence before it. (A stream's filter is another one.)"""
    voice = synthesizer(Kind("v1", rate))
    segment = followed(voice, 20_500, seed=3)
    (sound,) = by_call({(0, 1): segment})
    filter_ = Polyphase(voice.config.sample_rate, 48_000, CPU)
    n_whole = len(sound) // 480
    padded = np.pad(segment.decoded, (filter_.half_width, 0))
    padded = padded[: n_whole * voice.config.hop + 2 * filter_.half_width]
    whole = filter_.resampled(torch.from_numpy(padded)[None])[0].numpy()
    assert len(whole) == n_whole * 480
    assert np.abs(whole).max() > 0.05
    np.testing.assert_allclose(sound[: len(whole)], whole, rtol=0, atol=EXACT)


@pytest.mark.parametrize("n_samples", [1, 900, 4_321])
def test_short_segments(n_samples: int) -> None:
    segment = followed(synthesizer(Kind()), n_samples, seed=1)
    (sound,) = by_call({(0, 0): segment})
    np.testing.assert_allclose(sound, segment.sound, rtol=0, atol=EXACT)


def test_rows_at_different_positions_sound_as_streams() -> None:
    """And a slot that was used before begins anew."""
    voice = synthesizer(Kind())
    first, second = followed(voice, 20_001, seed=1), followed(voice, 12_345, seed=2)
    segments = {(0, 2): first, (2, 0): second, (3, 1): first, (8, 2): second}
    for sound, segment in zip(by_call(segments), segments.values(), strict=True):
        np.testing.assert_allclose(sound, segment.sound, rtol=0, atol=EXACT)


def test_a_row_does_not_depend_on_the_others() -> None:
    """Bit for bit, in batches of one size."""
    voice = synthesizer(Kind())
    first, second = followed(voice, 15_000, seed=1), followed(voice, 9_000, seed=2)
    (alone,) = by_call({(0, 1): first})
    among, *_ = by_call({(0, 1): first, (1, 0): second, (2, 3): first})
    assert np.array_equal(alone, among)


@pytest.mark.parametrize("protect", [0.2, 0.5])
def test_an_index_and_loudness_as_streams_have_them(protect: float) -> None:
    """A row with an index and one without, each with its own share of the speech's loudness."""
    voice = synthesizer(Kind())
    width = voice.config.content_width
    vectors = np.random.default_rng(0).normal(size=(50, width)).astype(np.float32)
    index = FeatureIndex(vectors[:1], np.array([0, len(vectors)]), vectors, 1)
    drawn = ConversionSettings(index_rate=0.7, protect=protect, rms_mix_rate=0.0)
    plain = ConversionSettings(index_rate=0.0, rms_mix_rate=0.4)
    segments = {
        (0, 0): followed(voice, 12_000, seed=1, index=index, settings=drawn),
        (1, 2): followed(voice, 12_000, seed=2, settings=plain),
    }
    for sound, segment in zip(by_call(segments), segments.values(), strict=True):
        n_whole = len(sound) // 480 * 480  # a last part of a frame counts as a whole one here
        np.testing.assert_allclose(sound[:n_whole], segment.sound[:n_whole], rtol=1e-5, atol=EXACT)


def unpacked_voice(kind: Kind) -> Synthesizer:
    """Not of the cache, where weights are packed."""
    file = voice_file(kind)
    return Synthesizer(file.config, file.weights, CPU, torch.float32)


@pytest.mark.usefixtures("unpacked")
def test_two_voices_share_a_capture() -> None:
    """They take each other's place before each block, and a graph that was captured with neither
    says what each of them says alone."""
    first, second = (unpacked_voice(Kind(seed=seed)) for seed in (0, 1))
    segments = {
        (0, 1): followed(first, 12_000, seed=1),
        (1, 3): followed(second, 15_000, seed=2),
        (2, 0): followed(first, 9_000, seed=3),
    }
    graphs = RecordedGraphs()
    for sound, segment in zip(said(segments, graphs), segments.values(), strict=True):
        np.testing.assert_allclose(sound, segment.sound, rtol=0, atol=EXACT)
    assert len(graphs.keys) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("kind", [Kind(), Kind("v2", "40k"), Kind(has_pitch=False)], ids=str)
@torch.inference_mode()
def test_a_capture_neither_waits_nor_copies(kind: Kind, dtype: torch.dtype) -> None:
    file, segment = voice_file(kind), followed(synthesizer(Kind()), 900)
    voice = Synthesizer(file.config, file.weights, DEVICE, dtype)
    memory = Memory.of(file.config, DEVICE, dtype)
    speaker = speaking(file.config, memory)
    speaker.begin(1, voice.speaker(0))
    graphs = StandInGraphs(DEVICE)
    for size in (1, 4):
        speaker.use(voice)
        rows = rows_for({1: (segment, 0)}, size)
        made = graphs.run(size, lambda *own: speaker(SpeakRows(*own)), *rows)
        assert (made.shape, made.dtype) == ((size, 32 * 480), torch.float32)
    assert speaker.n_bytes > voice.n_bytes - 1000
