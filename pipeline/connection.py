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
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog
import trio

from pipeline.close_code import CloseCode
from pipeline.inbox import Inbox
from pipeline.ledger import Ledger
from pipeline.outbox import Outbox
from pipeline.preparation import Preparation
from pipeline.token_queue import TokenQueue
from pipeline.usage import Usage
from stages.errors import Disconnected, ServerError
from stages.intake.stage import Messages, take_in
from stages.items import (
    Answer,
    Cancelled,
    Event,
    PcmFrame,
    Segmented,
    SegmentEnded,
    SegmentFailed,
    SegmentStarted,
    Speech,
    Token,
)
from stages.resume import Skipped
from stages.rvc.stage import convert
from stages.segmenter import Segmenter
from stages.segmenter.stage import segment_text
from stages.sender.framing import MIN_MESSAGE_MS
from stages.sender.packing import Packer
from stages.sender.stage import send_speech
from stages.tts.stage import synthesize

if TYPE_CHECKING:
    from pipeline.holdings import Holder
    from pipeline.service import Service
    from pipeline.usage import How
    from stages.intake.conversation import Conversation
    from stages.items import ClientMessage, Outgoing, Said, Segment, Style
    from stages.sender.pacer import Pacer

log = structlog.stdlib.get_logger(__name__)

SEGMENTS_WAITING = 2
"""Segments between segmenter and TTS: the next one to speak, and one being cut."""

CHUNKS_WAITING = 4
"""Chunks between TTS, RVC and sender: enough that neither waits for the other's turn on the
loop, and little for a barge-in to throw away."""

WORD_COPIES = 2
"""How often a connection's pronunciations are in memory: as they came, and to be looked up."""


class Peer(Messages, Protocol):
    """The other end: a WebSocket, an HTTP request, a terminal."""

    async def send(self, item: Outgoing | Answer) -> None:
        """Hand a message to the kernel, whole: it is not cancelled half-way, and ends in a
        limited time. Raises `Disconnected`."""


async def hold_conversation(
    peer: Peer,
    service: Service,
    conversation: Conversation,
    usage: Usage | None = None,
    holder: Holder | None = None,
) -> CloseCode:
    """Speak to a peer until it has gone or the server closes; says how to close. What it uses is
    entered in its account; None: nobody keeps one. `holder` is its connection's, if it has one.

    A peer whose messages end is spoken to until everything it said has been sent."""
    holder = holder or service.account.open()
    return await _Connection(peer, service, conversation, usage or Usage(), holder).run()


