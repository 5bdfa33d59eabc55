"""One client's socket: its dialect, and the conversations that it holds there.

    socket ─▶ reader ─▶ dialect ─▶ a mailbox a conversation ─▶ hold_conversation
    socket ◀───── one message at a time ◀── dialect ◀─────────────────┘

A conversation's place is taken when it is opened, and given back when it has ended.
"""

from __future__ import annotations

import contextlib
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

import trio

from pipeline.close_code import CloseCode
from pipeline.connection import hold_conversation
from pipeline.context_peer import ContextPeer
from pipeline.dialects.dialect import POOLED_S, Close, Drop, Finish, Open, Say, Tell
from pipeline.usage import NOBODY
from stages.errors import Disconnected, Overloaded, ProtocolError, ServerError
from stages.items import ClientMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipeline.dialects.dialect import Action, Dialect, Message
    from pipeline.holdings import Holder, Share
    from pipeline.service import Service
    from pipeline.tenants import Tenant
    from pipeline.usage import Caller, Usage
    from stages.intake.conversation import Conversation

MAX_CONTEXTS = 16
"""Conversations that one socket may hold at once."""

MAILBOX_ROOM = 16
"""Messages that may wait for a conversation, which takes them in without waiting for anything."""

LETTER_BYTES = 1024
"""Of a message without its text, about."""


TURN_COST = 10
"""Messages that one counts for which begins a conversation or cancels what is being said. Chosen,
not measured: a cancel takes the server 0.4 ms and a token 0.2, and nobody barges in more than twice
a second for long."""


class Wire(Protocol):
    """A socket that carries messages."""

    def charge(self, n_messages: int) -> None:
        """Count so many more for the client's pace."""

    async def receive(self) -> Message:
        """The client's next message. Raises `Disconnected`."""

    async def send(self, message: Message) -> None:
        """Hand a message to the kernel, whole: it is not cancelled half-way, and ends in a limited
        time. Raises `Disconnected`."""


@dataclass(slots=True)
class _OpenContext:
    """A conversation on the socket."""

    conversation: Conversation
    place: contextlib.ExitStack
    """Closed, it gives the place back."""
    usage: Usage
    letters: trio.MemorySendChannel[ClientMessage | ProtocolError]
    mailbox: trio.MemoryReceiveChannel[ClientMessage | ProtocolError]
    opening: Open
    posted: Share
    """What is in the mailbox."""
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    @property
    def name(self) -> str:
        return self.opening.context

    async def post(self, letter: ClientMessage | ProtocolError) -> None:
        """Put it into the mailbox, once there is room, unless the conversation takes no more."""
        n_bytes = _n_bytes(letter)
        self.posted.set(self.posted.n_bytes + n_bytes)
        try:
            await self.letters.send(letter)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.posted.set(self.posted.n_bytes - n_bytes)

    async def next_letter(self) -> ClientMessage | ProtocolError:
        """Take the next one out of the mailbox. Raises `trio.EndOfChannel` behind the last."""
        letter = await self.mailbox.receive()
        self.posted.set(self.posted.n_bytes - _n_bytes(letter))
        return letter


def _n_bytes(letter: ClientMessage | ProtocolError) -> int:
    text = letter.token if isinstance(letter, ClientMessage) else ""
    return LETTER_BYTES + 4 * len(text)  # a character may take four


