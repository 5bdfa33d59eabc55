"""The sender: converted speech in, messages and events out."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Protocol

import trio

from stages.items import AudioChunk, Pacing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from stages.items import Outgoing, Segment, Speech
    from stages.sender.pacer import Pacer
    from stages.sender.packing import Packer

LOOK_AGAIN_S = 0.02
"""The least time between two looks at whether what is held may go out."""


class HeldPlayback(Protocol):
    """The listener's playback clock, as far as it knows by when what is held back is needed."""

    needed_at: float


async def send_speech(
    converted: trio.MemoryReceiveChannel[Speech],
    send: Callable[[Outgoing], Awaitable[None]],
    new_packer: Callable[[], Packer],
    packed: Callable[[Speech], bool],
    *,
    new_pacer: Callable[[Segment], Pacer],
    heard_at: Callable[[int, float], float],
    playback: HeldPlayback,
) -> None:
    """Pack speech as it comes, and hold each segment's until it will be heard without a gap.
    `packed` is told of each item whose messages have been sent, and says whether the utterance is
    over by it; by the last one it is. `heard_at` says when the stream up to a sample will have been
    heard.

    The packer is made when the first item comes: until then the format may change."""
    packer: Packer | None = None

    with converted:
        async for item in converted:
            packer = packer or new_packer()
            items: list[Speech] = [item]
            if isinstance(item, AudioChunk) and packer.is_between_segments:
                pacer = new_pacer(item.segment)
                pacer.skipped_s = packer.to_skip_s
                all_heard_at = partial(heard_at, packer.offset)
                pacing = _pacing(pacer, item, all_heard_at)
                if pacing.hold_s:  # all before it will have been heard by then
                    await _send_all(send, packer, packer.end_utterance())
                for message in packer.begin(item.segment, pacing):
                    await send(message)
                if pacing.hold_s:
                    items += await _held(pacer, converted, all_heard_at, playback)
            for each in items:
                await _send_all(send, packer, packer.pack(each))
                if packed(each):
                    await _send_all(send, packer, packer.end_utterance())


def _pacing(pacer: Pacer, first: AudioChunk, all_heard_at: Callable[[float], float]) -> Pacing:
    """What a listener is told of a segment whose first sound this is."""
    now = trio.current_time()
    pacer.made(first.duration_s, now, is_last=first.is_last)
    release_at = pacer.promise(now)
    is_held = release_at > all_heard_at(now)
    return Pacing(release_at - now if is_held else 0.0, pacer.expected)


async def _held(
    pacer: Pacer,
    converted: trio.MemoryReceiveChannel[Speech],
    all_heard_at: Callable[[float], float],
    playback: HeldPlayback,
) -> list[Speech]:
    """What else has come of a segment by the time at which its first sound may go out."""
    items: list[Speech] = []
    try:
        while True:
            now = trio.current_time()
            release_at = pacer.release_at(now)
            if release_at <= all_heard_at(now):
                return items
            playback.needed_at = release_at + pacer.made_s - pacer.skipped_s
            with trio.move_on_at(max(release_at, now + LOOK_AGAIN_S)):
                item = await converted.receive()
                items.append(item)
                if not isinstance(item, AudioChunk):
                    return items  # it failed
                pacer.made(item.duration_s, trio.current_time(), is_last=item.is_last)
    except trio.EndOfChannel:
        return items  # whoever makes it has ended, and tells why
    finally:
        playback.needed_at = -math.inf


async def _send_all(
    send: Callable[[Outgoing], Awaitable[None]], packer: Packer, messages: Iterable[Outgoing]
) -> None:
    """Send a packer's messages, made in a worker thread where that takes long. A barge-in does not
    wait for the thread: nobody will use this packer again."""
    if packer.takes_long:
        messages = await trio.to_thread.run_sync(list, messages, abandon_on_cancel=True)
    for message in messages:
        await send(message)
