"""The law of barge-in: at whatever moment it comes, no task, no request and no sample of the
old text is left, and what was heard and what was not make up all that was said."""

from __future__ import annotations

import itertools

import numpy as np
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from stages.items import Cancelled, PcmFrame
from tests.fakes import CANCEL, FLUSH, ListPeer, converse, service, sound_of, token
from tests.inline_models import InlineModels

moments = st.lists(st.sampled_from([0.0, 0.001, 0.05, 0.4, 1.0, 9.0]), min_size=1, max_size=5)
delays = st.lists(st.sampled_from([0.0, 0.0, 0.001, 0.02, 0.3]), min_size=1, max_size=6)
OLD = "abcd efgh; ijkl, mnop. qrst! uvwx"


@given(moments, delays, delays, st.booleans(), st.sampled_from([0.0, 2.0]))
def test_a_cancel_at_any_moment_leaves_nothing_of_the_old_text(
    moments: list[float],
    engine_delays: list[float],
    client_delays: list[float],
    flushes: bool,
    pitch_shift: float,
) -> None:
    models = InlineModels(itertools.cycle(engine_delays))
    peer = ListPeer(ends=False, delays=itertools.cycle(client_delays))

    async def barge_in_again_and_again() -> None:
        tasks_before = trio.lowlevel.current_statistics().tasks_living
        async with trio.open_nursery() as nursery:
            nursery.start_soon(converse, peer, service(models))
            for number, moment in enumerate(moments):
                peer.say(token(OLD, pitch_shift), *([FLUSH] if flushes else []))
                await trio.sleep(moment)
                peer.say(CANCEL)
                while len(peer.heard_of(Cancelled)) <= number:
                    await trio.sleep(0.01)
                assert models.open_requests == 0
            peer.say(token("new", 0.0))
            peer.hang_up()
        assert trio.lowlevel.current_statistics().tasks_living == tasks_before

    trio.run(barge_in_again_and_again, clock=MockClock(autojump_threshold=0))

    assert models.open_requests == 0
    answers = peer.heard_of(Cancelled)
    assert [a.text_spoken + a.text_remaining for a in answers] == [OLD] * len(moments)
    n_samples = 0
    for item in peer.heard:
        if isinstance(item, PcmFrame):
            n_samples += item.n_samples
        elif isinstance(item, Cancelled):
            assert item.sample_offset == n_samples
    # Each turn's sound is a beginning of the old text's; the last turn's is the new text.
    sign = -1.0 if pitch_shift else 1.0
    whole = sign * sound_of("abcd efgh;ijkl,mnop.qrst!uvwx")
    begin = 0
    for answer in answers:
        turn = peer.pcm[begin : answer.sample_offset]
        assert np.array_equal(turn, whole[: len(turn)])
        begin = answer.sample_offset
    assert np.array_equal(peer.pcm[begin:], sound_of("new"))
