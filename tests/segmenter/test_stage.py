"""The stage around the segmenter, on a clock that jumps."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from pipeline.token_queue import TokenQueue
from stages.items import Flush, Segment, Segmented, Style, Token
from stages.segmenter import Segmenter
from stages.segmenter.stage import segment_text

STYLE = Style("voice")
Said = tuple[float, str | int]


async def as_written(segment: Segment) -> Segment:
    return segment


class Run:
    """A running stage; `said` fills with (time, source or number of the flush)."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.said: list[Said] = []
        self.tokens = TokenQueue()
        segments, self._received = trio.open_memory_channel[Segmented](0)
        nursery.start_soon(segment_text, self.tokens, segments, Segmenter(), as_written)
        nursery.start_soon(self._listen)

    async def _listen(self) -> None:
        async for item in self._received:
            assert isinstance(item, Segment | Flush)
            said = item.source if isinstance(item, Segment) else item.number
            self.said.append((round(trio.current_time(), 3), said))

    def say(self, text: str) -> None:
        self.tokens.push(Token(text, STYLE))


async def test_segments_leave_at_their_deadline(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        run = Run(nursery)
        run.say("Hello. Dr.")
        await trio.sleep(5)
        run.say(" Smith.")
        await trio.sleep(5)
        run.tokens.close()
    assert run.said == [(0.0, "Hello."), (1.0, " Dr."), (5.15, " Smith.")]
    assert autojump_clock.current_time() == pytest.approx(10)


async def test_the_next_character_comes_before_the_deadline(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        run = Run(nursery)
        for char in "It is 3.14. Yes.":
            run.say(char)
            await trio.sleep(0.1)
        run.tokens.close()
    assert [said for _, said in run.said] == ["It is 3.14.", " Yes."]
    assert autojump_clock.current_time() == pytest.approx(1.6)


async def test_a_flush_travels_behind_the_text_before_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        run = Run(nursery)
        run.say("Hello! wor")
        run.tokens.push(Flush(1))
        run.tokens.push(Flush(2))
        run.say("ld")
        await trio.sleep(100)
        assert run.said == [(0.0, "Hello!"), (0.0, " wor"), (0.0, 1), (0.0, 2)]
        run.tokens.close()
    assert run.said[4:] == [(100.0, "ld")]
    assert autojump_clock.current_time() == pytest.approx(100)


async def test_a_stage_that_was_held_up_reads_on_before_it_looks_at_the_clock(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The next stage takes nothing for three seconds. The rest of the number came in meanwhile:
    what the client did without a pause must not be cut by our own lateness."""
    tokens = TokenQueue()
    segments, received = trio.open_memory_channel[Segmented](0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(segment_text, tokens, segments, Segmenter(), as_written)
        for text in ("Yes! It is 3.", "14.", " So"):
            tokens.push(Token(text, STYLE))
        tokens.close()
        await trio.sleep(3)
        sources = [item.source async for item in received if isinstance(item, Segment)]
    assert sources == ["Yes!", " It is 3.14.", " So"]
    assert autojump_clock.current_time() == pytest.approx(3)


async def test_a_cancelled_stage_closes_its_channel() -> None:
    tokens = TokenQueue()
    segments, received = trio.open_memory_channel[Segmented](10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(segment_text, tokens, segments, Segmenter(), as_written)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    with pytest.raises(trio.EndOfChannel):
        await received.receive()
