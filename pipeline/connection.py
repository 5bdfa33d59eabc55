"""One listener: five stages joined by bounded channels, and what goes around them.

    peer ─▶ intake ─▶ segmenter ─▶ TTS ─▶ RVC ─▶ sender ─▶ outbox ─▶ writer ─▶ peer
            └───────── a turn: what a barge-in drops ─────┘

The outer nursery lives as long as the connection and holds the one writer, whose sends are
never cancelled: a WebSocket frame that is torn cannot be mended. The inner one lasts for a
turn, until the client cancels, and then everything in it is dropped.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import trio

from pipeline.close_code import CloseCode
from pipeline.delivery import Delivery
from pipeline.inbox import Inbox
from pipeline.ledger import UNITS_PER_S, Ledger
from pipeline.open_utterance import OpenUtterance
from pipeline.outbox import Outbox
from pipeline.preparation import Preparation
from pipeline.token_queue import TokenQueue
from pipeline.usage import Usage
from stages.errors import Disconnected, GoneAway, ServerError
from stages.intake.stage import Messages, take_in
from stages.items import Answer, Event, Segmented, SegmentFailed, Speech, Token
from stages.resume import Resume, Skipped
from stages.rvc.stage import convert
from stages.segmenter import Segmenter
from stages.segmenter.stage import segment_text
from stages.sender.framing import MIN_MESSAGE_MS
from stages.sender.packing import Packer
from stages.sender.stage import send_speech
from stages.tts.stage import synthesize

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pipeline.holdings import Holder
    from pipeline.service import Service
    from pipeline.usage import How
    from stages.intake.conversation import Conversation
    from stages.items import ClientMessage, Outgoing, Said, Segment, Style
    from stages.sender.pacer import Pacer

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
        self._tokens = TokenQueue()  # of the turn
        self._utterance = OpenUtterance(flush_ends=conversation.flush_ends)
        self._is_told_late = False
        self._delivery = Delivery(service, conversation, self._ledger, usage)
        self._preparation = Preparation(service.executor, self._tell, holder)
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
                async with trio.open_nursery() as writing:
                    writing.start_soon(self._write)
                    if self._conversation.events:
                        self._outbox.answer(self._conversation.ready)
                    background.start_soon(self._heed_leaving)
                    background.start_soon(self._end_after_grace)
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
                self._utterance.cancel()
                self._outbox.drop_speech()
                cancelled = self._ledger.cancel(cancel.played_ms, trio.current_time())
                self._text.set(self._ledger.held_bytes)
                self._outbox.answer(cancelled)
                self._expect(self._conversation.style)  # text that was dropped waits for no voice
                self._inbox.put_back(replace(cancel, cancel=False))
        except* Disconnected:
            self._life.cancel()

    async def _turn(self) -> ClientMessage | None:
        """Speak until the client cancels, which is returned; None: until all has been sent."""
        tokens = self._tokens = TokenQueue()
        if self._utterance.is_over:
            tokens.close()
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
            start(self._send, send, converted)
            cancel = await take_in(
                self._inbox,
                self._conversation,
                say=partial(self._say, tokens),
                answer=self._outbox.answer,
                expect=self._expect_text,
            )
            if cancel is None:
                tokens.close()
            else:
                self._delivery.cancel_taken_in()
                turn.cancel_scope.cancel()
        return cancel

    async def _send(
        self,
        send: Callable[..., Awaitable[None]],
        converted: trio.MemoryReceiveChannel[Speech],
    ) -> None:
        """Send all that the turn speaks, and then read no more: until that has been sent, a client
        may barge in, and is told what is not taken in."""
        await send(converted, self._outbox.send, self._new_packer, self._packed)
        await self._outbox.spoken()
        self._inbox.end()

    def _packed(self, item: Speech) -> bool:
        is_over = self._ledger.packed(item)
        self._utterance.progress()
        return is_over

    def _expect_text(self, style: Style) -> None:
        """The client has chosen a style, for what it says next."""
        self._utterance.begin()
        self._expect(style)

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
        already: then tell it, once. So is text behind the end of the last utterance."""
        if self._utterance.is_over:
            self._refuse_late(item)
            return
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
            if not isinstance(item, Resume):
                self._utterance.take(item)
            if isinstance(item, Token):
                self._usage.took(len(item.text))
        elif is_told:
            return
        elif limit is not None:
            self._outbox.answer(limit)
        else:
            self._outbox.answer(self._ledger.refusal(item, has_room=has_room))

    def _refuse_late(self, item: Said) -> None:
        if self._is_told_late or (isinstance(item, Token) and not item.text.strip()):
            return
        self._is_told_late = True
        told = "the server closes, and this came behind the end of the utterance: connect anew"
        self._outbox.answer(GoneAway(told))

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

    def left_to_hear_s(self, now: float) -> float:
        """See `pipeline.pace.Listener`. A letter takes a byte, and a syllable of three as long as
        three letters."""
        text_s = self._ledger.n_bytes / UNITS_PER_S / self.style.speed
        return self._ledger.clock.unheard_s(now) + text_s

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
        self._delivery.sent(item)
        self._utterance.progress()
        match item:
            case SegmentFailed(error=error) | (ServerError() as error) if error.fatal:
                self._close_code = CloseCode.INTERNAL_ERROR
                self._life.cancel()

    async def _heed_leaving(self) -> None:
        """Tell the client that it is asked to leave, and let it end what it is saying once the
        server closes."""
        async for notice in self._service.leaving.notices():
            self._tell(notice)
        self._close_code = CloseCode.GOING_AWAY
        await self._utterance.end(self._has_sent_all)
        self._tokens.close()

    def _has_sent_all(self) -> bool:
        return self._waits_for_client and self._outbox.is_spoken

    async def _end_after_grace(self) -> None:
        await self._service.leaving.grace_over.wait()
        self._close_code = CloseCode.GOING_AWAY
        self._life.cancel()
