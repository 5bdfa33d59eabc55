"""Cartesia's WebSocket: contexts, each a conversation of its own. Every message repeats all of its
context's wishes."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.close_code import CloseCode
from pipeline.dialects import cartesia
from pipeline.dialects.cartesia import RawFormat, Wishes
from pipeline.dialects.dialect import POOLED_S, Dialect, Drop, Finish, Open, Say, Tell
from pipeline.dialects.native import Text
from pipeline.dialects.reading import (
    ContextName,
    FailedContexts,
    checked,
    json_object,
    named_context,
)
from stages.errors import GoneAway, LimitReached, Overloaded, ProtocolError, ServerError
from stages.items import ClientMessage, Flushed, PcmFrame, SegmentFailed, WordTimes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.dialects.dialect import Action, Handshake, Message
    from pipeline.voice_names import VoiceNames
    from stages.items import Answer, Outgoing


class _Generation(Wishes):
    """A message about a context."""

    context_id: ContextName = Field(min_length=1)
    transcript: Text = ""
    goes_on: bool | None = Field(None, validation_alias="continue")
    flush: bool | None = None
    cancel: bool | None = None
    output_format: RawFormat | None = None
    max_buffer_delay_ms: int | None = None


@dataclass(slots=True)
class _CartesiaContext:
    """A context that is open."""

    manner: dict[str, Any]
    is_finishing: bool = False
    n_flushes: int = 0
    """Those that the client asked for."""
    flushes: deque[int | None] = field(default_factory=deque)
    """The flushes under way: the numbers of the client's; None: of our own, which are not told."""


class Cartesia(Dialect):
    """The contexts of one WebSocket. A client forgets one that it cancels, or that failed, and
    would take a later word about it for the next one's: there is none."""

    silent_s = POOLED_S
    flush_ends = False
    keeps_alive = True

    def __init__(self, handshake: Handshake, voice_names: VoiceNames) -> None:
        del handshake  # all wishes are in the messages
        self._voice_names = voice_names
        self._contexts: dict[str, _CartesiaContext] = {}
        self._failed = FailedContexts()

    def hear(self, message: Message) -> Iterable[Action]:
        fields = json_object(message)
        name = named_context(fields, "context_id") or ""
        goes_on = bool(fields.get("continue"))
        if name in self._failed:  # and the client had not read that when it wrote this
            if not goes_on:
                self._failed.discard(name)
            return []
        try:
            said = checked(_Generation, fields)
            if said.cancel:
                return self._drop(name)
            return self._take(name, said)
        except ProtocolError as error:
            return [*self._drop(name), *self._fail(name, error, goes_on=goes_on)]

    def _take(self, name: str, said: _Generation) -> Iterable[Action]:
        context = self._contexts.get(name)
        actions: list[Action] = []
        if context is None:
            context, opening = self._open(name, said)
            actions.append(opening)
        if context.is_finishing:
            if not said.transcript.strip():
                return []
            raise ProtocolError("transcript: the last one of this context has come before it")
        actions.append(Say(self._words(context, said), name))
        if not said.goes_on:
            context.is_finishing = True
            actions.append(Finish(name))
        return actions

    def _open(self, name: str, said: _Generation) -> tuple[_CartesiaContext, Open]:
        if said.output_format is None:
            raise ProtocolError("output_format: is missing")
        manner = said.manner(self._voice_names)
        context = self._contexts[name] = _CartesiaContext(manner)
        config = {**manner, "events": True, "words": bool(said.add_timestamps)}
        return context, Open(config, name, said.output_format.form)

    def _words(self, context: _CartesiaContext, said: _Generation) -> ClientMessage:
        text, changes = said.transcript, None
        if text.strip():
            # The one that ends a context may be empty, and then has other wishes than its own.
            manner = said.manner(self._voice_names)
            changes = dict(manner.items() - context.manner.items()) or None
            context.manner |= manner
        is_unit = said.max_buffer_delay_ms == 0 and bool(text.strip())
        if is_unit and not text[-1].isspace():
            text += " "  # clients send sentence behind sentence, with nothing between them
        if said.flush:
            context.n_flushes += 1
            context.flushes.append(context.n_flushes)
        elif is_unit or not said.goes_on:
            context.flushes.append(None)
        flush = bool(said.flush) or is_unit or not said.goes_on
        return ClientMessage(token=text, flush=flush, config=changes)

    def tell(self, context: str, item: Outgoing | Answer) -> Iterable[Message | Action]:
        own = self._contexts.get(context)
        if own is None:
            return []
        match item:
            case PcmFrame(data=data):
                return [json.dumps(cartesia.chunk(context, data))]
            case WordTimes():
                return [json.dumps(cartesia.timestamps(context, item))]
            case Flushed():
                number = own.flushes.popleft()
                return [] if number is None else [json.dumps(cartesia.flush_done(context, number))]
            case GoneAway():
                return []  # told by `ended`, behind what is being spoken
            case SegmentFailed(error=error) | (ServerError() as error):
                told = self._fail(context, error, goes_on=not own.is_finishing)
                return [*(each.message for each in told), Drop(context)]
            case _:
                return []

    def refused(self, error: ServerError, context: str | None = None) -> Iterable[Action]:
        own = None if context is None else self._contexts.get(context)
        return self._fail(context or "", error, goes_on=own is not None and not own.is_finishing)

    def ended(self, context: str, code: CloseCode) -> Iterable[Action]:
        own = self._contexts.pop(context, None)
        if own is None:
            return []
        is_complete = own.is_finishing and not own.flushes
        if code is CloseCode.NORMAL or is_complete:
            return [Tell(json.dumps(cartesia.done(context)))]
        error = Overloaded("the server was shut down before all was spoken")
        return [Tell(_told(context, error))]

    def _drop(self, name: str) -> list[Action]:
        return [Drop(name)] if self._contexts.pop(name, None) is not None else []

    def _fail(self, name: str, error: ServerError, *, goes_on: bool) -> list[Tell]:
        """The last word about a context. `goes_on`: the client has not said its own."""
        self._contexts.pop(name, None)
        if name and goes_on:
            self._failed.add(name)
        return [Tell(_told(name, error))]


def _told(context: str, error: ServerError) -> str:
    match error:
        case ProtocolError():
            status = HTTPStatus.BAD_REQUEST
        case Overloaded():
            status = HTTPStatus.SERVICE_UNAVAILABLE
        case LimitReached():
            status = HTTPStatus.TOO_MANY_REQUESTS
        case _:
            status = HTTPStatus.INTERNAL_SERVER_ERROR
    return json.dumps(cartesia.failed(context, status, error.code, str(error)))
