"""The sender: converted speech in, messages and events into the connection's outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.items import Flushed, SegmentEnded, SegmentStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import trio

    from stages.backlog import Backlog
    from stages.items import Outgoing, Speech
    from stages.outbox import Outbox
    from stages.packing import Packer
    from stages.transcript import Transcript


async def send_speech(
    converted: trio.MemoryReceiveChannel[Speech],
    outbox: Outbox,
    new_packer: Callable[[], Packer],
    transcript: Transcript,
    backlog: Backlog,
) -> None:
    """Pack speech as it comes. What has been packed is no longer pending.

    The packer is made when the first item comes: until then the format may change."""
    packer: Packer | None = None
    with converted:
        async for item in converted:
            packer = packer or new_packer()
            for outgoing in _with_utterance_end(packer, packer.pack(item), backlog):
                match outgoing:
                    case SegmentStarted():
                        transcript.segment_started(outgoing)
                    case SegmentEnded():
                        transcript.segment_ended(outgoing)
                        backlog.remove_text(outgoing.segment.source)
                    case Flushed():
                        backlog.remove_flush()
                await outbox.put(outgoing)
        if packer is not None:
            for outgoing in packer.end_utterance():
                await outbox.put(outgoing)


def _with_utterance_end(
    packer: Packer, outgoing: Iterator[Outgoing], backlog: Backlog
) -> Iterator[Outgoing]:
    """An utterance ends at a flush, which the packer sees, or when nothing is pending."""
    for item in outgoing:
        yield item
        if isinstance(item, SegmentEnded) and backlog.is_empty:
            yield from packer.end_utterance()
