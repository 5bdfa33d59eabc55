"""What graph B says is what streams say, whoever else is in the batch, and at whatever position."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from stages.conversion_settings import ConversionSettings
from stages.rvc.voices.index import FeatureIndex
from tests.rvc.conversions import Kind, synthesizer
from tests.rvc.slots.following import Followed, Memory, followed, heard, rows_for, speaking

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stages.audio.format import Samples
    from stages.rvc.network.synthesizer import Synthesizer
    from stages.rvc.slots.speaking import Speaking, SpeakRows

SIZE = 4
EXACT = 1e-6
"""Of sound up to 1, where the resamplers do not differ."""
RESAMPLED = 1e-4
"""Where they do."""

Turn = tuple[int, int]
"""The step of the batch in which a segment begins, and its slot."""


@torch.inference_mode()
def said(
    segments: Mapping[Turn, Followed],
    *,
    size: int = SIZE,
    run: Callable[[Speaking, SpeakRows], torch.Tensor] | None = None,
) -> list[Samples]:
    """The sound of segments, each of which has a block in each step from its first on. Those of
    different voices are said one after the other."""
    config = next(iter(segments.values())).synthesizer.config
    memory = Memory.of(config)
    speaker = speaking(config, memory)
    pieces: dict[Turn, list[Samples]] = {turn: [] for turn in segments}
    n_steps = max(first + len(own.windows) for (first, _), own in segments.items())
    for step in range(n_steps):
        by_voice: dict[Synthesizer, dict[int, tuple[Followed, int]]] = {}
        turns = {}
        for (first, slot), segment in segments.items():
            number = step - first
            if not 0 <= number < len(segment.windows):
                continue
            memory.take(slot, segment.windows[number])
            if number == 0:
                speaker.begin(slot, segment.synthesizer.speaker(0))
            by_voice.setdefault(segment.synthesizer, {})[slot] = segment, number
            turns[slot] = first, slot
        for voice, blocks in by_voice.items():
            speaker.use(voice)
            rows = rows_for(blocks, size)
            sound = speaker(rows) if run is None else run(speaker, rows)
            for row, (slot, (segment, number)) in zip(sound, blocks.items(), strict=False):
                pieces[turns[slot]].append(heard(segment, number, speaker.lag, row))
    return [
        np.concatenate(own)[: len(segment.sound)]
        for own, segment in zip(pieces.values(), segments.values(), strict=True)
    ]


@pytest.mark.parametrize(
    ("kind", "within"),
    [
        (Kind(), EXACT),
        (Kind(has_pitch=False), EXACT),
        (Kind("v1", "40k"), RESAMPLED),
        (Kind("v1", "32k"), RESAMPLED),
    ],
    ids=str,
)
def test_a_segment_sounds_as_a_stream(kind: Kind, within: float) -> None:
    """Over the blocks that grow at first, full windows, and an end that is no block's. What stood
    in the window before its speech changes nothing."""
    segment = followed(synthesizer(kind), 34_567, seed=3)
    assert len(segment.windows) > 6
    (sound,) = said({(0, 1): segment})
    assert np.abs(segment.sound).max() > 0.05
    np.testing.assert_allclose(sound, segment.sound, rtol=0, atol=within)


@pytest.mark.parametrize("n_samples", [1, 900, 4_321])
def test_short_segments(n_samples: int) -> None:
    segment = followed(synthesizer(Kind()), n_samples, seed=1)
    (sound,) = said({(0, 0): segment})
    np.testing.assert_allclose(sound, segment.sound, rtol=0, atol=EXACT)


def test_rows_at_different_positions_sound_as_streams() -> None:
    """And a slot that was used before begins anew."""
    voice = synthesizer(Kind())
    first, second = followed(voice, 20_001, seed=1), followed(voice, 12_345, seed=2)
    segments = {(0, 2): first, (2, 0): second, (3, 1): first, (8, 2): second}
    for sound, segment in zip(said(segments), segments.values(), strict=True):
        np.testing.assert_allclose(sound, segment.sound, rtol=0, atol=EXACT)


def test_a_row_does_not_depend_on_the_others() -> None:
    """Bit for bit, in batches of one size."""
    voice = synthesizer(Kind())
    first, second = followed(voice, 15_000, seed=1), followed(voice, 9_000, seed=2)
    (alone,) = said({(0, 1): first})
    among, *_ = said({(0, 1): first, (1, 0): second, (2, 3): first})
    assert np.array_equal(alone, among)


@pytest.mark.parametrize("protect", [0.2, 0.5])
def test_an_index_and_loudness_as_streams_have_them(protect: float) -> None:
    """A row with an index and one without, each with its own share of the speech's loudness."""
    voice = synthesizer(Kind())
    width = voice.config.content_width
    vectors = np.random.default_rng(0).normal(size=(50, width)).astype(np.float32)
    index = FeatureIndex(vectors)
    drawn = ConversionSettings(index_rate=0.7, protect=protect, rms_mix_rate=0.0)
    plain = ConversionSettings(index_rate=0.0, rms_mix_rate=0.4)
    segments = {
        (0, 0): followed(voice, 12_000, seed=1, index=index, settings=drawn),
        (1, 2): followed(voice, 12_000, seed=2, settings=plain),
    }
    for sound, segment in zip(said(segments), segments.values(), strict=True):
        n_whole = len(sound) // 480 * 480  # a last part of a frame counts as a whole one here
        np.testing.assert_allclose(sound[:n_whole], segment.sound[:n_whole], rtol=1e-5, atol=EXACT)
