"""The laws of pacing: what is held back waits as long as it has to, and no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.pace import SpeakingRate
from pipeline.real_time import HICCUP_S, MIN_SOUND_S, WorkMeter
from stages.sender.pacer import JITTER, MAX_HOLD_S, SLACK, Pacer

if TYPE_CHECKING:
    from collections.abc import Iterator

factors = st.floats(0.05, 6.0)
lengths = st.floats(0.5, 13.0)
pieces = st.floats(0.1, 0.6)
steps = st.lists(st.floats(0.05, 2.0), min_size=1, max_size=60)


def made(length_s: float, piece_s: float) -> Iterator[float]:
    """A sentence, piece by piece."""
    left_s = length_s
    while left_s > 1e-9:
        yield min(piece_s, left_s)
        left_s -= piece_s


def held(pacer: Pacer, sentence: list[tuple[float, float]]) -> float:
    """When a sentence goes out whose pieces are made so long and at these times."""
    for number, (made_at, sound_s) in enumerate(sentence):
        pacer.made(sound_s, made_at, is_last=number == len(sentence) - 1)
        if number == 0:
            pacer.promise(made_at)
        following = sentence[number + 1][0] if number + 1 < len(sentence) else made_at
        now, release_at = made_at, pacer.release_at(made_at)
        while release_at > now and release_at <= following:
            now, release_at = release_at, pacer.release_at(release_at)
        if release_at <= now:
            return now
    raise AssertionError("all has been made, and it is still held back")


@given(factors, lengths, pieces)
def test_what_is_known_well_is_heard_without_a_gap_and_as_soon_as_can_be(
    factor: float, length_s: float, piece_s: float
) -> None:
    sentence = [
        (factor * piece_s * (number + 1), sound_s)
        for number, sound_s in enumerate(made(length_s, piece_s))
    ]
    pacer = Pacer(factor, length_s=length_s, piece_s=piece_s)
    begins_at = held(pacer, sentence)
    first_at, heard_s, needed_at = sentence[0][0], 0.0, 0.0
    for made_at, sound_s in sentence:
        needed_at = max(needed_at, made_at - heard_s)
        heard_s += sound_s
    if factor > 1 - SLACK and begins_at < first_at + MAX_HOLD_S - 1e-6:
        assert begins_at >= needed_at - 1e-6
    margin_s = JITTER * (1 + (length_s / piece_s) ** 0.5) * factor * piece_s
    assert begins_at <= needed_at + margin_s + 1e-6


@given(factors, lengths, pieces, steps)
def test_nothing_is_held_once_all_is_made_nor_for_longer_than_the_cap(
    factor: float, length_s: float, piece_s: float, steps: list[float]
) -> None:
    """Whatever was expected, and however long it takes."""
    at, sentence = 0.0, []
    for step_s in steps:
        at += step_s
        sentence.append((at, piece_s))
    begins_at = held(Pacer(factor, length_s=length_s, piece_s=piece_s), sentence)
    assert begins_at <= min(sentence[-1][0], sentence[0][0] + MAX_HOLD_S) + 1e-6


@given(st.floats(0.05, 1 - SLACK), lengths, pieces)
def test_engines_that_are_fast_enough_hold_nothing_back(
    factor: float, length_s: float, piece_s: float
) -> None:
    pacer = Pacer(factor, length_s=length_s, piece_s=piece_s)
    pacer.made(0.01, 7.0)
    assert pacer.promise(7.0) == 7.0


@given(factors, factors, lengths, lengths, pieces)
def test_longer_sentences_and_slower_engines_wait_longer(
    factor: float, other_factor: float, length_s: float, other_s: float, piece_s: float
) -> None:
    def promised(factor: float, length_s: float) -> float:
        pacer = Pacer(factor, length_s=length_s, piece_s=piece_s)
        pacer.made(piece_s, 0.0)
        return pacer.promise(0.0)

    (slow, fast), (long, short) = (
        sorted(pair, reverse=True) for pair in ((factor, other_factor), (length_s, other_s))
    )
    assert promised(slow, length_s) >= promised(fast, length_s) - 1e-9
    if factor >= 1:
        assert promised(factor, long) >= promised(factor, short) - 1e-9


@given(
    st.lists(
        st.tuples(st.floats(0.001, 3.0), st.lists(st.floats(0.0, 2.0), min_size=1), st.booleans())
    )
)
def test_a_meter_says_what_its_steps_took(work: list[tuple[float, list[float], bool]]) -> None:
    """There is no figure too soon, and shared steps are never more than whole ones."""
    meter = WorkMeter()
    for took_s, pieces_s, is_more in work:
        meter.stepped(took_s, *(([], pieces_s) if is_more else (pieces_s, [])))
    sound_s = sum(sum(pieces_s) for _, pieces_s, _ in work)
    if sound_s < MIN_SOUND_S - 1e-6:
        assert meter.figures is None
    if meter.figures is None:
        return
    assert meter.figures.piece_s <= max(max(pieces_s) for _, pieces_s, _ in work)
    assert meter.figures.factor >= 0
    if sum(took_s for took_s, *_ in work) < HICCUP_S - 1e-6:
        assert meter.load(1) == 0.0
    assert meter.load(1) <= meter.figures.factor + 1e-9  # steps can only be shared


@given(st.floats(0.2, 5.0), st.integers(1, 8), st.integers(100, 200))
def test_a_meter_finds_the_factor_of_steps_that_are_alike(
    took_s: float, n_requests: int, n_steps: int
) -> None:
    meter = WorkMeter()
    for _ in range(10):
        meter.stepped(3.0, [], [0.1])  # it has been slow, long ago
    for _ in range(n_steps):
        meter.stepped(took_s, [], [0.5] * n_requests)
    assert meter.figures is not None
    assert meter.figures.rest == pytest.approx(meter.figures.factor, rel=1e-6)
    assert meter.figures.factor == pytest.approx(took_s / 0.5, rel=0.05)
    assert meter.load(1) == pytest.approx(took_s / 0.5 / n_requests, rel=0.05)


@given(st.floats(5.0, 30.0), st.lists(st.integers(30, 200), min_size=40, max_size=60))
def test_a_voices_rate_is_learnt(units_per_s: float, texts: list[int]) -> None:
    rate = SpeakingRate()
    for units in texts:
        rate.learn(units, units / units_per_s)
    assert rate.longest_s(90) >= 90 / units_per_s * (1 - 1e-3)
    assert rate.longest_s(90) <= 1.1 * 90 / units_per_s


def test_what_comes_before_the_first_sound_is_not_expected_of_the_rest() -> None:
    """A converter's first block needs context, a model its prompt: that is over when it is asked
    how long the rest will take."""
    meter = WorkMeter()
    meter.stepped(2.0, [0.0], [])
    meter.stepped(2.0, [0.3], [])
    for _ in range(5):
        meter.stepped(0.6, [], [0.3])
    assert meter.figures is not None
    assert meter.figures.rest == pytest.approx(2.0)
    assert meter.figures.factor > 3.0
