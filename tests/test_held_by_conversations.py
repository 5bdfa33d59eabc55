"""What conversations hold of the room for all clients, and that they give it back."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from pipeline.connection import hold_conversation
from pipeline.dialects.wyoming import Wyoming
from pipeline.dialects.wyoming_events import encode
from pipeline.session import Session
from pipeline.tenants import Limits, Tenant
from pipeline.usage import Caller
from pipeline.voice_names import VoiceNames
from stages.errors import Disconnected, LimitReached
from tests.fakes import CANCEL, FLUSH, VOICES, ListPeer, service, token
from tests.inline_models import InlineModels

if TYPE_CHECKING:
    from trio.testing import MockClock

    from pipeline.dialects.dialect import Message
    from stages.items import ClientMessage


@pytest.mark.parametrize(
    "said",
    [
        (token("Hello there. And more. "), FLUSH),
        (token("Hello there. And more. "), CANCEL),
        (token("Hello there. "), CANCEL, token("Ah!"), Disconnected()),
        (token("~ Oh. Hello."), FLUSH),
    ],
)
async def test_a_conversation_that_has_ended_holds_nothing(
    said: tuple[ClientMessage | Exception, ...], autojump_clock: MockClock
) -> None:
    """Its connection may go on, and have others."""
    server = service()
    holder = server.account.open()
    await hold_conversation(ListPeer(*said), server, server.new_conversation("eager"), None, holder)
    assert holder.n_bytes == 0
    assert server.account.held_bytes == 0


async def test_text_that_a_key_may_not_have_spoken_takes_nobodys_room(
    autojump_clock: MockClock,
) -> None:
    """Where the room was full, somebody was cut off for it before it was refused."""
    server = service()
    server.account.bound_bytes = 12_000
    cut_off: list[str] = []
    server.account.open(lambda: cut_off.append("the other")).share().set(9_000)
    tenant = Tenant("bot", Limits(characters_a_day=5))
    conversation = server.new_conversation("eager", tenant)
    conversation.configure({"events": True})
    peer = ListPeer(token("Too long. " * 100), FLUSH)
    with server.admit(conversation.style, Caller(tenant)) as usage:
        await hold_conversation(peer, server, conversation, usage)
    assert peer.heard_of(LimitReached)
    assert cut_off == []


class WyomingClient:
    """A client that sends some events, and stays: `pipeline.session.Wire`."""

    def __init__(self, *events: bytes) -> None:
        self._events = list(events)
        self.has_said_all = trio.Event()

    def charge(self, n_messages: int) -> None:
        """Take no notice."""

    async def receive(self) -> Message:
        if not self._events:
            self.has_said_all.set()
            await trio.sleep_forever()
        return self._events.pop(0)

    async def send(self, message: Message) -> None:
        del message


@pytest.mark.parametrize("n_bad", [1, 100])
async def test_what_comes_behind_the_last_message_of_a_conversation_holds_nothing(
    n_bad: int,
) -> None:
    """The first event that is malformed is the last that a conversation takes in. The others were
    entered as if they waited for it."""
    server = service(InlineModels(itertools.repeat(60.0)))  # an engine that takes a minute a step
    holder = server.account.open()
    client = WyomingClient(
        encode("synthesize", {"text": "Hello there."}), *[encode("synthesize-stop")] * n_bad
    )
    session = Session(Wyoming(VoiceNames(VOICES, "plain", {})), server, holder=holder)
    with session.begin(looks=False):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.run, client)
            await client.has_said_all.wait()
            await trio.testing.wait_all_tasks_blocked()
            assert 0 < holder.n_bytes < 3000
            nursery.cancel_scope.cancel()
