"""One listener: five stages joined by bounded channels, and what goes around them.

    peer ─▶ intake ─▶ segmenter ─▶ TTS ─▶ RVC ─▶ sender ─▶ outbox ─▶ writer ─▶ peer
            └───────── a turn: what a barge-in drops ─────┘

The outer nursery lives as long as the connection and holds the one writer, whose sends are
never cancelled: a WebSocket frame that is torn cannot be mended. The inner one lasts for a
turn, until the client cancels, and then everything in it is dropped.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

import structlog
import trio

from pipeline.backlog import Backlog
from pipeline.outbox import Outbox
from pipeline.playback import PlaybackClock
from pipeline.token_queue import TokenQueue
from pipeline.transcript import Transcript
from stages.errors import Disconnected, ServerError
from stages.intake.stage import Messages, take_in
from stages.items import (
    Answer,
    Cancelled,
    Event,
    Flush,
    PcmFrame,
    Segment,
    SegmentEnded,
    SegmentFailed,
    Speech,
    Token,
)
from stages.rvc.stage import convert
from stages.segmenter import Segmenter
from stages.segmenter.stage import segment_text
from stages.sender.packing import Packer
from stages.sender.stage import send_speech
from stages.tts.stage import synthesize

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.service import Service
    from stages.intake.stage import Conversation
    from stages.items import ClientMessage, Outgoing, Style

log = structlog.stdlib.get_logger(__name__)

SEGMENTS_WAITING = 2
"""Segments between segmenter and TTS: the next one to speak, and one being cut."""

CHUNKS_WAITING = 4
"""Chunks between TTS, RVC and sender: enough that neither waits for the other's turn on the
loop, and little for a barge-in to throw away."""


class CloseCode(IntEnum):
    """Why a connection ended, as RFC 6455 numbers it."""

    NORMAL = 1000
    GOING_AWAY = 1001
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011


class Peer(Messages, Protocol):
    """The other end: a WebSocket, an HTTP request, a terminal."""

    async def send(self, item: Outgoing | Answer) -> None:
        """Hand a message to the kernel, whole: it is not cancelled half-way, and ends in a
        limited time. Raises `Disconnected`."""


async def hold_conversation(peer: Peer, service: Service, conversation: Conversation) -> CloseCode:
    """Speak to a peer until it has gone or the server closes; says how to close.

    A peer whose messages end is spoken to until everything it said has been sent."""
    return await _Connection(peer, service, conversation).run()


class _Connection:
    def __init__(self, peer: Peer, service: Service, conversation: Conversation) -> None:
        self._peer = peer
        self._service = service
        self._conversation = conversation
        self._outbox = Outbox()
        self._backlog = Backlog(service.max_pending_bytes)
        self._clock = PlaybackClock()
        self._inbox = _Inbox(peer, self._backlog, service.idle_timeout_s, self._idle_since)
        self._transcript = Transcript()
        self._segmenter = Segmenter(service.segmenter_options)
        self._turn_offset = 0  # samples per channel of the stream before this turn
        self._sent_offset = 0  # up to what was handed to the kernel
        self._cancels_taken_in: deque[float] = deque()  # when, of those not answered yet
        self._life = trio.CancelScope()
        self._close_code = CloseCode.NORMAL

    async def run(self) -> CloseCode:
        self._service.backlogs.add(self._backlog)
        self._expect(self._conversation.style)
        try:
            return await self._live()
        finally:
            self._service.forget(self)
            self._service.backlogs.discard(self._backlog)
            self._clock.has_left = True

    def _expect(self, style: Style) -> None:
        """The client has chosen how it will speak next."""
        self._service.load_ahead(self, style)

    async def _live(self) -> CloseCode:
        with self._life:
            async with trio.open_nursery() as background:
                background.start_soon(self._end_at_shutdown)
                async with trio.open_nursery() as writing:
                    writing.start_soon(self._write)
                    if self._conversation.events:
                        await self._outbox.put(self._conversation.ready)
                    await self._talk()
                    self._outbox.close()
                background.cancel_scope.cancel()
        return self._close_code

    async def _talk(self) -> None:
        """Turn after turn, until the client has said all it will."""
        try:
            while (cancel := await self._turn()) is not None:
                await self._barge_in(cancel)
                self._inbox.put_back(replace(cancel, cancel=False))
        except* Disconnected:
            self._life.cancel()

    async def _turn(self) -> ClientMessage | None:
        """Speak until the client cancels, which is returned; None: until all is packed."""
        tokens = TokenQueue()
        to_tts, segments = trio.open_memory_channel[Segment | Flush](SEGMENTS_WAITING)
        to_rvc, speech = trio.open_memory_channel[Speech](CHUNKS_WAITING)
        to_sender, converted = trio.open_memory_channel[Speech](CHUNKS_WAITING)
        service, models, clock = self._service, self._service.executor, self._clock
        first_index = self._segmenter.next_index
        segmenter = self._segmenter = Segmenter(service.segmenter_options, first_index=first_index)

        async with trio.open_nursery() as turn:
            start = turn.start_soon
            start(segment_text, tokens, to_tts, segmenter)
            start(synthesize, segments, to_rvc, service.synthesizer_for, models, clock)
            start(convert, speech, to_sender, service.converter_for, models, clock)
            start(
                send_speech, converted, self._outbox, self._packer, self._transcript, self._backlog
            )
            cancel = await take_in(
                self._inbox,
                tokens,
                self._conversation,
                self._outbox,
                note=self._note,
                expect=self._expect,
            )
            if cancel is not None:
                self._cancels_taken_in.append(trio.current_time())
                turn.cancel_scope.cancel()
        return cancel

    def _packer(self) -> Packer:
        return Packer(self._conversation.stream_format, self._turn_offset)

    def _note(self, item: Token | Flush) -> None:
        """Text or a flush was taken in."""
        match item:
            case Token():
                self._backlog.add_text(item.text)
                self._transcript.take_in(item.text, self._heard_offset())
            case Flush():
                self._backlog.add_flush()
                self._transcript.flushed()

    async def _barge_in(self, cancel: ClientMessage) -> None:
        """The turn is over: drop what was not sent, tell what was heard, begin anew."""
        self._outbox.drop_speech()
        self._backlog.clear()
        end = self._outbox.sample_offset
        rate = self._conversation.stream_format.sample_rate
        if cancel.played_ms is None:
            heard_offset = self._heard_offset()
        else:
            played = min(cancel.played_ms / 1000 * rate, end - self._turn_offset)
            heard_offset = self._turn_offset + int(played)
        heard = self._transcript.heard(heard_offset, rate)
        self._clock.stop(trio.current_time())
        self._transcript = Transcript()
        self._turn_offset = end
        await self._outbox.put(Cancelled(heard.text_spoken, heard.text_remaining, end))

    def _heard_offset(self) -> int:
        """Where the listener's ear is in the stream, if it plays what it gets at once."""
        rate = self._conversation.stream_format.sample_rate
        return self._sent_offset - int(self._clock.unheard_s(trio.current_time()) * rate)

    def _idle_since(self) -> float:
        """Since when there has been nothing to hear, and nothing to say but what waits for the
        client to go on."""
        now = trio.current_time()
        waits_for_client = self._backlog.is_all(self._segmenter.pending)
        return min(now, self._clock.dry_at) if waits_for_client else now

    async def _write(self) -> None:
        """The one writer: everything the peer gets goes through here, in this order."""
        try:
            async for item in self._outbox:
                if self._conversation.events or not isinstance(item, Event):
                    await self._peer.send(item)
                self._note_sent(item)
        except Disconnected:
            self._life.cancel()

    def _note_sent(self, item: Outgoing | Answer) -> None:
        """This, and so everything before it, was handed to the kernel."""
        metrics = self._service.metrics
        match item:
            case PcmFrame():
                self._note_sound(item)
            case SegmentEnded(segment=segment):
                rate = self._conversation.stream_format.sample_rate
                metrics.ended(segment.style.voice, item.n_samples / rate)
                speaks, _ = self._service.synthesizer_for(segment.style)
                metrics.broken_off(speaks.name, segment.remarks)
                log.debug(
                    "spoken",
                    segment=segment.index,
                    voice=segment.style.voice,
                    sound_s=round(item.n_samples / rate, 3),
                    remarks=segment.remarks,
                    text=segment.source,
                )
            case Cancelled():
                metrics.cancelled(trio.current_time() - self._cancels_taken_in.popleft())
            case SegmentFailed(error=error):
                metrics.told_error(error.code)
                if error.fatal:
                    self._close_code = CloseCode.INTERNAL_ERROR
                    self._life.cancel()
            case ServerError():
                metrics.told_error(item.code)

    def _note_sound(self, frame: PcmFrame) -> None:
        now, dry_at, timing = trio.current_time(), self._clock.dry_at, frame.timing
        metrics = self._service.metrics
        metrics.sent(len(frame.data))
        if timing is not None and timing.sent is None:
            timing.sent = now
            metrics.began(timing, was_waiting=dry_at <= timing.arrived)
        elif timing is not None and dry_at < now:
            metrics.gap(now - dry_at)
        self._sent_offset += frame.n_samples
        self._clock.sent(frame.n_samples / self._conversation.stream_format.sample_rate, now)

    async def _end_at_shutdown(self) -> None:
        await self._service.closing.wait()
        self._close_code = CloseCode.GOING_AWAY
        self._inbox.end()
        await self._service.grace_over.wait()
        self._life.cancel()