class _Connection:
    def __init__(
        self, peer: Peer, service: Service, conversation: Conversation, usage: Usage, holder: Holder
    ) -> None:
        self._peer = peer
        self._text, self._words = holder.share(), holder.share()
        self._service = service
        self._conversation = conversation
        self._usage = usage
        self._outbox = Outbox(holder)
        self._ledger = Ledger(service.max_pending_bytes)
        self._inbox = Inbox(peer, service.idle_timeout_s, self._idle_since)
        self._segmenter = self._new_segmenter()
        self._cancels_taken_in: deque[float] = deque()  # when, of those not answered yet
        self._preparation = Preparation(service.executor, self._tell, holder)
        self._held_since: float | None = None  # of the segment whose start was told last
        self._failed = -1  # the last segment that did
        self._life = trio.CancelScope()
        self._close_code = CloseCode.NORMAL

    async def run(self) -> CloseCode:
        self._service.ledgers.add(self._ledger)
        self._service.pace.listeners.add(self)
        try:
            code = await self._live()
            self._usage.ended = self._how_it_ended(code)
            return code
        except Exception:  # noted, and raised on
            self._usage.ended = "failed"
            raise
        finally:
            self._service.forget(self)
            self._service.ledgers.discard(self._ledger)
            self._service.pace.listeners.discard(self)
            self._ledger.clock.has_left = True
            self._outbox.give_back()
            self._text.close()
            self._words.close()

    def _how_it_ended(self, code: CloseCode) -> How:
        if code is CloseCode.GOING_AWAY:
            return "shutdown"
        if code is CloseCode.INTERNAL_ERROR:
            return "failed"
        if self._life.cancel_called:
            return "left"
        return "idle" if self._inbox.was_idle else "finished"

    async def _live(self) -> CloseCode:
        with self._life:
            async with trio.open_nursery() as background:
                background.start_soon(self._end_at_shutdown)
                async with trio.open_nursery() as writing:
                    writing.start_soon(self._write)
                    if self._conversation.events:
                        self._outbox.answer(self._conversation.ready)
                    self._expect(self._conversation.style)
                    await self._talk()
                    self._outbox.close()
                background.cancel_scope.cancel()
        return self._close_code

    async def _talk(self) -> None:
        """Turn after turn, until the client has said all it will."""
        try:
            while (cancel := await self._turn()) is not None:
                # Drop what was not sent, tell what was heard, and begin anew.
                self._outbox.drop_speech()
                cancelled = self._ledger.cancel(cancel.played_ms, trio.current_time())
                self._text.set(self._ledger.held_bytes)
                self._outbox.answer(cancelled)
                self._expect(self._conversation.style)  # text that was dropped waits for no voice
                self._inbox.put_back(replace(cancel, cancel=False))
        except* Disconnected:
            self._life.cancel()

    async def _turn(self) -> ClientMessage | None:
        """Speak until the client cancels, which is returned; None: until all is packed."""
        tokens = TokenQueue()
        to_tts, segments = trio.open_memory_channel[Segmented](SEGMENTS_WAITING)
        to_rvc, speech = trio.open_memory_channel[Speech](CHUNKS_WAITING)
        to_sender, converted = trio.open_memory_channel[Speech](CHUNKS_WAITING)
        service, models, clock = self._service, self._preparation, self._ledger.clock
        segmenter = self._segmenter = self._new_segmenter(self._segmenter.next_index)

        async with trio.open_nursery() as turn:
            start = turn.start_soon
            start(segment_text, tokens, to_tts, segmenter, service.said)
            speak = partial(synthesize, refuses=self._usage.refuses_segment)
            start(speak, segments, to_rvc, service.synthesizer_for, models, clock)
            start(convert, speech, to_sender, service.converter_for, models, clock)
            heard_at = self._ledger.heard_at
            send = partial(
                send_speech, new_pacer=self._new_pacer, heard_at=heard_at, playback=clock
            )
            start(send, converted, self._outbox.send, self._new_packer, self._ledger.packed)
            cancel = await take_in(
                self._inbox,
                self._conversation,
                say=partial(self._say, tokens),
                answer=self._outbox.answer,
                expect=self._expect,
            )
            if cancel is None:
                tokens.close()
            else:
                self._cancels_taken_in.append(trio.current_time())
                turn.cancel_scope.cancel()
        return cancel

    def _expect(self, style: Style) -> None:
        """Have the voices of a style read that may be spoken with soon."""
        self._words.set(0 if style.lexicon is None else WORD_COPIES * style.lexicon.n_bytes)
        self._preparation.choose(self._service.load_ahead(self, style))

    def _tell(self, item: Answer) -> None:
        """Answer from outside of the intake."""
        try:
            self._outbox.answer(item)
        except Disconnected:
            self._life.cancel()

    def _new_segmenter(self, first_index: int = 0) -> Segmenter:
        service = self._service
        return Segmenter(
            service.segmenter_options,
            first_index=first_index,
            least_chars=service.least_chars,
            language=service.language,
        )

    def _new_packer(self) -> Packer:
        stream_format = self._conversation.stream_format
        self._ledger.sample_rate = stream_format.sample_rate
        return Packer(stream_format, self._ledger.start, tells_words=self._conversation.words)

    def _new_pacer(self, segment: Segment) -> Pacer:
        may_hold = self._conversation.pacing == "smooth"
        message_ms = self._conversation.stream_format.exact_ms or MIN_MESSAGE_MS
        return self._service.pace.pacer(
            segment, self, message_s=message_ms / 1000, may_hold=may_hold
        )

    def _say(self, tokens: TokenQueue, item: Said) -> None:
        """Hand on what the client said, unless a limit of its key is reached or too much waits
        already: then tell it, once."""
        if self._usage.begins_anew():
            self._ledger.is_refusing = False
        limit = self._usage.refuses_text(len(item.text)) if isinstance(item, Token) else None
        is_told = self._ledger.is_refusing
        # What is not to be said makes nobody give up room for it.
        has_room = limit is None and self._text.ask(self._ledger.held_with(item))
        is_taken = self._ledger.take_in(item, trio.current_time(), has_room=has_room)
        self._text.set(self._ledger.held_bytes)
        if is_taken:
            tokens.push(item)
            if isinstance(item, Token):
                self._usage.took(len(item.text))
        elif is_told:
            return
        elif limit is not None:
            self._outbox.answer(limit)
        else:
            self._outbox.answer(self._ledger.refusal(item, has_room=has_room))

    def _idle_since(self) -> float:
        """The time from which on there was nothing to hear, and nothing to say but what waits for
        the client to go on."""
        now = trio.current_time()
        return min(now, self._ledger.clock.dry_at) if self._waits_for_client else now

    @property
    def _waits_for_client(self) -> bool:
        return self._ledger.waits_for_client(self._segmenter.n_given)

    @property
    def style(self) -> Style:
        """See `pipeline.pace.Listener`."""
        return self._conversation.style

    def is_spoken_to(self, now: float) -> bool:
        """See `pipeline.pace.Listener`."""
        return self._ledger.clock.dry_at > now or not self._waits_for_client

    async def _write(self) -> None:
        """The one writer: everything the peer gets goes through here, in this order."""
        try:
            async for item in self._outbox:
                self._ledger.sending(item)
                self._text.set(self._ledger.held_bytes)
                self._usage.sending(item)
                is_event = isinstance(item, Event)
                if not isinstance(item, Skipped) and (self._conversation.events or not is_event):
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
            case SegmentStarted(segment=segment, pacing=pacing):
                self._held_since = trio.current_time() if pacing.hold_s else None
                if pacing.hold_s:
                    self._service.pace.warn(segment)
            case SegmentEnded(segment=segment):
                rate = self._conversation.stream_format.sample_rate
                metrics.ended(segment.style.voice, item.n_samples / rate)
                speaks, _ = self._service.synthesizer_for(segment.speaking_style)
                metrics.broken_off(speaks.name, segment.remarks)
                if segment.index != self._failed:
                    self._service.pace.spoken(segment, item.n_samples / rate)
                log.debug(
                    "spoken",
                    segment=segment.index,
                    voice=segment.style.voice,
                    sound_s=round(item.n_samples / rate, 3),
                    remarks=segment.remarks,
                    text=segment.source,
                )
            case Cancelled():
                taken_in_at = self._cancels_taken_in.popleft()
                metrics.cancel_seconds.observe(trio.current_time() - taken_in_at)
            case SegmentFailed(error=error) | (ServerError() as error):
                if isinstance(item, SegmentFailed):
                    self._failed = item.segment.index
                metrics.errors.labels(error.code).inc()
                if error.fatal:
                    self._close_code = CloseCode.INTERNAL_ERROR
                    self._life.cancel()

    def _note_sound(self, frame: PcmFrame) -> None:
        now, dry_at, timing = trio.current_time(), self._ledger.clock.dry_at, frame.timing
        metrics = self._service.metrics
        metrics.sent_bytes.inc(len(frame.data))
        self._usage.sent(frame.n_samples / self._conversation.stream_format.sample_rate)
        is_heard = self._ledger.sent(frame, now)
        if timing is None or not is_heard:
            return
        if timing.sent is None:
            timing.sent = now
            if self._held_since is not None:
                metrics.hold_seconds.observe(now - self._held_since)
            metrics.began(timing, was_waiting=dry_at <= timing.arrived)
        elif dry_at < now:
            metrics.gap(now - dry_at)

    async def _end_at_shutdown(self) -> None:
        await self._service.closing.wait()
        self._close_code = CloseCode.GOING_AWAY
        self._inbox.end()
        await self._service.grace_over.wait()
        self._life.cancel()
