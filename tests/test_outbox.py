"""What waits for the writer: bounded, in order, and emptied by a barge-in."""

from __future__ import annotations

import contextlib

import pytest
import trio
from trio.testing import assert_checkpoints, wait_all_tasks_blocked

from pipeline.outbox import SPEECH_ROOM, Outbox
from stages.errors import Disconnected, ProtocolError
from stages.items import Answer, Cancelled, Flushed, Outgoing, PcmFrame

FRAME = PcmFrame(b"1234", 1, None)


async def all_of(outbox: Outbox) -> list[Outgoing | Answer]:
    outbox.close()
    return [item async for item in outbox]


async def full_outbox() -> Outbox:
    outbox = Outbox()
    for _ in range(SPEECH_ROOM):
        await outbox.send(FRAME)
    return outbox


@pytest.mark.parametrize("item", [FRAME, Flushed(1, 2)], ids=["sound", "an event"])
async def test_speech_waits_for_room_while_answers_go_first(item: Outgoing) -> None:
    outbox = await full_outbox()
    with trio.move_on_after(0) as scope:
        await outbox.send(item)
    assert scope.cancelled_caught
    outbox.answer(ProtocolError("an answer"))
    assert isinstance(await anext(outbox), ProtocolError)
    assert await anext(outbox) is FRAME
    await outbox.send(item)


@pytest.mark.parametrize(
    ("answer", "least", "most"),
    [
        (ProtocolError("again"), 500, 2000),
        (Cancelled("a" * 2**17, "b" * 2**17, 0), 3, 5),
    ],
    ids=["errors", "barge-ins into much text"],
)
def test_answers_never_wait_but_a_client_that_reads_none_has_left(
    answer: Answer, least: int, most: int
) -> None:
    """They waited for room, and the intake with them: a barge-in behind 64 answers that were
    not read was not seen."""
    outbox = Outbox()
    n_answers = 0
    with contextlib.suppress(Disconnected):
        while n_answers <= most:
            outbox.answer(answer)
            n_answers += 1
    assert least <= n_answers <= most


async def test_dropping_speech_keeps_answers_and_makes_room() -> None:
    outbox = await full_outbox()
    answer = ProtocolError("an answer")
    outbox.answer(answer)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.send, FRAME)
        await wait_all_tasks_blocked()
        outbox.drop_speech()
    assert await all_of(outbox) == [answer, FRAME]


async def test_all_is_spoken_once_the_writer_comes_back_for_more() -> None:
    """What it has taken out may still be on its way. An answer that waits is no speech."""
    outbox, is_spoken = Outbox(), trio.Event()

    async def wait() -> None:
        await outbox.spoken()
        is_spoken.set()

    await outbox.send(FRAME)
    outbox.answer(ProtocolError("an answer"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        for _ in range(2):
            await anext(outbox)
            await wait_all_tasks_blocked()
            assert not is_spoken.is_set()
        outbox.answer(ProtocolError("another"))
        await anext(outbox)


async def test_every_wait_is_a_checkpoint() -> None:
    """A sender or a writer that never had to wait held the loop for as long as it went on."""
    outbox = Outbox()
    with assert_checkpoints():
        await outbox.spoken()
    with assert_checkpoints():
        await outbox.send(FRAME)
    with assert_checkpoints():
        assert await anext(outbox) is FRAME
    outbox.close()
    with assert_checkpoints(), pytest.raises(StopAsyncIteration):
        await anext(outbox)


async def test_a_cancelled_wait_loses_and_repeats_nothing() -> None:
    outbox = Outbox()
    await outbox.send(FRAME)
    with trio.CancelScope() as scope:
        scope.cancel()
        await anext(outbox)
    with trio.CancelScope() as scope:
        scope.cancel()
        await outbox.send(Flushed(1, 1))
    assert await all_of(outbox) == [FRAME]
