"""The two bounds around a connection: text that waits to be said, messages to be sent."""

from __future__ import annotations

import trio
import trio.testing

from pipeline.backlog import Backlog
from pipeline.outbox import AUDIO_ROOM, OTHER_ROOM, Outbox
from stages.errors import ProtocolError
from stages.items import Flushed, PcmFrame

FRAME = PcmFrame(b"1234", 1, None)


async def test_the_backlog_holds_up_its_intake_only_above_the_bound() -> None:
    backlog = Backlog(max_bytes=10)
    backlog.add_text("é" * 5)
    await backlog.wait_below_bound()
    backlog.add_text("x")
    released = trio.Event()

    async def wait() -> None:
        await backlog.wait_below_bound()
        released.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        assert not released.is_set()
        backlog.remove_text("x")
        await released.wait()


def test_marks_and_white_space_are_nothing_to_wait_for() -> None:
    backlog = Backlog(max_bytes=10)
    backlog.add_text(' \n"')
    seen = [backlog.is_empty]
    backlog.add_text("a ")
    seen.append(backlog.is_empty)
    backlog.remove_text("a ")
    assert [*seen, backlog.is_empty] == [True, False, True]


async def test_a_flood_of_flushes_is_bounded_too() -> None:
    backlog = Backlog(max_bytes=1000)
    for _ in range(16):
        backlog.add_flush()
    with trio.move_on_after(0) as scope:
        await backlog.wait_below_bound()
    assert scope.cancelled_caught
    backlog.clear()
    await backlog.wait_below_bound()


async def test_sound_waits_for_room_while_answers_pass() -> None:
    outbox = Outbox()
    for _ in range(AUDIO_ROOM):
        await outbox.put(FRAME)
    with trio.move_on_after(0) as scope:
        await outbox.put(FRAME)
    assert scope.cancelled_caught
    await outbox.put(ProtocolError("an answer"))
    assert await anext(aiter(outbox)) is FRAME
    await outbox.put(FRAME)


async def test_a_client_that_does_not_read_cannot_have_more_written_to_it() -> None:
    outbox = Outbox()
    for _ in range(OTHER_ROOM):
        await outbox.put(ProtocolError("again"))
    with trio.move_on_after(0) as scope:
        await outbox.put(ProtocolError("and again"))
    assert scope.cancelled_caught


async def test_dropping_speech_keeps_answers_and_forgets_its_samples() -> None:
    outbox = Outbox()
    answer = ProtocolError("an answer")
    await outbox.put(FRAME)
    assert await anext(aiter(outbox)) is FRAME  # sent: it counts
    await outbox.put(FRAME)
    await outbox.put(answer)
    await outbox.put(Flushed(1, 2))
    outbox.drop_speech()
    outbox.close()
    assert [item async for item in outbox] == [answer]
    assert outbox.sample_offset == 1
