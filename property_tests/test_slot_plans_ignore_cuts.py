"""The law: what a block in a slot has does not depend on how its speech was cut, nor on when its
blocks were taken; and n samples in become exactly `resampled_length` out."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from stages.audio.resample import resampled_length
from stages.rvc.schedule import MARGIN
from stages.rvc.slots.plan import NOT_ENDED, SlotStream, SteadyShape
from stages.rvc.speech import HOP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stages.rvc.slots.plan import PlannedBlock

LONGEST = 60_000
LOOKS_AHEAD = 64
"""Samples at 16 kHz, of a filter that is not here."""

CONTEXTS = st.sampled_from([(12, 10), (13, 12), (15, 14), (14, 13)])  # of real voices
CUTS = st.lists(st.tuples(st.integers(0, LONGEST), st.integers(0, 3)), max_size=10)


def planned(
    shape: SteadyShape,
    context: tuple[int, int],
    in_rate: int,
    n_samples: int,
    cuts: Sequence[tuple[int, int]],
) -> list[tuple[PlannedBlock, NDArray[np.float32]]]:
    """All blocks of a segment, with their speech, which is numbered."""
    left, lag = context
    stream = SlotStream(
        shape.blocks(left, lag),
        in_rate=in_rate,
        lag=lag,
        needed=lambda n: (n + LOOKS_AHEAD) * in_rate // 16_000 + 1,
    )
    speech = np.arange(1, n_samples + 1, dtype=np.float32)
    made = []

    def take() -> None:
        raw = np.zeros(shape.max_in(in_rate), np.float32)
        made.append((stream.take(raw), raw))

    places = sorted((min(place, n_samples), most) for place, most in cuts)
    for (a, _), (b, most) in itertools.pairwise([(0, 0), *places, (n_samples, 0)]):
        stream.push(speech[a:b])
        for _ in range(most):
            if stream.is_due:
                take()
    stream.end()
    while stream.is_due:
        take()
    assert stream.is_planned
    return made


@given(
    shape=st.sampled_from([8, 16, 32, 64]).map(SteadyShape.of),
    context=CONTEXTS,
    in_rate=st.sampled_from([22_050, 32_000, 48_000]),
    n_samples=st.integers(0, LONGEST),
    cuts=CUTS,
)
@example(SteadyShape.of(32), (12, 10), 48_000, 1, [])
@example(SteadyShape.of(32), (15, 14), 32_000, LONGEST, [(n, 1) for n in range(0, LONGEST, 2048)])
def test_a_plan_is_the_same_however_speech_comes(
    shape: SteadyShape,
    context: tuple[int, int],
    in_rate: int,
    n_samples: int,
    cuts: list[tuple[int, int]],
) -> None:
    at_once = planned(shape, context, in_rate, n_samples, [])
    in_pieces = planned(shape, context, in_rate, n_samples, cuts)
    assert [own for own, _ in in_pieces] == [own for own, _ in at_once]
    for (_, here), (_, there) in zip(in_pieces, at_once, strict=True):
        np.testing.assert_array_equal(here, there)

    heard = sum(own.heard.stop - own.heard.start for own, _ in at_once)
    assert heard == resampled_length(n_samples, in_rate, 48_000)
    speech = [raw[: own.n_raw] for own, raw in at_once]
    said = np.concatenate([np.empty(0, np.float32), *speech])
    np.testing.assert_array_equal(said, np.arange(1, n_samples + 1, dtype=np.float32)[: len(said)])
    assert len(said) == n_samples or not at_once[-1][0].n_total < NOT_ENDED

    for number, (own, _) in enumerate(at_once):
        block = own.block
        assert own.is_first == (number == 0)
        assert own.n_in == sum(map(len, speech[:number]))
        assert 0 < own.n_new <= shape.computed
        assert 0 < own.n_pushed <= shape.pushed
        assert block.stop - block.start <= shape.window
        assert block.stop - shape.flow <= block.push_from - (shape.flow - shape.pushed - MARGIN)
        assert 0 <= own.heard.start < own.heard.stop <= own.n_pushed * 480
        # Speech that is not there yet is behind the end.
        is_all_there = own.n_in + own.n_raw >= (block.stop * HOP + 80) * in_rate // 16_000
        assert is_all_there or own.n_total == resampled_length(n_samples, in_rate, 16_000)
        assert block.start <= own.pitch_from <= own.keep_pitch_from < block.stop
