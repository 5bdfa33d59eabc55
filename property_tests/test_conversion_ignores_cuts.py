"""The law: a converted segment is the same, bit for bit, however its speech was cut and whenever
its blocks were converted."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from property_tests.effort import NEURAL
from stages.audio.resample import resampled_length
from stages.conversion_settings import ConversionSettings
from stages.rvc.pitch.praat import PraatPitch
from tests.rvc.conversions import Kind, converter, start, synthesizer
from tests.rvc.voices import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.audio.format import Samples
    from stages.rvc.streaming import ConversionStream

LONGEST = 20_000
"""Samples: 0.6 s of Soprano's, which is three blocks at least."""
SPEECH = words(LONGEST)
PITCH = PraatPitch()

CUTS = st.lists(
    # Where a piece ends, and how many blocks are converted then at most.
    st.tuples(st.integers(0, LONGEST), st.integers(0, 2)),
    max_size=10,
)


def in_pieces(
    stream: ConversionStream, speech: Samples, cuts: Sequence[tuple[int, int]]
) -> Samples:
    made = [np.empty(0, np.float32)]
    places = sorted((min(place, len(speech)), most) for place, most in cuts)
    for (a, _), (b, most) in itertools.pairwise([(0, 0), *places, (len(speech), 0)]):
        stream.push(speech[a:b])
        for _ in range(most):
            if stream.is_due:
                made += converter().advance([stream])
    stream.end()
    while stream.is_due:
        made += converter().advance([stream])
    assert stream.has_finished
    whole: Samples = np.concatenate(made)
    return whole


@dataclass(frozen=True)
class Segment:
    """What is said, and how it is converted."""

    kind: Kind
    settings: ConversionSettings
    in_rate: int
    block_frames: int
    n_samples: int

    def converted(self, cuts: Sequence[tuple[int, int]]) -> Samples:
        stream = start(
            synthesizer(self.kind), PITCH,
            settings=self.settings, in_rate=self.in_rate, block_frames=self.block_frames,
            seed=self.n_samples,
        )  # fmt: skip
        return in_pieces(stream, SPEECH[: self.n_samples], cuts)


SEGMENTS = st.builds(
    Segment,
    kind=st.sampled_from([Kind(), Kind(has_pitch=False), Kind("v1", "40k")]),
    settings=st.builds(
        ConversionSettings,
        rms_mix_rate=st.sampled_from([1.0, 1.0, 0.3, 0.0]),
        formant_shift=st.one_of(st.just(0.0), st.floats(-12, 12)),
        speaker=st.integers(0, 2),
    ),
    in_rate=st.sampled_from([16_000, 22_050, 24_000, 32_000, 48_000]),
    block_frames=st.sampled_from([16, 32, 64]),
    n_samples=st.integers(0, LONGEST),
)


@NEURAL
@given(SEGMENTS, CUTS)
@example(
    Segment(Kind(), ConversionSettings(), 32_000, 32, LONGEST),
    [(place, 3) for place in range(0, LONGEST, 640)],
)
@example(Segment(Kind(), ConversionSettings(formant_shift=1.0), 32_000, 16, 5_119), [])
def test_a_segment_sounds_the_same_however_it_comes(
    segment: Segment, cuts: list[tuple[int, int]]
) -> None:
    at_once = segment.converted([])
    assert len(at_once) == resampled_length(segment.n_samples, segment.in_rate, 48_000)
    assert np.array_equal(segment.converted(cuts), at_once)
