"""The sender: converted speech in, messages and events into the connection's outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.items import AudioChunk, Flush, SegmentEnded, SegmentFailed, SegmentStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import trio

    from pipeline.backlog import Backlog
    from pipeline.outbox import Outbox
    from pipeline.transcript import Transcript
    from stages.items import Outgoing, Speech
    from stages.sender.packing import Packer


async def send_speech(
    converted: trio.MemoryReceiveChannel[Speech],
    outbox: Outbox,
    new_packer: Callable[[], Packer],
    transcript: Transcript,
    backlog: Backlog,
) -> None:
    """Pack speech as it comes. What has been packed is no longer pending, and when nothing is,
    the utterance is over.

    The packer is made when the first item comes: until then the format may change."""
    packer: Packer | None = None

    async def send(outgoing: Iterator[Outgoing]) -> None:
        for message in outgoing:
            match message:
                case SegmentStarted():
                    transcript.segment_started(message)
                case SegmentEnded():
                    transcript.segment_ended(message)
            await outbox.put(message)

    with converted:
        async for item in converted:
            packer = packer or new_packer()
            await send(packer.pack(item))
            match item:
                case AudioChunk(segment=segment, is_last=True) | SegmentFailed(segment=segment):
                    backlog.remove_text(segment.source)
                    if backlog.is_empty:
                        await send(packer.end_utterance())
                case Flush():
                    backlog.remove_flush()
        if packer is not None:
            await send(packer.end_utterance())
