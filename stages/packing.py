"""Turns converted speech into what goes on the wire, in order: messages and events. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.audio.format import PIPELINE_RATE
from stages.audio.pcm import encode
from stages.audio.resample import Resampler
from stages.framing import Framer
from stages.items import (
    AudioChunk,
    Flush,
    Flushed,
    PcmFrame,
    SegmentEnded,
    SegmentFailed,
    SegmentStarted,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stages.audio.format import StreamFormat
    from stages.items import Outgoing, Samples, Segment, Speech


class Packer:
    """Packs one connection's speech from one barge-in to the next.

    `offset` counts the samples per channel of the connection's stream: those given out in
    messages, padding included, and those still held for the next one."""

    def __init__(self, stream_format: StreamFormat, offset: int) -> None:
        self.offset = offset
        self._format = stream_format
        self._framer = Framer(stream_format)
        self._given_out = offset
        self._segment: Segment | None = None
        self._segment_start = offset
        self._resampler = Resampler(PIPELINE_RATE, stream_format.sample_rate)

    def pack(self, item: Speech) -> Iterator[Outgoing]:
        """Everything that leaves because of this item."""
        match item:
            case AudioChunk():
                if self._segment is None:
                    yield self._begin(item.segment)
                yield from self._push(self._resampler.push(item.samples), item.segment)
                if item.is_last:
                    yield from self._finish(item.segment)
                    yield self._end(item.segment)
            case SegmentFailed():
                if self._segment is None:
                    yield self._begin(item.segment)
                yield from self._finish(item.segment)
                yield item
                yield self._end(item.segment)
            case Flush():
                yield from self.end_utterance()
                yield Flushed(item.number, self.offset)

    def end_utterance(self) -> Iterator[Outgoing]:
        """No text is pending, or the client flushed: nothing is held back."""
        yield from self._frames(self._framer.end_utterance(), None)

    def _begin(self, segment: Segment) -> SegmentStarted:
        self._segment = segment
        self._segment_start = self.offset
        self._resampler = Resampler(PIPELINE_RATE, self._format.sample_rate)
        return SegmentStarted(segment, self.offset)

    def _push(self, samples: Samples, segment: Segment) -> Iterator[Outgoing]:
        if len(samples):
            self.offset += len(samples)
            yield from self._frames(self._framer.push(samples), segment)

    def _finish(self, segment: Segment) -> Iterator[Outgoing]:
        yield from self._push(self._resampler.flush(), segment)
        yield from self._frames(self._framer.end_segment(), segment)

    def _end(self, segment: Segment) -> SegmentEnded:
        self._segment = None
        return SegmentEnded(segment, self._segment_start, self.offset - self._segment_start)

    def _frames(self, pieces: Iterable[Samples], segment: Segment | None) -> Iterator[PcmFrame]:
        for piece in pieces:
            self._given_out += len(piece)
            self.offset = max(self.offset, self._given_out)  # past what was pushed: padding
            data = encode(piece, self._format.encoding, self._format.channels)
            yield PcmFrame(data, len(piece), None if segment is None else segment.timing)
