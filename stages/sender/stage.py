"""The sender: converted speech in, messages and events out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from stages.items import Outgoing, Speech
    from stages.sender.packing import Packer


async def send_speech(
    converted: trio.MemoryReceiveChannel[Speech],
    send: Callable[[Outgoing], Awaitable[None]],
    new_packer: Callable[[], Packer],
    packed: Callable[[Speech], bool],
) -> None:
    """Pack speech as it comes. `packed` is told of each item whose messages have been sent, and
    says whether the utterance is over by it; by the last one it is.

    The packer is made when the first item comes: until then the format may change."""
    packer: Packer | None = None
    with converted:
        async for item in converted:
            packer = packer or new_packer()
            for message in await _made(packer, packer.pack(item)):
                await send(message)
            if packed(item):
                for message in await _made(packer, packer.end_utterance()):
                    await send(message)


async def _made(packer: Packer, messages: Iterator[Outgoing]) -> Iterable[Outgoing]:
    """A packer's messages, made in a worker thread where that takes long. A barge-in does not wait
    for the thread: nobody will use this packer again."""
    if not packer.takes_long:
        return messages
    return await trio.to_thread.run_sync(list, messages, abandon_on_cancel=True)