class _Inbox:
    """The peer's messages, and what holds them up or ends them: too much to say yet, too long
    a silence, a shutdown."""

    def __init__(
        self,
        peer: Peer,
        backlog: Backlog,
        idle_timeout_s: float,
        idle_since: Callable[[], float],
    ) -> None:
        self._peer = peer
        self._backlog = backlog
        self._idle_timeout_s = idle_timeout_s
        self._idle_since = idle_since
        self._put_back: ClientMessage | None = None
        self._has_ended = False
        self._waiting = trio.CancelScope()

    def put_back(self, message: ClientMessage) -> None:
        """Let this message be received next."""
        self._put_back = message

    def end(self) -> None:
        """Take nothing more from the peer."""
        self._has_ended = True
        self._waiting.cancel()

    async def receive(self) -> ClientMessage | None:
        """See `stages.intake.stage.Messages`."""
        if self._put_back is not None:
            message, self._put_back = self._put_back, None
            return message
        await self._backlog.wait_below_bound()
        idle_since = trio.current_time()
        while not self._has_ended:
            with trio.CancelScope(deadline=idle_since + self._idle_timeout_s) as self._waiting:
                return await self._peer.receive()
            idle_since = max(idle_since, self._idle_since())
            self._has_ended |= trio.current_time() >= idle_since + self._idle_timeout_s
        return None