class Session:
    """The conversations of one socket."""

    def __init__(
        self,
        dialect: Dialect,
        service: Service,
        caller: Caller = NOBODY,
        holder: Holder | None = None,
    ) -> None:
        """`holder` is the connection's."""
        self._holder = holder or service.account.open()
        self._dialect = dialect
        self._service = service
        self._caller = caller
        self._contexts: dict[str, _OpenContext] = {}
        self._has_begun = False
        self._close_code: CloseCode | None = None
        self._n_conversing = 0
        self._one_ended = trio.lowlevel.ParkingLot()
        self._sending = trio.Lock()
        self._used_at = 0.0

    @property
    def tenant(self) -> Tenant | None:
        """Whose key the client has; None: none was asked for."""
        return self._caller.tenant

    @property
    def is_pooled(self) -> bool:
        """Whether no conversation is open."""
        return not self._contexts

    @property
    def silent_s(self) -> float:
        """How long the client may be silent, as `Dialect` has it."""
        return self._dialect.silent_s

    @property
    def has_begun(self) -> bool:
        """Whether speech has been asked for."""
        self._has_begun |= any(own.conversation.has_begun for own in self._contexts.values())
        return self._has_begun

    @contextmanager
    def begin(self, *, looks: bool = True) -> Iterator[None]:
        """Take what the socket begins with, before it is opened. Raises `ProtocolError` for what
        cannot be had, and `Overloaded` or `LimitReached` where all places are taken. A socket that
        begins with nothing `looks` whether there is a place, unless it has a use without one."""
        opening = self._dialect.opening()
        if opening is None and looks:
            self._service.check_room(tenant=self.tenant)  # each context takes its own later
        elif opening is not None:
            self._new_context(opening)
        self._service.places.sockets.add(self)
        try:
            yield
        finally:
            self._service.places.sockets.discard(self)
            for context in self._contexts.values():
                context.place.close()

    async def run(self, wire: Wire) -> CloseCode:
        """Serve the socket until it is to be closed; says how."""
        self._wire = wire
        self._used_at = trio.current_time()
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._end_when_asked_to_leave)
            nursery.start_soon(self._end_when_idle)
            with contextlib.suppress(Disconnected):
                for message in self._dialect.greeting():
                    await self._send(message)
                for context in list(self._contexts.values()):
                    nursery.start_soon(self._converse, context)
                while True:
                    await self._hear(await wire.receive())
            nursery.cancel_scope.cancel()
        return CloseCode.NORMAL if self._close_code is None else self._close_code

    async def _hear(self, message: Message) -> None:
        self._used_at = trio.current_time()
        try:
            actions = list(self._dialect.hear(message))
        except ProtocolError as error:
            actions = list(self._dialect.refused(error))
        await self._do(actions)

    async def _do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Open():
                    await self._open(action)
                case Say(said, name):
                    await self._say(said, name)
                case Finish(name):
                    if name in self._contexts:
                        self._contexts[name].letters.close()
                case Drop(name):
                    self._drop(name)
                case Tell(message):
                    await self._send(message)
                case Close(code):
                    if code is CloseCode.INTERNAL_ERROR:
                        for context in self._contexts.values():
                            context.usage.ended = "failed"
                    self._close_code = code
                    self._nursery.cancel_scope.cancel()
                    return

    async def _open(self, opening: Open) -> None:
        self._wire.charge(TURN_COST)
        try:
            # Who has not been asked to leave yet knows nothing of a drain.
            is_here = bool(self._contexts) or self._service.leaving.notice is None
            context = self._new_context(opening, is_here=is_here)
        except ServerError as error:
            await self._do(self._dialect.refused(error, opening.context))
        else:
            self._nursery.start_soon(self._converse, context)

    def _new_context(self, opening: Open, *, is_here: bool = False) -> _OpenContext:
        if opening.context in self._contexts:
            raise ProtocolError(f"context {opening.context!r} is open already")
        if len(self._contexts) >= MAX_CONTEXTS:
            raise Overloaded(f"{MAX_CONTEXTS} contexts are open on this connection, the most")
        segmentation, tenant = self._dialect.segmentation, self.tenant
        conversation = self._service.new_conversation(segmentation, tenant)
        form = {} if opening.form is None else opening.form.config
        conversation.flush_ends = self._dialect.flush_ends
        conversation.configure({**opening.config, **form})
        place = contextlib.ExitStack()
        admission = self._service.admit(conversation.style, self._caller, is_here=is_here)
        usage = place.enter_context(admission)
        channel = trio.open_memory_channel[ClientMessage | ProtocolError](MAILBOX_ROOM)
        posted = self._holder.share()
        context = _OpenContext(conversation, place, usage, *channel, opening, posted)
        self._contexts[context.name] = context
        return context

    async def _say(self, said: ClientMessage | ProtocolError, name: str) -> None:
        context = self._contexts.get(name)
        if context is None:
            return  # it ended a moment ago, and `Dialect.ended` has told
        if isinstance(said, ClientMessage) and said.cancel:
            self._wire.charge(TURN_COST)
        await context.post(said)

    def _drop(self, name: str) -> None:
        context = self._contexts.get(name)
        if context is not None:
            context.usage.ended = "dropped"
            self._forget(context)
            context.scope.cancel()

    def _forget(self, context: _OpenContext) -> None:
        """The conversation has ended: its name and its place are free."""
        self._has_begun = self.has_begun
        self._used_at = trio.current_time()
        if self._contexts.get(context.name) is context:
            del self._contexts[context.name]
        context.place.close()

    async def _converse(self, context: _OpenContext) -> None:
        code = None
        self._n_conversing += 1
        try:
            with context.scope, context.mailbox, context.posted:
                code = await self._hold(context)
            if code is None or context.scope.cancel_called:
                return  # dropped
            self._forget(context)
            await self._do(self._dialect.ended(context.name, code))
        except Disconnected:
            self._nursery.cancel_scope.cancel()
        finally:
            self._n_conversing -= 1
            self._one_ended.unpark_all()

    async def _wait_all_ended(self) -> None:
        """Return once no conversation is open, and all that they had to tell has been sent."""
        await trio.lowlevel.checkpoint()
        while self._contexts or self._n_conversing:
            await self._one_ended.park()

    async def _hold(self, context: _OpenContext) -> CloseCode:
        peer = ContextPeer(
            context.opening,
            context.conversation,
            self._dialect,
            context.next_letter,
            send=partial(self._send, context=context),
            do=self._do,
        )
        await peer.begin()
        async with trio.open_nursery() as nursery:
            if self._dialect.keeps_alive:
                nursery.start_soon(peer.keep_alive, self._sending.locked)
            code = await hold_conversation(
                peer, self._service, context.conversation, context.usage, self._holder
            )
            nursery.cancel_scope.cancel()
        await peer.end()
        return code

    async def _send(self, message: Message, context: _OpenContext | None = None) -> None:
        with self._holder.share() as waiting:
            waiting.set(sys.getsizeof(message))
            async with self._sending:  # conversations take turns
                # It may have been dropped since.
                if context is None or not context.scope.cancel_called:
                    await self._wire.send(message)

    async def _end_when_asked_to_leave(self) -> None:
        """A socket without a conversation has nobody else to close it."""
        leaving = self._service.leaving
        while True:
            await leaving.asked()
            await self._wait_all_ended()
            if leaving.notice is not None:  # it was not taken back meanwhile
                break
        await self._do([Close(CloseCode.GOING_AWAY)])

    async def _end_when_idle(self) -> None:
        """Likewise."""
        idle_s = min(self._service.idle_timeout_s, POOLED_S)
        while True:
            await self._wait_all_ended()
            used_at = self._used_at
            await trio.sleep_until(used_at + idle_s)
            if not self._contexts and self._used_at == used_at:
                await self._do([Close()])
