"""The law of order: whatever delays the stages have, nothing is lost, repeated or swapped."""

from __future__ import annotations

import itertools

import numpy as np
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from stages.items import Flushed, SegmentEnded, SegmentFailed, SegmentStarted
from tests.fakes import FLUSH, ListPeer, converse, service, sound_of, token
from tests.inline_models import InlineModels

delays = st.lists(st.sampled_from([0.0, 0.0, 0.001, 0.3, 2.0]), min_size=1, max_size=8)
pieces = st.lists(
    st.tuples(st.text("ab ~;,!. ", max_size=12), st.sampled_from([0, 0, 3, -2]), st.booleans()),
    max_size=12,
)


@given(pieces, delays, delays)
def test_order_holds_and_nothing_is_lost(
    said: list[tuple[str, int, bool]], engine_delays: list[float], client_delays: list[float]
) -> None:
    messages = []
    for text, pitch, flushes in said:
        messages.append(token(text, pitch))
        if flushes:
            messages.append(FLUSH)
    peer = ListPeer(*messages, delays=itertools.cycle(client_delays))
    models = InlineModels(itertools.cycle(engine_delays))
    trio.run(converse, peer, service(models), clock=MockClock(autojump_threshold=0))

    starts, ends = peer.heard_of(SegmentStarted), peer.heard_of(SegmentEnded)
    assert "".join(s.segment.source for s in starts) == "".join(text for text, _, _ in said)
    assert [s.segment.index for s in starts] == list(range(len(starts)))
    assert [e.segment.index for e in ends] == list(range(len(starts)))
    failed = {f.segment.index for f in peer.heard_of(SegmentFailed)}
    expected = [np.zeros(0, np.float32)]
    for start in starts:
        spoken = start.segment.spoken
        assert (start.segment.index in failed) == ("~" in spoken)
        sound = sound_of(spoken.partition("~")[0])
        expected.append(-sound if start.segment.style.pitch_shift else sound)
    assert np.array_equal(peer.pcm, np.concatenate(expected))
    n_flushes = sum(flushes for _, _, flushes in said)
    assert [flushed.number for flushed in peer.heard_of(Flushed)] == list(range(1, n_flushes + 1))
    assert models.open_requests == 0
