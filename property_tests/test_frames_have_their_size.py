"""The law of framing: every message has the size that was promised, and no sample is lost."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from stages.audio.choices import SAMPLE_RATES
from stages.audio.format import StreamFormat
from stages.sender.framing import (
    MAX_MESSAGE_MS,
    MAX_MESSAGE_VALUES,
    MIN_MESSAGE_MS,
    MIN_MESSAGE_SAMPLES,
    Framer,
)

rates = st.sampled_from(SAMPLE_RATES)
channels = st.sampled_from([1, 2])
segments = st.lists(st.lists(st.integers(0, 60_000), max_size=6), min_size=1, max_size=4)
"""Chunk lengths, in samples, of the segments of an utterance."""


def counting(start: int, length: int) -> np.ndarray:
    """Samples that say their own place."""
    return np.arange(start, start + length, dtype=np.float32)


@given(rates, channels, segments)
def test_messages_are_neither_too_short_nor_too_long(
    rate: int, n_channels: int, utterance: list[list[int]]
) -> None:
    framer = Framer(StreamFormat(sample_rate=rate, channels=n_channels))
    least, most = rate * MIN_MESSAGE_MS // 1000, rate * MAX_MESSAGE_MS // 1000
    pushed = 0
    sound: list[np.ndarray] = []
    begun = False
    for segment in utterance:
        messages: list[np.ndarray] = []
        for length in segment:
            made = list(framer.push(counting(pushed, length)))
            pushed += length
            if begun:
                assert all(len(message) >= least for message in made)
            begun |= bool(made)
            messages += made
        messages += framer.end_segment()
        begun |= bool(messages)
        for message in messages:
            assert MIN_MESSAGE_SAMPLES <= len(message) <= most
            assert len(message) * n_channels <= MAX_MESSAGE_VALUES
        whole = np.concatenate(messages) if messages else np.zeros(0, np.float32)
        expected = counting(pushed - sum(segment), sum(segment))
        assert np.array_equal(whole[: len(expected)], expected)
        padding = whole[len(expected) :]
        assert not padding.any()
        assert len(padding) < MIN_MESSAGE_SAMPLES
        sound.append(whole)
    assert not list(framer.end_utterance())


@given(rates, st.integers(10, 1000), segments)
def test_exact_frames_are_exact_and_only_the_utterances_last_is_padded(
    rate: int, frame_ms: int, utterance: list[list[int]]
) -> None:
    size, rest = divmod(rate * frame_ms, 1000)
    assume(not rest)  # others are refused
    framer = Framer(StreamFormat(sample_rate=rate, frame_ms=frame_ms))
    pushed = 0
    messages: list[np.ndarray] = []
    for segment in utterance:
        for length in segment:
            messages += framer.push(counting(pushed, length))
            pushed += length
        messages += framer.end_segment()
        assert sum(map(len, messages)) == pushed - pushed % size
    messages += framer.end_utterance()
    assert all(len(message) == size for message in messages)
    whole = np.concatenate(messages) if messages else np.zeros(0, np.float32)
    assert np.array_equal(whole[:pushed], counting(0, pushed))
    assert not whole[pushed:].any()
    assert len(whole) - pushed < size


@given(rates, st.integers(MIN_MESSAGE_SAMPLES, 5_000))
def test_the_first_sound_of_an_utterance_goes_out_at_once(rate: int, length: int) -> None:
    framer = Framer(StreamFormat(sample_rate=rate))
    for _ in range(2):
        assert sum(map(len, framer.push(counting(0, length)))) == length
        assert not list(framer.push(counting(0, 1)))  # and from there on it collects
        assert sum(map(len, framer.end_segment())) == MIN_MESSAGE_SAMPLES
        assert not list(framer.end_utterance())
