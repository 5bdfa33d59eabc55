"""Converted speech to what goes on the wire, in order: messages and events. Pure."""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from stages.audio.encoders.opus import OpusPackets
from stages.audio.format import PIPELINE_RATE
from stages.audio.gain import amplified
from stages.audio.pcm import encode
from stages.audio.resample import Resampler
from stages.items import (
    AudioChunk,
    Flush,
    Flushed,
    Pacing,
    PcmFrame,
    SegmentEnded,
    SegmentFailed,
    SegmentStarted,
    WordTimes,
)
from stages.resume import Resume, Skipped
from stages.sender.framing import Framer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stages.audio.format import Samples, StreamFormat
    from stages.items import Outgoing, Segment, Speech

SETTLING_PACKETS = 5
"""After so many packets of the same sound an encoder is where another is that has encoded more."""

UNPACED = Pacing(hold_s=0.0, real_time_factor=None)


class Packer:
    """The packer of one connection's speech, from one barge-in to the next.

    Offsets count the samples per channel of the connection's stream, padding included. Where
    exact frames are wanted, a segment's last samples may be held for the next segment's frame,
    and the event that it has ended is held with them. Words follow the message in which the last of
    their sound is.

    What a listener has from a connection that was lost is made and left out, before it is cut into
    messages: so they go on where the last one ended. Of Opus it is whole packets, so that the
    encoder comes to where the listener's decoder is."""

    def __init__(
        self, stream_format: StreamFormat, offset: int, *, tells_words: bool = False
    ) -> None:
        self._tells_words = tells_words
        self._format = stream_format
        self._opus = OpusPackets(stream_format.sample_rate)
        self.takes_long = stream_format.encoding == "opus"
        """Whether an item's packing is more than copying, and so is for a worker thread."""
        self._leads_in = self.takes_long and offset > 0
        self._framer = Framer(stream_format, self._opus.look_ahead if self.takes_long else 0)
        self._resampler = Resampler(PIPELINE_RATE, stream_format.sample_rate)
        self._pushed = offset  # the end of what was put into the framer
        self._given_out = offset  # the end of what came out of it
        self._segment: Segment | None = None
        self._started: deque[SegmentStarted] = deque()  # whose samples are not all given out
        self._ended: deque[SegmentEnded] = deque()  # the same, and no more will come
        self._n_told = 0  # words of the first of these segments
        self._to_skip = 0  # samples of what comes that the listener has, and packets behind them
        self._packets_to_skip = 0

    def pack(self, item: Speech) -> Iterator[Outgoing]:
        """Everything that leaves because of this item."""
        match item:
            case AudioChunk():
                yield from self.begin(item.segment)
                yield from self._push(self._resampler.push(item.samples))
                if item.is_last:
                    yield from self._finish()
                    yield from self._end(item.segment)
            case SegmentFailed():
                yield from self.begin(item.segment)
                yield from self._finish()
                yield item
                yield from self._end(item.segment)
            case Resume():
                self._resume(item)
            case Flush():
                yield from self.end_utterance()
                self._to_skip = self._packets_to_skip = 0  # of another utterance there is nothing
                yield Flushed(item.number, self._given_out)

    def _resume(self, resume: Resume) -> None:
        self._to_skip = resume.samples
        if self.takes_long:
            n_packets, rest = divmod(resume.samples, self._opus.packet_samples)
            if n_packets >= SETTLING_PACKETS:
                self._packets_to_skip, self._to_skip = n_packets, rest
            else:
                self._leads_in = resume.has_begun

    def end_utterance(self) -> Iterator[Outgoing]:
        """No text is pending, or the client flushed: nothing is held back."""
        yield from self._frames(self._framer.end_utterance())

    @property
    def offset(self) -> int:
        """The end of what has been given out, padding included."""
        return self._given_out

    @property
    def to_skip_s(self) -> float:
        """How much of the sound that comes is left out, in seconds."""
        n_samples = self._to_skip + self._packets_to_skip * self._opus.packet_samples
        return n_samples / self._format.sample_rate

    @property
    def is_between_segments(self) -> bool:
        """Whether the next sound is the first of a segment."""
        return self._segment is None

    def begin(self, segment: Segment, pacing: Pacing = UNPACED) -> Iterator[Outgoing]:
        """Tell a segment's start, unless it has been told."""
        if self._leads_in:
            # The client's decoder is where the barge-in left it, or a connection that was lost, and
            # our encoder is a new one. A packet of silence brings them together; else the first
            # sound may be a burst.
            self._leads_in = False
            yield from self._frames([np.zeros(self._opus.packet_samples, np.float32)])
        if self._segment is None:
            self._segment = segment
            self._resampler = Resampler(PIPELINE_RATE, self._format.sample_rate)
            started = SegmentStarted(segment, self._pushed, pacing)
            self._started.append(started)
            yield started

    def _push(self, samples: Samples) -> Iterator[Outgoing]:
        if len(samples):
            volume = 0.0 if self._segment is None else self._segment.style.volume
            samples = amplified(samples, volume)
            self._pushed += len(samples)
            n_skipped = min(self._to_skip, len(samples))
            if n_skipped:
                self._to_skip -= n_skipped
                self._given_out += n_skipped
                yield Skipped(n_skipped)
            if n_skipped < len(samples):
                yield from self._frames(self._framer.push(samples[n_skipped:]))

    def _finish(self) -> Iterator[Outgoing]:
        yield from self._push(self._resampler.flush())
        yield from self._frames(self._framer.end_segment())

    def _end(self, segment: Segment) -> Iterator[Outgoing]:
        start = self._started[-1].sample_offset
        self._segment = None
        self._ended.append(SegmentEnded(segment, start, self._pushed - start))
        yield from self._ended_by_now()

    def _frames(self, pieces: Iterable[Samples]) -> Iterator[Outgoing]:
        for piece in pieces:
            data = self._encode(piece)
            timing = self._started[0].segment.timing if self._started else None
            self._given_out += len(piece)
            self._pushed = max(self._pushed, self._given_out)  # beyond it: padding
            if self._packets_to_skip:
                self._packets_to_skip -= 1
                yield Skipped(len(piece))
            else:
                yield PcmFrame(data, len(piece), timing)
            yield from self._ended_by_now()
            yield from self._words_by_now()

    def _encode(self, piece: Samples) -> bytes:
        encoding = self._format.encoding
        if encoding == "opus":
            [packet] = self._opus.push(piece)
            return packet
        return encode(piece, encoding, self._format.channels)

    def _ended_by_now(self) -> Iterator[Outgoing]:
        while self._ended and self._ended[0].end <= self._given_out:
            yield from self._words_by_now()
            self._started.popleft()
            self._n_told = 0
            yield self._ended.popleft()

    def _words_by_now(self) -> Iterator[Outgoing]:
        """The words of the first segment whose sound has all been given out."""
        if not self._tells_words or not self._started:
            return
        segment, offset = self._started[0].segment, self._started[0].sample_offset
        rate = self._format.sample_rate
        end = self._ended[0].end if self._ended else sys.maxsize
        due = []
        for word in segment.clock.words[self._n_told :]:
            start_at, end_at = (
                offset + round(word.start_s * rate),
                offset + round(word.end_s * rate),
            )
            if start_at >= end:
                break  # a segment that was broken off has not said it
            end_at = min(end_at, end)
            if end_at > self._given_out:
                break
            due.append(replace(word, start_s=start_at / rate, end_s=end_at / rate))
        if due:
            self._n_told += len(due)
            yield WordTimes(segment, tuple(due), rate)
