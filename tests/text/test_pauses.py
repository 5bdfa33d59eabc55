"""Pauses that a text asks for, as they are heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stages.items import SegmentEnded, SegmentStarted
from tests.fakes import FLUSH, ListPeer, converse, sound_of, token

if TYPE_CHECKING:
    from trio.testing import MockClock


async def test_a_pause_is_silence_before_the_sound(autojump_clock: MockClock) -> None:
    """The tag was read aloud, attributes and all."""
    peer = ListPeer(token('One <break time="250ms"/>two'), FLUSH)
    await converse(peer)
    silence = np.zeros(12_000, np.float32)
    expected = np.concatenate((sound_of("One,"), silence, sound_of("two")))
    assert np.array_equal(peer.pcm, expected)
    starts, ends = peer.heard_of(SegmentStarted), peer.heard_of(SegmentEnded)
    assert [start.segment.spoken for start in starts] == ["One,", "two"]
    assert ends[1].n_samples == 12_000 + len(sound_of("two"))


async def test_a_pause_at_the_end_is_heard_too(autojump_clock: MockClock) -> None:
    peer = ListPeer(token("One![pause 1s]"), FLUSH)
    await converse(peer)
    assert len(peer.pcm) == len(sound_of("One!")) + 48_000
